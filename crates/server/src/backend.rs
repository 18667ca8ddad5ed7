//! A stand-in with the engine's shape while the engine is being written. It will be deleted.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use types::{Datum, Notice, Result, SqlError, SqlState, Type};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    Fjall,
    Sled,
}
pub struct Options {
    pub data_dir: PathBuf,
    pub store: StoreKind,
    pub progress: Arc<dyn Fn(&str) + Send + Sync>,
}
pub struct ConnectOptions {
    pub user: String,
    pub database: String,
    pub settings: Vec<(String, String)>,
    pub client: Option<SocketAddr>,
}
pub struct RoleLogin {
    pub password: Option<String>,
    pub login: bool,
}
#[derive(Default)]
pub struct Database {
    cancels: Mutex<HashMap<i32, Arc<AtomicBool>>>,
    pub passwords: Mutex<HashMap<String, String>>,
    next: AtomicI32,
}
impl Database {
    pub fn open(_: Options) -> Result<Arc<Database>> {
        Ok(Arc::new(Database::default()))
    }
    pub fn connect(self: &Arc<Self>, options: ConnectOptions) -> Result<Session> {
        if options.database != "postgres" {
            return Err(SqlError::new(
                SqlState::InvalidCatalogName,
                format!("database \"{}\" does not exist", options.database),
            )
            .fatal());
        }
        let pid = self.next.fetch_add(1, Ordering::Relaxed) + 100;
        let cancel = Arc::new(AtomicBool::new(false));
        self.cancels.lock().insert(pid, cancel.clone());
        let app = options
            .settings
            .iter()
            .find(|s| s.0 == "application_name")
            .map(|s| s.1.clone())
            .unwrap_or_default();
        Ok(Session {
            db: self.clone(),
            pid,
            cancel,
            status: TransactionStatus::Idle,
            notices: vec![],
            changed: vec![],
            app,
            done: 0,
        })
    }
    pub fn role_login(&self, user: &str) -> Option<RoleLogin> {
        match user {
            "postgres" => Some(RoleLogin {
                password: self.passwords.lock().get(user).cloned(),
                login: true,
            }),
            "nologin" => Some(RoleLogin {
                password: None,
                login: false,
            }),
            _ => None,
        }
    }
    pub fn has_any_password(&self) -> bool {
        !self.passwords.lock().is_empty()
    }
    pub fn record_login(&self, _user: &str, _client: Option<SocketAddr>, _refused: Option<&SqlError>) -> Result<()> {
        Ok(())
    }
    pub fn warm_up(&self) -> Result<()> {
        Ok(())
    }
    pub fn close(&self) -> Result<()> {
        Ok(())
    }
    pub fn cancel_all(&self) {
        self.cancels.lock().values().for_each(|flag| flag.store(true, Ordering::SeqCst));
    }
    pub fn cancel(&self, pid: i32, secret: i32) {
        if secret == pid * 7
            && let Some(flag) = self.cancels.lock().get(&pid)
        {
            flag.store(true, Ordering::SeqCst);
        }
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransactionStatus {
    Idle,
    InTransaction,
    Failed,
}
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDesc {
    pub name: String,
    pub ty: Type,
    pub typmod: i32,
    pub table_oid: u32,
    pub attnum: i16,
}
pub struct ParsedStatement {
    text: String,
}
pub struct Prepared {
    text: String,
    params: Vec<Type>,
    columns: Option<Vec<ColumnDesc>>,
}
impl Prepared {
    pub fn param_types(&self) -> &[Type] {
        &self.params
    }
    pub fn columns(&self) -> Option<&[ColumnDesc]> {
        self.columns.as_deref()
    }
}
pub type RowIter = Box<dyn Iterator<Item = Result<Vec<Datum>>> + Send>;
#[derive(Clone, Copy)]
pub struct RowTag;
impl RowTag {
    pub fn text(self, rows: u64) -> String {
        format!("SELECT {rows}")
    }
}
pub enum Outcome {
    Rows {
        columns: Vec<ColumnDesc>,
        rows: RowIter,
        tag: RowTag,
    },
    Complete {
        tag: String,
    },
    Empty,
}
pub struct Session {
    db: Arc<Database>,
    pid: i32,
    cancel: Arc<AtomicBool>,
    status: TransactionStatus,
    notices: Vec<Notice>,
    changed: Vec<(String, String)>,
    app: String,
    pub done: u64,
}
impl Drop for Session {
    fn drop(&mut self) {
        self.db.cancels.lock().remove(&self.pid);
    }
}
fn column(name: &str, ty: Type) -> ColumnDesc {
    ColumnDesc {
        name: name.into(),
        ty,
        typmod: -1,
        table_oid: 0,
        attnum: 0,
    }
}
impl Session {
    pub fn pid(&self) -> i32 {
        self.pid
    }
    pub fn secret_key(&self) -> i32 {
        self.pid * 7
    }
    pub fn parameter_status(&self) -> Vec<(String, String)> {
        vec![
            ("server_version".into(), "15.0".into()),
            ("application_name".into(), self.app.clone()),
        ]
    }
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
    pub fn changed_parameters(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.changed)
    }
    pub fn transaction_status(&self) -> TransactionStatus {
        self.status
    }
    pub fn parse(&mut self, sql: &str) -> Result<Vec<ParsedStatement>> {
        if let Some(at) = sql.find("SELEC ") {
            return Err(SqlError::new(SqlState::SyntaxError, "syntax error at or near \"SELEC\"").position(at + 1));
        }
        Ok(sql
            .split(';')
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .map(|text| ParsedStatement { text: text.into() })
            .collect())
    }
    pub fn run(&mut self, statement: &ParsedStatement) -> Result<Outcome> {
        self.go(&statement.text, &[])
    }
    pub fn finish(&mut self) -> Result<()> {
        Ok(())
    }
    pub fn statement_done(&mut self, result: Result<(), &SqlError>) {
        self.done += 1;
        if result.is_err() && self.status == TransactionStatus::InTransaction {
            self.status = TransactionStatus::Failed;
        }
    }
    pub fn prepare(&mut self, sql: &str, types: &[Option<Type>]) -> Result<Arc<Prepared>> {
        let mut parts = self.parse(sql)?;
        if parts.len() > 1 {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                "cannot insert multiple commands into a prepared statement",
            ));
        }
        let text = parts.pop().map(|p| p.text).unwrap_or_default();
        let mut params = vec![];
        if text.contains("$1") {
            params.push(
                types
                    .first()
                    .copied()
                    .flatten()
                    .unwrap_or(if text.contains("int4") { Type::Int4 } else { Type::Text }),
            );
        }
        let columns = Self::columns(&text, &params);
        Ok(Arc::new(Prepared { text, params, columns }))
    }
    pub fn execute(&mut self, prepared: &Arc<Prepared>, params: Vec<Datum>) -> Result<Outcome> {
        let text = prepared.text.clone();
        self.go(&text, &params)
    }
    pub fn text_io(&mut self, _types: impl IntoIterator<Item = Type>) -> Result<TextIo> {
        Ok(TextIo)
    }
    fn columns(text: &str, params: &[Type]) -> Option<Vec<ColumnDesc>> {
        let ty = if text.contains("$1") {
            params[0]
        } else if text.contains("repeat") {
            Type::Text
        } else {
            Type::Int4
        };
        text.starts_with("SELECT").then(|| vec![column("x", ty)])
    }
    fn go(&mut self, text: &str, params: &[Datum]) -> Result<Outcome> {
        self.cancel.store(false, Ordering::SeqCst);
        let number = |key: &str| -> f64 {
            text.split_once(key)
                .and_then(|(_, r)| r.split([')', ',']).next())
                .and_then(|n| n.trim().parse().ok())
                .unwrap_or(0.0)
        };
        if text.is_empty() {
            return Ok(Outcome::Empty);
        }
        if self.status == TransactionStatus::Failed && text != "ROLLBACK" {
            let message = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(SqlError::new(SqlState::InFailedSqlTransaction, message));
        }
        let complete = |tag: &str| Ok(Outcome::Complete { tag: tag.into() });
        match text {
            "BEGIN" => {
                self.status = TransactionStatus::InTransaction;
                return complete("BEGIN");
            }
            "COMMIT" | "ROLLBACK" => {
                self.status = TransactionStatus::Idle;
                return complete(text);
            }
            _ => {}
        }
        if let Some(value) = text.strip_prefix("SET application_name = ") {
            self.changed.push(("application_name".into(), value.trim_matches('\'').into()));
            return complete("SET");
        }
        if text.starts_with("DROP TABLE IF EXISTS ") {
            self.notices.push(Notice::notice("table \"nope\" does not exist, skipping"));
            return complete("DROP TABLE");
        }
        if text.contains("1/0") {
            return Err(SqlError::new(SqlState::DivisionByZero, "division by zero"));
        }
        if text.contains("panic_now") {
            panic!("asked to");
        }
        let Some(columns) = Self::columns(
            text,
            &[params
                .first()
                .map_or(Type::Text, |d| if matches!(d, Datum::Int4(_)) { Type::Int4 } else { Type::Text })],
        ) else {
            return Err(SqlError::new(SqlState::SyntaxError, format!("syntax error at or near \"{text}\"")).position(1));
        };
        let cancel = self.cancel.clone();
        let rows: RowIter = if text.contains("generate_series(1,") {
            let upto = number("generate_series(1,") as i32;
            Box::new((1..=upto).map(move |n| {
                if cancel.load(Ordering::SeqCst) {
                    return Err(SqlError::new(SqlState::QueryCanceled, "canceling statement due to user request"));
                }
                Ok(vec![Datum::Int4(n)])
            }))
        } else if text.contains("pg_sleep(") {
            let end = Instant::now() + Duration::from_secs_f64(number("pg_sleep("));
            while Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
                if cancel.load(Ordering::SeqCst) {
                    return Err(SqlError::new(SqlState::QueryCanceled, "canceling statement due to user request"));
                }
            }
            Box::new([Ok(vec![Datum::Int4(0)])].into_iter())
        } else if text.contains("repeat('x',") {
            Box::new([Ok(vec![Datum::text("x".repeat(number("repeat('x',") as usize))])].into_iter())
        } else if text.contains("$1") {
            Box::new([Ok(vec![params[0].clone()])].into_iter())
        } else {
            Box::new([Ok(vec![Datum::Int4(1)])].into_iter())
        };
        Ok(Outcome::Rows {
            columns,
            rows,
            tag: RowTag,
        })
    }
}

pub struct TextIo;
impl TextIo {
    pub fn print(&self, _ty: Type, datum: &Datum, out: &mut String) -> Result<()> {
        match datum {
            Datum::Text(t) => out.push_str(t),
            other => out.push_str(&format!("{other:?}")),
        }
        Ok(())
    }
    pub fn read(&self, ty: Type, text: &str) -> Result<Datum> {
        match ty {
            Type::Int4 => text.parse().map(Datum::Int4).map_err(|_| {
                SqlError::new(
                    SqlState::InvalidTextRepresentation,
                    format!("invalid input syntax for type integer: \"{text}\""),
                )
            }),
            _ => Ok(Datum::text(text)),
        }
    }
}
