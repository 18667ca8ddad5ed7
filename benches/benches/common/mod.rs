//! What benchmarks over a socket share: a server on a fresh folder, connections, medians.

#![allow(dead_code, reason = "each benchmark uses its part")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Database, Options, StoreKind};
use server::{Server, ServerOptions};
use tokio_postgres::{Client, NoTls};

/// As the server's own binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A server on a fresh data folder, stopped when it is dropped.
pub struct Served {
    server: Option<Server>,
    folder: tempfile::TempDir,
    /// How to reach it.
    pub config: String,
}

impl Served {
    pub fn start() -> Served {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options {
            data_dir: folder.path().join("data"),
            store: StoreKind::Fjall,
            progress: Arc::new(|text| eprintln!("{text}")),
            functions: engine::FunctionOptions::default(),
        };
        let database = Database::open(options).expect("a database");
        let options = ServerOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            ..ServerOptions::default()
        };
        let server = Server::start(database, options).expect("a server");
        let config = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", server.local_addr().port());
        Served {
            server: Some(server),
            folder,
            config,
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(Duration::from_secs(1));
        }
    }
}

/// The PostgreSQL to compare with, from the environment: `PEER="host=/tmp user=postgres"`.
pub fn peer() -> Option<String> {
    let peer = std::env::var("PEER").ok();
    if peer.is_none() {
        println!("no PEER is given, so there is nothing to compare with; PEER=\"host=/tmp user=postgres\" names a PostgreSQL");
    }
    peer
}

pub async fn connect(config: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(config, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median time of a small write with `fdatasync`, in microseconds, in a file like a store's journal.
pub fn sync_us(folder: &Path, times: usize) -> f64 {
    let mut file = File::create(folder.join("raw")).expect("a file");
    file.set_len(64 << 20).expect("a size");
    file.sync_all().expect("a disk");
    let times = (0..times).map(|_| {
        let started = Instant::now();
        file.write_all(&[7; 400]).expect("a write");
        file.sync_data().expect("a disk");
        started.elapsed().as_secs_f64() * 1e6
    });
    median(times.collect())
}
