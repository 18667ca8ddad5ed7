//! What a role may do with SQL: every plan passes here before it runs. Functions' capabilities come on
//! top of it, at the gate (`crate::call`).

use std::sync::Arc;

use catalog::{Privilege, Table};
use types::{Result, SqlError, SqlState};

use crate::bind::Touched;
use crate::context::StatementContext;
use crate::plan::{ConflictAction, Plan};

/// The table that a plan writes, and the privileges that it needs for that.
type Target<'a> = (&'a Arc<Table>, Vec<Privilege>);

/// The tables that a plan reads and the one that it writes, with the privileges each needs.
pub fn plan(plan: &Plan, context: &Arc<StatementContext>) -> Result<()> {
    let role = context.actor.role;
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
    if context.catalog.is_superuser(role) {
        return Ok(());
    }
    for table in &touched.reads {
        require(context, table, Privilege::Select)?;
    }
    if let Some((table, privileges)) = target {
        for privilege in privileges {
            require(context, table, privilege)?;
        }
    }
    for function in &touched.calls {
        if !context.catalog.has_function_privilege(role, function) {
            return Err(SqlError::new(
                SqlState::InsufficientPrivilege,
                format!(
                    "permission denied for {} {}",
                    if function.is_procedure { "procedure" } else { "function" },
                    function.name
                ),
            ));
        }
    }
    Ok(())
}

fn require(context: &StatementContext, table: &Table, privilege: Privilege) -> Result<()> {
    if context.catalog.has_table_privilege(context.actor.role, table, privilege) {
        return Ok(());
    }
    let kind = if matches!(table.kind, catalog::TableKind::View { .. }) {
        "view"
    } else {
        "table"
    };
    Err(SqlError::new(
        SqlState::InsufficientPrivilege,
        format!("permission denied for {kind} {}", table.name),
    ))
}
