//! Runs every `.slt` file below `sql-tests/` and `udf-examples/` through a real socket, each against a
//! server of its own on a fresh data folder.
//!
//! Format: sqllogictest's. `statement error` and `query error` match against `SQLSTATE: message` and the
//! lines `DETAIL: ...`, `HINT: ...`, `CONTEXT: ...`. An argument is a part of a path: only files whose path
//! holds it are run. After `control substitution on`, `${FOLDER}` is the file's own folder, `${HTTP}`
//! host and port of a web server that answers `{}`. A `create.sql` beside a file is run before it.
//! A run that has nothing to check has failed: no file found, or one without a record.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Database, FunctionOptions, Options, StorageOptions, StoreKind, TrustedRoots};
use server::{Server, ServerOptions};
use sqllogictest::{DBOutput, DefaultColumnType, Record};
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// One connection: simple protocol, values as text.
struct Connection {
    client: tokio_postgres::Client,
}

#[derive(Debug)]
struct Refused(String, Option<String>);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl From<tokio_postgres::Error> for Refused {
    fn from(error: tokio_postgres::Error) -> Refused {
        let Some(db) = error.as_db_error() else {
            return Refused(format!("connection: {error:?}"), None);
        };
        let mut text = format!("{}: {}", db.code().code(), db.message());
        for (word, part) in [("DETAIL", db.detail()), ("HINT", db.hint()), ("CONTEXT", db.where_())] {
            if let Some(part) = part {
                text.push_str(&format!("\n{word}: {part}"));
            }
        }
        Refused(text, Some(db.code().code().to_string()))
    }
}

#[async_trait::async_trait]
impl sqllogictest::AsyncDB for Connection {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let mut rows = vec![];
        let mut width = 0;
        let mut count = 0;
        let mut has_rows = false;
        for message in self.client.simple_query(sql).await? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    has_rows = true;
                    width = columns.len();
                }
                SimpleQueryMessage::Row(row) => rows.push(
                    (0..row.len())
                        .map(|index| match row.get(index) {
                            None => "NULL".to_string(),
                            Some("") => "(empty)".to_string(),
                            Some(text) => text.replace('\n', "\\n"),
                        })
                        .collect(),
                ),
                SimpleQueryMessage::CommandComplete(rows) => count = rows,
                _ => {}
            }
        }
        match has_rows {
            true => Ok(DBOutput::Rows {
                types: vec![DefaultColumnType::Text; width],
                rows,
            }),
            false => Ok(DBOutput::StatementComplete(count)),
        }
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "parhelion"
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn error_sql_state(error: &Refused) -> Option<String> {
        error.1.clone()
    }
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![];
    find(here, &mut files);
    find(&here.join("../udf-examples"), &mut files);
    files.sort();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .expect("a runtime for the clients");
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        let name = file.strip_prefix(here).unwrap_or(&file).display().to_string();
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let started = Instant::now();
        match records(&file).and_then(|()| run(&file, &runtime)) {
            Ok(()) => {
                passed += 1;
                println!("ok     {name} ({} ms)", started.elapsed().as_millis());
            }
            Err(error) => {
                failed += 1;
                println!("FAILED {name}\n{error}\n");
            }
        }
    }
    println!("\n{passed} passed, {failed} failed");
    if passed + failed == 0 {
        println!("no file's path holds {}", wanted.join(" or "));
        return ExitCode::FAILURE;
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Refuses a file in which nothing is checked.
fn records(file: &Path) -> Result<(), String> {
    let records = sqllogictest::parse_file::<DefaultColumnType>(file).map_err(|error| error.to_string())?;
    let checks = |record: &Record<DefaultColumnType>| matches!(record, Record::Statement { .. } | Record::Query { .. });
    match records.iter().any(checks) {
        true => Ok(()),
        false => Err("no record in it".to_string()),
    }
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path);
        }
    }
}

/// An example's own `create.sql`, as its reader would run it, comes before its claims.
async fn create(file: &Path, port: u16) -> Result<(), String> {
    let script = file.with_file_name("create.sql");
    if !script.exists() {
        return Ok(());
    }
    let sql = std::fs::read_to_string(&script).map_err(|error| error.to_string())?;
    let config = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    client
        .batch_execute(&sql)
        .await
        .map_err(|error| format!("{}: {}", script.display(), Refused::from(error)))
}

/// A web server for functions to speak to: it answers every request with 200 and `{}`.
fn answer_http() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let mut request = vec![];
            let mut chunk = [0; 4096];
            // The head, and as much body as it says.
            let complete = |request: &[u8]| {
                let text = String::from_utf8_lossy(request).to_lowercase();
                text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
                    body.len() >= length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
                })
            };
            while !complete(&request) {
                match connection.read(&mut chunk) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => request.extend_from_slice(&chunk[..count]),
                }
            }
            let _ = connection
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
        }
    });
    Ok(address)
}

fn run(file: &Path, runtime: &tokio::runtime::Runtime) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let options = Options {
        data_dir: folder.path().join("data"),
        store: StoreKind::Fjall,
        progress: Arc::new(|_| {}),
        functions: FunctionOptions {
            environment: [("API_URL".to_string(), "https://api.example.com".to_string())].into(),
            storage: StorageOptions {
                // A file whose name says so is about a server that asks for it.
                requires_consent: file.to_string_lossy().contains("requires_consent"),
                max_bytes: 100_000,
                max_keys: 100,
            },
            trusted_roots: TrustedRoots::default(),
        },
    };
    let database = Database::open(options).map_err(|error| error.to_string())?;
    let listen = ([127, 0, 0, 1], 0).into();
    let server = Server::start(
        database,
        ServerOptions {
            listen,
            ..ServerOptions::default()
        },
    )
    .map_err(|error| error.to_string())?;
    let port = server.local_addr().port();
    let http = answer_http().map_err(|error| error.to_string())?;
    let result = runtime.block_on(async {
        create(file, port).await?;
        let mut runner = sqllogictest::Runner::new(move || async move {
            let config = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
            let (client, connection) = tokio_postgres::connect(&config, NoTls).await.map_err(Refused::from)?;
            tokio::spawn(connection);
            Ok(Connection { client })
        });
        if let Some(folder) = file.canonicalize().ok().as_deref().and_then(Path::parent) {
            runner.set_var("FOLDER".into(), folder.display().to_string());
            runner.set_var("HTTP".into(), http.to_string());
        }
        let result = runner.run_file_async(file).await.map_err(|error| error.to_string());
        runner.shutdown_async().await;
        result
    });
    server.stop(Duration::from_secs(1));
    result
}
