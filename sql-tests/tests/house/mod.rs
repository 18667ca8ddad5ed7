//! A server with its clients, for tests in which several of them meet.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part of this")]

use std::sync::Arc;
use std::time::Duration;

use engine::{Database, FunctionOptions, Options, StoreKind};
use server::{Server, ServerOptions};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A server on a fresh data folder, and what its clients run on.
pub struct House {
    server: Option<Server>,
    runtime: Runtime,
    _folder: tempfile::TempDir,
}

impl House {
    pub fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(Options {
            data_dir: folder.path().join("data"),
            store: StoreKind::Fjall,
            progress: Arc::new(|_| {}),
            functions: FunctionOptions::default(),
        })
        .unwrap();
        let options = ServerOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            ..ServerOptions::default()
        };
        House {
            server: Some(Server::start(database, options).unwrap()),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .worker_threads(2)
                .build()
                .unwrap(),
            _folder: folder,
        }
    }

    pub fn connect(&self) -> Connection<'_> {
        self.connect_with("user=postgres").unwrap()
    }

    /// As another user, or with options; the error is `SQLSTATE: message`.
    pub fn connect_with(&self, given: &str) -> Result<Connection<'_>, String> {
        let port = self.server.as_ref().unwrap().local_addr().port();
        let client = self.runtime.block_on(async move {
            let config = format!("host=127.0.0.1 port={port} dbname=postgres {given}");
            let (client, connection) = tokio_postgres::connect(&config, NoTls).await.map_err(|error| told(&error))?;
            tokio::spawn(connection);
            Ok::<_, String>(client)
        })?;
        Ok(Connection {
            client: Arc::new(client),
            runtime: &self.runtime,
        })
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(Duration::from_secs(1));
        }
    }
}

pub struct Connection<'a> {
    client: Arc<Client>,
    runtime: &'a Runtime,
}

/// A statement on its way.
pub struct Pending<'a> {
    task: tokio::task::JoinHandle<Result<String, String>>,
    runtime: &'a Runtime,
}

impl<'a> Connection<'a> {
    /// The rows of the answer, their values separated by spaces; or `SQLSTATE: message`.
    pub fn run(&self, sql: &str) -> Result<String, String> {
        self.runtime.block_on(ask(&self.client, sql))
    }

    pub fn ok(&self, sql: &str) -> String {
        self.run(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"))
    }

    /// A statement of the extended protocol, for [`Connection::execute`].
    pub fn prepare(&self, sql: &str) -> tokio_postgres::Statement {
        self.runtime.block_on(self.client.prepare(sql)).unwrap()
    }

    /// The first column of the first row, a text; or `SQLSTATE: message`.
    pub fn execute(&self, statement: &tokio_postgres::Statement) -> Result<String, String> {
        let rows = self.runtime.block_on(self.client.query(statement, &[]));
        rows.map(|rows| rows[0].get(0)).map_err(|error| told(&error))
    }

    pub fn begin(&self, sql: &str) -> Pending<'a> {
        let (client, sql) = (self.client.clone(), sql.to_string());
        Pending {
            task: self.runtime.spawn(async move { ask(&client, &sql).await }),
            runtime: self.runtime,
        }
    }
}

impl Pending<'_> {
    pub fn is_done(&self) -> bool {
        self.task.is_finished()
    }

    pub fn wait(self) -> Result<String, String> {
        let patience = Duration::from_secs(60);
        self.runtime
            .block_on(async { tokio::time::timeout(patience, self.task).await })
            .expect("an answer within a minute")
            .unwrap()
    }
}

fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{}: {}", db.code().code(), db.message()),
        None => format!("connection: {error}"),
    }
}

async fn ask(client: &Client, sql: &str) -> Result<String, String> {
    let messages = client.simple_query(sql).await.map_err(|error| told(&error))?;
    let rows: Vec<String> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect::<Vec<_>>().join(" ")),
            _ => None,
        })
        .collect();
    Ok(rows.join("\n"))
}
