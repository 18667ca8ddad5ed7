//! One execution of a plan: the host, the values of outer columns, work tables, and results that
//! are computed once per execution.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use types::{Datum, Result, SqlError};

use crate::host::{Host, Row};
use crate::ir::{ColumnId, CteId};
use crate::local::{Kept, Source};
use crate::memory::Account;
use crate::subquery::Cached;

/// Cheap to clone; every clone belongs to the same execution.
#[derive(Clone)]
pub(crate) struct Env {
    pub host: Arc<dyn Host>,
    outer: Option<Arc<Outer>>,
    tables: Option<Arc<WorkTable>>,
    ctes: Option<Arc<Ctes>>,
    cache: Arc<Mutex<HashMap<Slot, Cached>>>,
    /// What this execution keeps in memory.
    pub account: Arc<Account>,
    begun: Option<Arc<Begun>>,
}

/// Scans that were opened to see how many rows they have, each to be taken over once.
type Begun = Mutex<HashMap<ColumnId, Box<dyn Source>>>;

/// Names something that is computed once per execution.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Slot(u64);

/// The row of the query around this one, and those around that.
struct Outer {
    columns: Arc<[ColumnId]>,
    row: Row,
    around: Option<Arc<Outer>>,
}

/// The last round's rows of a recursive query, and of those around it.
struct WorkTable {
    name: String,
    rows: Arc<Vec<Row>>,
    around: Option<Arc<WorkTable>>,
}

/// A WITH query that can be read, and those before it and around.
struct Ctes {
    id: CteId,
    rows: Option<Arc<Kept>>,
    around: Option<Arc<Ctes>>,
}

impl Drop for Ctes {
    /// One after the other: a clause may hold more queries than the stack has room for. The rows go first, because their
    /// environment holds what is around, too.
    fn drop(&mut self) {
        self.rows = None;
        let mut next = self.around.take();
        while let Some(mut ctes) = next.and_then(Arc::into_inner) {
            ctes.rows = None;
            next = ctes.around.take();
        }
    }
}

impl Slot {
    pub fn next() -> Slot {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Slot(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Env {
    pub fn new(host: Arc<dyn Host>) -> Env {
        Env {
            host,
            outer: None,
            tables: None,
            ctes: None,
            cache: Arc::default(),
            account: Arc::default(),
            begun: None,
        }
    }

    pub fn functions(&self) -> &dyn functions::Environment {
        self.host.environment()
    }

    /// The same execution, inside of a row with these columns.
    pub fn inside(&self, columns: Arc<[ColumnId]>, row: Row) -> Env {
        Env {
            outer: Some(Arc::new(Outer {
                columns,
                row,
                around: self.outer.clone(),
            })),
            account: Arc::default(),
            ..self.clone()
        }
    }

    pub fn outer(&self, id: ColumnId) -> Result<&Datum> {
        let mut level = self.outer.as_ref();
        while let Some(outer) = level {
            if let Some(index) = outer.columns.iter().position(|column| *column == id) {
                return Ok(&outer.row[index]);
            }
            level = outer.around.as_ref();
        }
        Err(SqlError::internal(format!("column {} is not in scope", id.0)))
    }

    pub fn param(&self, index: usize) -> Result<&Datum> {
        self.host
            .params()
            .get(index)
            .ok_or_else(|| SqlError::internal(format!("there is no parameter ${}", index + 1)))
    }

    pub fn with_work_table(&self, name: &str, rows: Arc<Vec<Row>>) -> Env {
        Env {
            tables: Some(Arc::new(WorkTable {
                name: name.to_string(),
                rows,
                around: self.tables.clone(),
            })),
            account: Arc::default(),
            ..self.clone()
        }
    }

    pub fn work_table(&self, name: &str) -> Result<Arc<Vec<Row>>> {
        let mut level = self.tables.as_ref();
        while let Some(table) = level {
            if table.name == name {
                return Ok(table.rows.clone());
            }
            level = table.around.as_ref();
        }
        Err(SqlError::internal(format!("there is no work table {name}")))
    }

    pub fn with_cte(&self, id: CteId, rows: Arc<Kept>) -> Env {
        Env {
            ctes: Some(Arc::new(Ctes {
                id,
                rows: Some(rows),
                around: self.ctes.clone(),
            })),
            ..self.clone()
        }
    }

    pub fn cte(&self, id: CteId) -> Result<Arc<Kept>> {
        let mut level = self.ctes.as_ref();
        while let Some(ctes) = level {
            match &ctes.rows {
                Some(rows) if ctes.id == id => return Ok(rows.clone()),
                _ => level = ctes.around.as_ref(),
            }
        }
        Err(SqlError::internal("a WITH query is not in scope"))
    }

    /// The same execution, with scans that have begun.
    pub fn with_begun(&self, scans: HashMap<ColumnId, Box<dyn Source>>) -> Env {
        Env {
            begun: Some(Arc::new(Mutex::new(scans))),
            ..self.clone()
        }
    }

    pub fn take_begun(&self, id: ColumnId) -> Option<Box<dyn Source>> {
        self.begun.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }

    pub fn cached(&self, slot: Slot) -> Option<Cached> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&slot).cloned()
    }

    pub fn keep(&self, slot: Slot, value: Cached) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).insert(slot, value);
    }
}
