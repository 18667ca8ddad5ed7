//! What stored expressions call: the views, CHECK constraints, defaults and WHEN conditions that a function may not be
//! dropped without. A body in a string depends on nothing, as in PostgreSQL.
//!
//! Nothing about it is stored: the expressions are bound as they will be when they are used. One that no longer binds
//! depends on nothing.

use std::sync::Arc;

use catalog::{Change, ConstraintKind, Function, Table, TableKind};
use types::{Notice, Result, SqlError, SqlState};

use super::drop_object;
use crate::bind::{Binder, Names, Scope};
use crate::context::StatementContext;

/// Something that calls a function.
enum Caller {
    View,
    /// By its name.
    Constraint(String),
    /// Of the column at this index.
    Default(usize),
    /// The WHEN condition of a trigger, by its name.
    Trigger(String),
}

/// Refuses to drop a function that stored expressions call, or drops these first.
pub fn drop_callers(context: &Arc<StatementContext>, function: &Function, cascade: bool) -> Result<()> {
    let callers = callers(context, function);
    if callers.is_empty() {
        return Ok(());
    }
    if !cascade {
        let details: Vec<String> = callers
            .iter()
            .map(|(table, caller)| format!("{} depends on function {}", named(table, caller), function.signature()))
            .collect();
        return Err(SqlError::new(
            SqlState::DependentObjectsStillExist,
            format!("cannot drop function {} because other objects depend on it", function.signature()),
        )
        .detail(details.join("\n"))
        .hint("Use DROP ... CASCADE to drop the dependent objects too."));
    }
    for (table, caller) in callers {
        let context = &context.renewed();
        // A view may have gone with another.
        let Some(table) = context.catalog.table_by_oid(table.oid).cloned() else {
            continue;
        };
        context.notice(Notice::notice(format!("drop cascades to {}", named(&table, &caller))));
        match caller {
            Caller::View => drop_object::drop_table(context, &table, true)?,
            Caller::Trigger(name) => super::trigger::change(context, &table, |triggers| triggers.retain(|trigger| trigger.name != name))?,
            Caller::Constraint(name) => change(context, &table, |table| {
                table.constraints.retain(|constraint| constraint.name != name);
            })?,
            Caller::Default(index) => change(context, &table, |table| {
                if let Some(column) = table.columns.get_mut(index) {
                    column.default = None;
                }
            })?,
        }
    }
    Ok(())
}

fn change(context: &Arc<StatementContext>, table: &Arc<Table>, edit: impl FnOnce(&mut Table)) -> Result<()> {
    context.lock_definition(table, "ALTER TABLE")?;
    // Others may have changed it while this waited.
    let mut changed = Table::clone(context.renewed().catalog.table_by_oid(table.oid).map_or(table, |now| now));
    changed.version += 1;
    edit(&mut changed);
    context.change(vec![Change::PutTable(changed), Change::OidMark(context.catalog.next_oid())])
}

fn named(table: &Table, caller: &Caller) -> String {
    let name = types::ident::quote_ident(&table.name);
    match caller {
        Caller::View => format!("view {name}"),
        Caller::Constraint(constraint) => format!("constraint {} on table {name}", types::ident::quote_ident(constraint)),
        Caller::Default(index) => {
            let column = table.columns.get(*index).map_or("", |column| column.name.as_str());
            format!("default value for column {} of table {name}", types::ident::quote_ident(column))
        }
        Caller::Trigger(trigger) => format!("trigger {} on table {name}", types::ident::quote_ident(trigger)),
    }
}

/// In the order of their creation, a table's constraints before its defaults and triggers.
fn callers(context: &Arc<StatementContext>, function: &Function) -> Vec<(Arc<Table>, Caller)> {
    let mut tables: Vec<&Arc<Table>> = context.catalog.user_tables().collect();
    tables.sort_by_key(|table| table.oid);
    let mut found = vec![];
    for table in tables {
        let names = Names {
            snapshot: &context.catalog,
            search_path: &table.search_path,
        };
        let calls = |bind: &dyn Fn(&mut Binder<'_>) -> Result<()>| {
            let mut binder = Binder::new(names, &**context, crate::parse::Source::new(""), &[]);
            bind(&mut binder).is_ok() && binder.touched.calls.iter().any(|called| called.oid == function.oid)
        };
        if let TableKind::View { definition } = &table.kind {
            if calls(&|binder| binder.view_reads(definition).map(drop)) {
                found.push((table.clone(), Caller::View));
            }
            continue;
        }
        for constraint in &table.constraints {
            let ConstraintKind::Check { expression } = &constraint.kind else {
                continue;
            };
            let of_row = |binder: &mut Binder<'_>| {
                let scope = Scope {
                    tables: vec![binder.row_of(table, &table.name)],
                    parent: None,
                };
                let node = crate::parse::parse_expression(expression)?;
                binder.condition(&node, &scope).map(drop)
            };
            if calls(&of_row) {
                found.push((table.clone(), Caller::Constraint(constraint.name.clone())));
            }
        }
        for (index, column) in table.columns.iter().enumerate() {
            if column.default.is_some() && calls(&|binder| binder.default_of(table, index).map(drop)) {
                found.push((table.clone(), Caller::Default(index)));
            }
        }
        for trigger in &table.triggers {
            // One that runs the function is told of by itself.
            let Some(text) = trigger.condition.as_ref().filter(|_| trigger.function != function.oid) else {
                continue;
            };
            let condition = crate::trigger::Condition::bind(context, table, text, &trigger.search_path);
            if condition.is_ok_and(|condition| has_call(&condition.expr, function.oid)) {
                found.push((table.clone(), Caller::Trigger(trigger.name.clone())));
            }
        }
    }
    found
}

fn has_call(expr: &query::ir::Expr, oid: u32) -> bool {
    let mut found = matches!(expr, query::ir::Expr::UserCall { function, .. } if function.oid == oid);
    expr.for_each_child(&mut |child| found = found || has_call(child, oid));
    found
}
