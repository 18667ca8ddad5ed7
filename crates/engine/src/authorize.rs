//! What a role may do with SQL: every plan passes here before it runs. Functions' capabilities come on
//! top of it, at the gate (`crate::call`).
//!
//! Privileges are read as they are at this moment ([`crate::working_catalog::WorkingCatalog::now`]), not as they were when the statement was bound. What a
//! view reads is read with its owner's privileges; the functions that it calls are its reader's to call.

use std::sync::Arc;

use catalog::{Function, Privilege, Snapshot, Table};
use types::{Result, SqlError, SqlState};

use crate::bind::Touched;
use crate::context::StatementContext;
use crate::plan::{ConflictAction, Plan};

/// The table that a plan writes, and the privileges that it needs for that.
type Target<'a> = (&'a Arc<Table>, Vec<Privilege>);

/// Everything that a plan touches, with the privileges that each needs.
pub fn plan(plan: &Plan, context: &StatementContext) -> Result<()> {
    let (touched, target): (&Touched, Option<Target<'_>>) = match plan {
        Plan::Query(query) => (&query.touched, None),
        Plan::Insert(insert) => {
            let mut privileges = vec![Privilege::Insert];
            match insert.on_conflict.as_ref().map(|conflict| &conflict.action) {
                Some(ConflictAction::Update { .. }) => privileges.push(Privilege::Update),
                Some(ConflictAction::Nothing) | None => {}
            }
            (&insert.touched, Some((&insert.table, privileges)))
        }
        Plan::Update(update) => (&update.touched, Some((&update.table, vec![Privilege::Update]))),
        Plan::Delete(delete) => (&delete.touched, Some((&delete.table, vec![Privilege::Delete]))),
        Plan::Call(call) => (&call.touched, None),
        // Utility statements check what they change themselves: each knows its object's owner.
        Plan::Utility(_) => return Ok(()),
    };
    let catalog = context.catalog_now();
    let role = context.actor.role;
    for name in &touched.schemas {
        schema(&catalog, role, name)?;
    }
    if let Some((target, privileges)) = target {
        for privilege in privileges {
            table(&catalog, role, target, privilege)?;
        }
        if touched.target_read {
            table(&catalog, role, target, Privilege::Select)?;
        }
    }
    for read in &touched.reads {
        table(&catalog, read.role.unwrap_or(role), &read.table, Privilege::Select)?;
    }
    calls(&touched.calls, context)
}

/// The functions that a statement calls, and those in what is stored: in a CHECK, in a trigger's WHEN.
pub fn calls(functions: &[Arc<Function>], context: &StatementContext) -> Result<()> {
    let catalog = context.catalog_now();
    for function in functions {
        // What was granted since then counts; what was dropped is as it was.
        let now = catalog.function_by_oid(function.oid).unwrap_or(function);
        if !catalog.has_function_privilege(context.actor.role, now) {
            return Err(denied(function.kind(), &function.name));
        }
        // As in PostgreSQL: an aggregate is its caller's to call, what it is made of its owner's.
        for part in parts(&catalog, now) {
            if !catalog.has_function_privilege(now.owner, part) {
                return Err(denied(part.kind(), &part.name));
            }
        }
    }
    Ok(())
}

/// The functions that an aggregate is made of.
pub fn parts<'c>(catalog: &'c Snapshot, function: &Function) -> impl Iterator<Item = &'c Arc<Function>> {
    let aggregate = function.aggregate.as_ref();
    let oids = aggregate
        .into_iter()
        .flat_map(|aggregate| [Some(aggregate.transition), aggregate.finalizer]);
    oids.flatten().filter_map(|oid| catalog.function_by_oid(oid))
}

/// USAGE on a schema that was named.
pub fn schema(catalog: &Snapshot, role: u32, name: &str) -> Result<()> {
    match catalog.schema(name) {
        Some(schema) if !catalog.has_schema_privilege(role, schema, Privilege::Usage) => Err(denied("schema", name)),
        Some(_) | None => Ok(()),
    }
}

fn table(catalog: &Snapshot, role: u32, table: &Arc<Table>, privilege: Privilege) -> Result<()> {
    let now = catalog.table_by_oid(table.oid).unwrap_or(table);
    match catalog.has_table_privilege(role, now, privilege) {
        true => Ok(()),
        false => Err(denied(table.kind.word(), &table.name)),
    }
}

pub fn denied(kind: &str, name: &str) -> SqlError {
    SqlError::new(SqlState::InsufficientPrivilege, format!("permission denied for {kind} {name}"))
}
