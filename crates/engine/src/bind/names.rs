//! Names in the catalog, found through the search path.

use std::sync::Arc;

use catalog::{Function, Snapshot, Table};
use types::{Result, SqlError, SqlState};

/// A catalog as one session sees it.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub snapshot: &'a Snapshot,
    /// Schema names, `"$user"` already replaced, without the implicit pg_catalog.
    pub search_path: &'a [String],
}

impl<'a> Names<'a> {
    /// The names that the texts stored with a table or view were written with: its creator's, so that who reads
    /// or writes cannot put functions of their own in their place. None: the catalog does not have it.
    pub fn stored_with(self, table: &Table) -> Option<Names<'a>> {
        let stored = self.snapshot.table_by_oid(table.oid)?;
        Some(Names {
            snapshot: self.snapshot,
            search_path: &stored.search_path,
        })
    }

    /// The names that the argument defaults of a function were written with. None: the catalog does not have it.
    pub fn made_with(self, function: &Function) -> Option<Names<'a>> {
        let stored = self.snapshot.function_by_oid(function.oid)?;
        Some(Names {
            snapshot: self.snapshot,
            search_path: &stored.created_path,
        })
    }

    /// Only pg_catalog's.
    pub fn without_path(self) -> Names<'a> {
        Names {
            snapshot: self.snapshot,
            search_path: &[],
        }
    }

    /// The schemas that an unqualified name is looked up in: pg_catalog first, unless the path names it.
    pub fn schemas(&self) -> impl Iterator<Item = &str> {
        let implicit = !self.search_path.iter().any(|schema| schema == "pg_catalog");
        implicit
            .then_some("pg_catalog")
            .into_iter()
            .chain(self.search_path.iter().map(String::as_str))
    }

    pub fn find_table(&self, schema: Option<&str>, name: &str) -> Option<Arc<Table>> {
        match schema {
            Some(schema) => self.snapshot.table(schema, name).cloned(),
            None => self.schemas().find_map(|schema| self.snapshot.table(schema, name).cloned()),
        }
    }

    pub fn table(&self, schema: Option<&str>, name: &str) -> Result<Arc<Table>> {
        self.find_table(schema, name).ok_or_else(|| {
            let full = match schema {
                Some(schema) => format!("{schema}.{name}"),
                None => name.to_string(),
            };
            SqlError::new(SqlState::UndefinedTable, format!("relation \"{full}\" does not exist"))
        })
    }

    /// Users' functions and procedures of this name, those of the first schema on the path first; one that
    /// another with the same argument types hides is left out.
    pub fn functions(&self, schema: Option<&str>, name: &str) -> Vec<Arc<Function>> {
        match schema {
            Some(schema) => self.snapshot.functions_named(schema, name).to_vec(),
            None => self.snapshot.functions_on_path(&self.schemas().collect::<Vec<_>>(), name),
        }
    }

    /// Where a new object without a schema goes.
    pub fn creation_schema(&self) -> Result<&str> {
        self.search_path
            .iter()
            .map(String::as_str)
            .find(|schema| self.snapshot.schema(schema).is_some())
            .ok_or_else(|| SqlError::new(SqlState::InvalidSchemaName, "no schema has been selected to create in"))
    }
}
