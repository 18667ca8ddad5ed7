//! The columns that an expression may name.

use std::sync::Arc;

use query::ir::{ColumnId, Expr};
use types::{Result, SqlError, SqlState, Type};

/// The relations of one FROM clause, and the query around it.
#[derive(Default)]
pub struct Scope<'p> {
    pub tables: Vec<ScopeTable>,
    pub parent: Option<&'p Scope<'p>>,
}

/// One range-table entry.
#[derive(Clone, Debug)]
pub struct ScopeTable {
    /// The name that qualifies its columns; None for the merged columns of a join.
    pub alias: Option<String>,
    pub table: Option<Arc<catalog::Table>>,
    /// A function that returns single values, no rows: its name alone means the value.
    pub scalar: bool,
    pub columns: Vec<ScopeColumn>,
}

#[derive(Clone, Debug)]
pub struct ScopeColumn {
    pub name: String,
    pub id: ColumnId,
    pub ty: Type,
    /// Merged away by USING: found only with its table's name.
    pub merged: bool,
}

impl<'p> Scope<'p> {
    pub fn child(parent: Option<&'p Scope<'p>>) -> Scope<'p> {
        Scope { tables: vec![], parent }
    }

    /// Whether these name columns of the queries around and none of this one: an aggregate over them
    /// would be the outer query's.
    pub fn only_outer<'e>(&self, exprs: impl Iterator<Item = &'e Expr>) -> bool {
        let (mut here, mut around) = (false, false);
        let mut see = |expr: &Expr| {
            if let Expr::Column { id, .. } = expr {
                let own = self.tables.iter().any(|table| table.columns.iter().any(|column| column.id == *id));
                let outer = std::iter::successors(self.parent, |scope| scope.parent)
                    .any(|scope| scope.tables.iter().any(|table| table.columns.iter().any(|column| column.id == *id)));
                here |= own;
                around |= outer && !own;
            }
        };
        exprs.for_each(|expr| each(expr, &mut see));
        around && !here
    }

    /// An unqualified column, here or in a query around.
    pub fn column(&self, name: &str) -> Result<Option<&ScopeColumn>> {
        let mut found = None;
        for table in &self.tables {
            for column in &table.columns {
                if column.name == name && !column.merged {
                    if found.is_some() {
                        return Err(SqlError::new(
                            SqlState::AmbiguousColumn,
                            format!("column reference \"{name}\" is ambiguous"),
                        ));
                    }
                    found = Some(column);
                }
            }
        }
        match (found, self.parent) {
            (Some(column), _) => Ok(Some(column)),
            (None, Some(parent)) => parent.column(name),
            (None, None) => Ok(None),
        }
    }

    pub fn table(&self, alias: &str) -> Option<&ScopeTable> {
        let here = self.tables.iter().find(|table| table.alias.as_deref() == Some(alias));
        here.or_else(|| self.parent.and_then(|parent| parent.table(alias)))
    }

    pub fn qualified(&self, alias: &str, name: &str) -> Result<&ScopeColumn> {
        let Some(table) = self.table(alias) else {
            return Err(self.missing(alias));
        };
        table
            .columns
            .iter()
            .find(|column| column.name == name)
            .ok_or_else(|| SqlError::new(SqlState::UndefinedColumn, format!("column {alias}.{name} does not exist")))
    }

    /// A qualifier that names nothing; a table that goes by another name here is pointed out.
    fn missing(&self, alias: &str) -> SqlError {
        let renamed = self
            .tables
            .iter()
            .find(|entry| entry.table.as_ref().is_some_and(|table| table.name == alias));
        match (renamed.and_then(|entry| entry.alias.as_deref()), self.parent) {
            (Some(other), _) => SqlError::new(
                SqlState::UndefinedTable,
                format!("invalid reference to FROM-clause entry for table \"{alias}\""),
            )
            .hint(format!("Perhaps you meant to reference the table alias \"{other}\".")),
            (None, Some(parent)) => parent.missing(alias),
            (None, None) => SqlError::new(SqlState::UndefinedTable, format!("missing FROM-clause entry for table \"{alias}\"")),
        }
    }

    /// Adds an entry; the same name twice is 42712.
    pub fn add(&mut self, table: ScopeTable) -> Result<()> {
        if let Some(alias) = &table.alias
            && self.tables.iter().any(|other| other.alias.as_ref() == Some(alias))
        {
            return Err(SqlError::new(
                SqlState::DuplicateAlias,
                format!("table name \"{alias}\" specified more than once"),
            ));
        }
        self.tables.push(table);
        Ok(())
    }
}

fn each(expr: &Expr, see: &mut dyn FnMut(&Expr)) {
    see(expr);
    expr.for_each_child(&mut |child| each(child, see));
}
