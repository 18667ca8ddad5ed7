//! System tables: relations whose rows are made from the catalog when they are read.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use types::{Datum, NO_TYPMOD, Type, VECTOR_TYPMOD};

use crate::builtin::{HELIOSDB_OID, INFORMATION_SCHEMA_OID, PG_CATALOG_OID, SUPERUSER_OID};
use crate::privilege::{Acl, AclItem, PUBLIC, Privilege};
use crate::{Column, Snapshot, Table, TableKind, heliosdb, information_schema, pg_catalog};

pub type Row = Vec<Datum>;

/// One system table or view. Its columns stand in PostgreSQL's order.
pub struct SystemTable {
    pub oid: u32,
    pub schema: &'static str,
    pub name: &'static str,
    pub columns: &'static [(&'static str, Type)],
    /// All rows.
    pub rows: fn(&SystemContext) -> Vec<Row>,
    /// Shorter ways to the rows with one value in one column.
    pub finders: &'static [Finder],
}

/// The rows that have a given value in a given column.
pub struct Finder {
    pub column: &'static str,
    pub rows: fn(&SystemContext, &Datum) -> Vec<Row>,
}

/// What the rows are made from: the catalog, who asks, and what only a running server knows.
pub struct SystemContext<'a> {
    pub snapshot: &'a Snapshot,
    pub database: &'a str,
    /// The current user's role OID.
    pub current_user: u32,
    /// The effective search path, `pg_catalog` included (`current_schemas(true)`).
    pub search_path: &'a [String],
    pub live: &'a dyn Live,
}

/// What the catalog asks of the running server. Every answer has a default, so that tests need none.
pub trait Live {
    fn settings(&self) -> Vec<Setting> {
        vec![]
    }

    /// PostgreSQL's built-in functions, for `pg_proc`.
    fn builtin_functions(&self) -> Vec<BuiltinFunction> {
        vec![]
    }

    fn sessions(&self) -> Vec<SessionInfo> {
        vec![]
    }

    /// The prepared statements of the session that asks.
    fn prepared_statements(&self) -> Vec<PreparedStatement> {
        vec![]
    }

    /// Bytes that a table's rows take; 0 where nobody knows.
    fn table_size(&self, _table: &Table) -> i64 {
        0
    }

    /// Refused system calls of a function, all that it ever made.
    fn violations(&self, _function: u32) -> u32 {
        0
    }

    /// What a function has used since the server started.
    fn function_stats(&self, _oid: u32) -> FunctionStats {
        FunctionStats::default()
    }

    /// The last value that a sequence gave; None before its first.
    fn sequence_last_value(&self, _table: &Table) -> Option<i64> {
        None
    }
}

/// Nothing is running.
pub struct Offline;

impl Live for Offline {}

/// What a function has used since the server started.
#[derive(Clone, Copy, Debug, Default)]
pub struct FunctionStats {
    /// Statements that called it.
    pub calls: u64,
    pub failures: u64,
    /// Of the failures those by a resource limit.
    pub limits_hit: u64,
    pub total_duration_us: u64,
    pub max_duration_us: u64,
    /// Instructions.
    pub total_fuel: u64,
    pub max_memory_bytes: u64,
    /// Microseconds since 1970.
    pub last_call: Option<i64>,
}

/// A row of `pg_settings`.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    pub name: String,
    pub value: String,
    pub unit: Option<&'static str>,
    pub category: &'static str,
    pub description: &'static str,
    /// `internal`, `postmaster`, `sighup`, `superuser` or `user`.
    pub context: &'static str,
    /// `bool`, `integer`, `real`, `string` or `enum`.
    pub vartype: &'static str,
    pub boot_value: Option<String>,
    pub reset_value: Option<String>,
    /// `default`, `session`, `configuration file`...
    pub source: &'static str,
    pub enum_values: Vec<&'static str>,
}

/// A built-in function as `pg_proc` shows it.
#[derive(Clone, Debug)]
pub struct BuiltinFunction {
    pub oid: u32,
    pub name: &'static str,
    pub args: &'static [Type],
    pub variadic: bool,
    pub ret: Type,
    pub set: bool,
    pub strict: bool,
    /// `f` function, `a` aggregate, `w` window function.
    pub kind: char,
    /// `i`, `s` or `v`.
    pub volatility: char,
}

/// A row of `pg_prepared_statements`.
#[derive(Clone, Debug)]
pub struct PreparedStatement {
    pub name: String,
    pub text: String,
    /// Microseconds since 1970 UTC.
    pub prepared_at: i64,
    pub parameters: Vec<Type>,
    /// By PREPARE, and not by the protocol.
    pub from_sql: bool,
}

/// A row of `pg_stat_activity`.
#[derive(Clone, Debug, Default)]
pub struct SessionInfo {
    pub pid: i32,
    /// The role's OID.
    pub user: u32,
    pub application_name: String,
    pub client_addr: Option<String>,
    pub client_port: Option<i32>,
    /// Microseconds since 1970 UTC, these four.
    pub backend_start: i64,
    pub xact_start: Option<i64>,
    pub query_start: Option<i64>,
    pub state_change: Option<i64>,
    /// `active`, `idle`, `idle in transaction`, `idle in transaction (aborted)`.
    pub state: &'static str,
    pub query: String,
    /// What its connection is encrypted with.
    pub encryption: Option<Encryption>,
}

