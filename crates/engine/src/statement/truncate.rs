//! `TRUNCATE`.

use std::sync::Arc;

use catalog::{Privilege, TableKind};
use sqlparser::ast;
use types::{Result, SqlError, SqlState};

use super::grant::relation;
use super::{complete, drop_object, permission_denied};
use crate::context::StatementContext;
use crate::parse::object_name;
use crate::session::Outcome;

pub fn run(context: &Arc<StatementContext>, truncate: &ast::Truncate) -> Result<Outcome> {
    for target in &truncate.table_names {
        let (schema, name) = object_name(&target.name)?;
        let table = relation(context, &(schema, name.clone()))?;
        match table.kind {
            TableKind::Table => {}
            TableKind::System(_) => return Err(crate::bind::dml::system_table_error(&table)),
            TableKind::View { .. } | TableKind::Sequence(_) => {
                return Err(SqlError::new(SqlState::WrongObjectType, format!("\"{name}\" is not a table")));
            }
        }
        if !context.catalog.has_table_privilege(context.actor.role, &table, Privilege::Truncate) {
            return Err(permission_denied("table", &name));
        }
        context.lock_definition(&table, "TRUNCATE TABLE")?;
        // What was revoked while this waited counts, and the table may be gone.
        let catalog = context.catalog_now();
        let Some(table) = catalog.table_by_oid(table.oid) else {
            return Err(SqlError::new(
                SqlState::UndefinedTable,
                format!("relation \"{name}\" does not exist"),
            ));
        };
        if !catalog.has_table_privilege(context.actor.role, table, Privilege::Truncate) {
            return Err(permission_denied("table", &name));
        }
        // Rows that others committed while this waited for the lock go too.
        context.txn.refresh_snapshot()?;
        drop_object::remove_rows(context, table)?;
    }
    Ok(complete("TRUNCATE TABLE"))
}
