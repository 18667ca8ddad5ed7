//! A statement after binding: what authorization looks at and execution carries out.

use std::sync::{Arc, OnceLock};

use query::ir::{ColumnId, Expr, Rel};
use query::{Host, RowIter};
use types::{Result, Type};

use crate::bind::Touched;
use crate::parse::Statement;

/// One bound statement. There are no names left in it, and nothing to convert.
#[derive(Debug)]
pub enum Plan {
    Query(QueryPlan),
    Insert(Insert),
    Update(Update),
    Delete(Delete),
    Call(Call),
    /// Everything else works on the statement as it was written.
    Utility(Statement),
}

/// A column of a result, as RowDescription tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDesc {
    pub name: String,
    pub ty: Type,
    pub typmod: i32,
    /// 0 where the column is not a table's.
    pub table_oid: u32,
    pub attnum: i16,
}

#[derive(Debug)]
pub struct QueryPlan {
    pub rel: Rel,
    pub columns: Vec<ColumnDesc>,
    pub touched: Touched,
    pub explain: bool,
    /// Made when it first runs: a plan that is kept is run many times.
    ready: OnceLock<query::Prepared>,
}

impl QueryPlan {
    pub fn new(rel: Rel, columns: Vec<ColumnDesc>, touched: Touched, explain: bool) -> QueryPlan {
        QueryPlan {
            rel,
            columns,
            touched,
            explain,
            ready: OnceLock::new(),
        }
    }

    /// Its rows, as [`query::execute`] gives them.
    pub fn execute(&self, host: &Arc<dyn Host>) -> Result<RowIter> {
        match self.ready.get() {
            Some(ready) => ready.execute(host),
            None => {
                let ready = query::Prepared::new(&self.rel, host.environment())?;
                self.ready.get_or_init(|| ready).execute(host)
            }
        }
    }
}

/// `input` gives one row per row to insert, with every column of the table in its order.
#[derive(Debug)]
pub struct Insert {
    pub table: Arc<catalog::Table>,
    pub input: Rel,
    pub on_conflict: Option<OnConflict>,
    pub returning: Option<Returning>,
    pub touched: Touched,
}

#[derive(Debug)]
pub struct OnConflict {
    /// The unique key that may conflict, as column indexes; None: any of them.
    pub target: Option<Vec<usize>>,
    pub action: ConflictAction,
}

#[derive(Debug)]
pub enum ConflictAction {
    Nothing,
    /// Expressions over the row that is there (`existing`) and the one that was proposed (`excluded`).
    Update {
        assignments: Vec<(usize, Expr)>,
        filter: Option<Expr>,
        existing: Vec<ColumnId>,
        excluded: Vec<ColumnId>,
    },
}

/// `input` gives the row's key, its columns as they are (`old`), one column per assignment, and
/// what else RETURNING wants.
#[derive(Debug)]
pub struct Update {
    pub table: Arc<catalog::Table>,
    pub input: Rel,
    /// The column index that each assignment sets.
    pub assigned: Vec<usize>,
    pub returning: Option<Returning>,
    pub touched: Touched,
}

/// `input` gives the row's key, its columns, and what else RETURNING wants.
#[derive(Debug)]
pub struct Delete {
    pub table: Arc<catalog::Table>,
    pub input: Rel,
    pub returning: Option<Returning>,
    pub touched: Touched,
}

/// CALL of a procedure.
#[derive(Debug)]
pub struct Call {
    pub procedure: Arc<catalog::Function>,
    /// One per argument of the procedure, of its type.
    pub args: Vec<Expr>,
    pub touched: Touched,
}

/// RETURNING: expressions over the written row, then what else the input row holds.
#[derive(Debug)]
pub struct Returning {
    /// The names of the values that the expressions see: the table's columns, then the rest.
    pub row: Vec<ColumnId>,
    pub exprs: Vec<Expr>,
    pub columns: Vec<ColumnDesc>,
}

impl Plan {
    /// The columns of the rows that the statement returns; None where it returns none.
    pub fn columns(&self) -> Option<&[ColumnDesc]> {
        match self {
            Plan::Query(query) => Some(&query.columns),
            Plan::Insert(insert) => insert.returning.as_ref().map(|returning| returning.columns.as_slice()),
            Plan::Update(update) => update.returning.as_ref().map(|returning| returning.columns.as_slice()),
            Plan::Delete(delete) => delete.returning.as_ref().map(|returning| returning.columns.as_slice()),
            Plan::Call(_) | Plan::Utility(_) => None,
        }
    }
}

impl ColumnDesc {
    pub fn new(name: impl Into<String>, ty: Type) -> ColumnDesc {
        ColumnDesc {
            name: name.into(),
            ty,
            typmod: types::NO_TYPMOD,
            table_oid: 0,
            attnum: 0,
        }
    }

    /// Whether two results look the same to a client, whichever tables they come from.
    pub fn same_result(one: Option<&[ColumnDesc]>, other: Option<&[ColumnDesc]>) -> bool {
        let looks = |columns: Option<&[ColumnDesc]>| -> Option<Vec<(String, Type, i32)>> {
            columns.map(|columns| columns.iter().map(|c| (c.name.clone(), c.ty, c.typmod)).collect())
        };
        looks(one) == looks(other)
    }
}