/// TLS as `pg_stat_ssl` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// `TLSv1.3`.
    pub version: String,
    /// OpenSSL's name of it.
    pub cipher: String,
    pub bits: i32,
}

/// The columns that are an int2vector or oidvector in PostgreSQL; no other column of a system table has their names.
const VECTORS: &[&str] = &[
    "indkey",
    "indcollation",
    "indclass",
    "indoption",
    "partattrs",
    "partclass",
    "partcollation",
    "prattrs",
    "proargtypes",
    "stxkeys",
    "tgattr",
];

impl SystemTable {
    /// The rows, or where `equals` names a column that a finder knows, those with that value in it and perhaps others:
    /// whoever asks filters again.
    pub fn scan(&self, context: &SystemContext, equals: Option<(&str, &Datum)>) -> Vec<Row> {
        if let Some((column, value)) = equals
            && let Some(finder) = self.finder(column)
        {
            return (finder.rows)(context, value);
        }
        (self.rows)(context)
    }

    /// Whether [`SystemTable::scan`] gains from knowing a value of this column.
    pub fn finder(&self, column: &str) -> Option<&Finder> {
        self.finders.iter().find(|finder| finder.column == column)
    }

    /// A table for what PostgreSQL keeps in one, for the audit log and its alerts, a view for what is derived.
    pub fn relkind(&self) -> char {
        match self.schema {
            "pg_catalog" if !pg_catalog::VIEWS.contains(&self.name) => 'r',
            "heliosdb" if matches!(self.oid, heliosdb::AUDIT_LOG_OID | heliosdb::ALERTS_OID) => 'r',
            _ => 'v',
        }
    }

    pub fn schema_oid(&self) -> u32 {
        match self.schema {
            "pg_catalog" => PG_CATALOG_OID,
            "information_schema" => INFORMATION_SCHEMA_OID,
            _ => HELIOSDB_OID,
        }
    }

    fn table(&'static self) -> Table {
        let columns = self
            .columns
            .iter()
            .zip(1..)
            .map(|((name, ty), attnum)| Column {
                typmod: if VECTORS.contains(name) { VECTOR_TYPMOD } else { NO_TYPMOD },
                ..Column::new(*name, *ty, attnum)
            })
            .collect();
        let everything = AclItem {
            grantee: SUPERUSER_OID,
            grantor: SUPERUSER_OID,
            privileges: crate::privilege::AclKind::Table.privileges().to_vec(),
            grantable: vec![],
        };
        let mut acl = vec![everything];
        if let Some(reader) = self.reader() {
            acl.push(AclItem {
                grantee: reader,
                grantor: SUPERUSER_OID,
                privileges: vec![Privilege::Select],
                grantable: vec![],
            });
        }
        Table {
            oid: self.oid,
            schema: self.schema.to_string(),
            name: self.name.to_string(),
            owner: SUPERUSER_OID,
            kind: TableKind::System(self),
            columns,
            primary_key: None,
            constraints: vec![],
            indexes: vec![],
            triggers: vec![],
            search_path: vec![],
            version: 1,
            acl: Some(Acl(acl)),
            comment: None,
        }
    }

    /// Who may SELECT from it besides superusers: everybody, except what shows secrets or the audit log, and the alerts that are made of it.
    fn reader(&self) -> Option<u32> {
        match (self.schema, self.name) {
            ("pg_catalog", "pg_authid" | "pg_shadow") => None,
            ("heliosdb", "audit_log" | "alerts") => Some(crate::builtin::AUDITOR_OID),
            _ => Some(PUBLIC),
        }
    }
}

impl std::fmt::Debug for SystemTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// Every system table.
pub fn system_tables() -> impl Iterator<Item = &'static SystemTable> {
    [
        pg_catalog::TABLES,
        pg_catalog::EMPTY,
        information_schema::TABLES,
        information_schema::EMPTY,
        heliosdb::TABLES,
    ]
    .into_iter()
    .flatten()
}

/// The system tables as tables, by OID and by name.
pub fn system_relations() -> &'static SystemRelations {
    static RELATIONS: LazyLock<SystemRelations> = LazyLock::new(|| {
        let all: Vec<Arc<Table>> = system_tables().map(|system| Arc::new(system.table())).collect();
        let mut by_name: HashMap<&'static str, HashMap<&'static str, usize>> = HashMap::new();
        for (index, system) in system_tables().enumerate() {
            by_name.entry(system.schema).or_default().insert(system.name, index);
        }
        SystemRelations {
            by_oid: all.iter().enumerate().map(|(index, table)| (table.oid, index)).collect(),
            by_name,
            all,
        }
    });
    &RELATIONS
}

pub struct SystemRelations {
    all: Vec<Arc<Table>>,
    by_oid: HashMap<u32, usize>,
    by_name: HashMap<&'static str, HashMap<&'static str, usize>>,
}

impl SystemRelations {
    pub fn all(&self) -> &[Arc<Table>] {
        &self.all
    }

    pub fn table(&self, schema: &str, name: &str) -> Option<&Arc<Table>> {
        self.by_name.get(schema)?.get(name).map(|index| &self.all[*index])
    }

    pub fn table_by_oid(&self, oid: u32) -> Option<&Arc<Table>> {
        self.by_oid.get(&oid).map(|index| &self.all[*index])
    }
}
