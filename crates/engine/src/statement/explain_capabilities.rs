//! `EXPLAIN CAPABILITIES FOR FUNCTION f`: what a function may do, what the caller's own privileges leave of it, and what the
//! audit log has seen of it.

use std::sync::Arc;

use catalog::{Function, Privilege, Snapshot};
use policy::{Capability, MAX_VIOLATIONS, Mode, NamePattern, ObjectName, Source};
use query::Row;
use types::{Datum, Result, SqlError, SqlState, Type};

use super::drop_function;
use crate::audit_log;
use crate::bind::Names;
use crate::call::Calls;
use crate::context::StatementContext;
use crate::observed::{Observed, Uses, observe};
use crate::parse::{FunctionName, RoutineKind};
use crate::plan::ColumnDesc;
use crate::search_path;
use crate::session::{Outcome, RowTag};

/// Objects that one row lists.
const MAX_LISTED: usize = 10;

pub fn columns() -> Vec<ColumnDesc> {
    [
        ("capability", Type::Text),
        ("pattern", Type::Text),
        ("source", Type::Text),
        ("allowed", Type::Bool),
        ("reaches", Type::Text),
        ("used", Type::Int8),
        ("last_used", Type::Timestamptz),
        ("denied", Type::Int8),
    ]
    .into_iter()
    .map(|(name, ty)| ColumnDesc::new(name, ty))
    .collect()
}

pub fn run(context: &Arc<StatementContext>, kind: RoutineKind, name: &FunctionName) -> Result<Outcome> {
    let function = drop_function::find(context, name, kind)?;
    if function.language == catalog::Language::Sql {
        return Err(SqlError::new(
            SqlState::WrongObjectType,
            format!("function {} is written in SQL and holds no capabilities", function.name),
        )
        .detail("A function of LANGUAGE sql may do what its caller may, or its owner if it is SECURITY DEFINER."));
    }
    // The log is not everybody's to read.
    let observed = match audit_log::may_read(context) {
        true => Some(observe(context, &function)?),
        false => None,
    };
    // What a bare name means to it, called by whoever asks.
    let actor = match function.security_definer {
        true => context.acting_as(function.owner)?,
        false => context.actor.clone(),
    };
    let path = search_path::within(&function, context.function_path.as_ref());
    let at = context.with(actor, vec![], Calls::at(&context.calls)).along(path);
    let rows = rows(context, &at, &function, observed.as_ref());
    Ok(Outcome::Rows {
        columns: columns(),
        rows: Box::new(rows.into_iter().map(Ok)),
        tag: RowTag::Fixed("EXPLAIN"),
    })
}

fn rows(context: &StatementContext, at: &StatementContext, function: &Function, observed: Option<&Observed>) -> Vec<Row> {
    let rights = context.catalog.effective_rights(function);
    let violations = context.db.violations.since_forgiven(function);
    let callable = rights.enabled && violations < MAX_VIOLATIONS && context.catalog.has_function_privilege(context.actor.role, function);
    let mut rows = vec![];
    for held in &rights.capabilities {
        let source = match held.source {
            Source::Policy => format!("policy {}", rights.policy),
            Source::Grant => "grant".to_string(),
        };
        let reach = reach(at, at.actor.role, &held.capability, held.bounded_by);
        let seen = observed.map(|observed| seen(observed, |exact| held.capability.overlaps(exact)));
        rows.push(row(&held.capability, source, callable && reach.is_some(), reach.flatten(), seen));
    }
    // What it asked for and does not hold.
    let lacking = observed.into_iter().flat_map(|observed| &observed.uses);
    for (asked, uses) in lacking.filter(|(asked, _)| !rights.capabilities.iter().any(|held| held.capability.overlaps(asked))) {
        let (source, reach) = match rights.mode {
            Mode::Enforce => ("none", None),
            Mode::Record => ("record mode", recorded_reach(context, at, asked)),
        };
        rows.push(row(
            asked,
            source.to_string(),
            callable && reach.is_some(),
            reach.flatten(),
            Some(*uses),
        ));
    }
    rows
}

/// What record mode lends: no more than whoever calls could do themselves.
fn recorded_reach(context: &StatementContext, at: &StatementContext, capability: &Capability) -> Option<Option<String>> {
    let caller = context.actor.role;
    let superusers = context.catalog.is_superuser(at.actor.role) && context.catalog.is_superuser(caller);
    if capability.kind().is_lent_to_superusers_only() && !superusers {
        return None;
    }
    reach(at, caller, capability, None)?;
    reach(at, at.actor.role, capability, None)
}

fn row(capability: &Capability, source: String, allowed: bool, reaches: Option<String>, seen: Option<Uses>) -> Row {
    let number = |value: u64| Datum::Int8(i64::try_from(value).unwrap_or(i64::MAX));
    let text = |text: Option<String>| text.map_or(Datum::Null, Datum::Text);
    vec![
        Datum::text(capability.kind().name()),
        text(capability.pattern()),
        Datum::Text(source),
        Datum::Bool(allowed),
        text(reaches),
        seen.map_or(Datum::Null, |uses| number(uses.allowed)),
        seen.and_then(|uses| uses.last_allowed).map_or(Datum::Null, Datum::Timestamptz),
        seen.map_or(Datum::Null, |uses| number(uses.denied)),
    ]
}

/// All uses of capabilities like this one.
fn seen(observed: &Observed, is_like: impl Fn(&Capability) -> bool) -> Uses {
    let mut sum = Uses::default();
    for (_, uses) in observed.uses.iter().filter(|(exact, _)| is_like(exact)) {
        sum.allowed += uses.allowed;
        sum.denied += uses.denied;
        sum.last_allowed = sum.last_allowed.max(uses.last_allowed);
    }
    sum
}

/// What a role's own privileges leave of a capability: None where that is nothing, Some(None) where they do not bound it, else the
/// objects.
fn reach(context: &StatementContext, role: u32, capability: &Capability, grantor: Option<u32>) -> Option<Option<String>> {
    let catalog = &context.catalog;
    let any_of = |privileges: &'static [Privilege]| {
        move |catalog: &Snapshot, table: &catalog::Table| {
            let may = |role: u32| {
                privileges
                    .iter()
                    .any(|privilege| catalog.has_table_privilege(role, table, *privilege))
            };
            may(role) && grantor.is_none_or(may)
        }
    };
    let objects = match capability {
        Capability::DatabaseRead(pattern) => tables(context, pattern, any_of(&[Privilege::Select])),
        Capability::DatabaseWrite(pattern) => tables(
            context,
            pattern,
            any_of(&[Privilege::Insert, Privilege::Update, Privilege::Delete, Privilege::Truncate]),
        ),
        Capability::CallFunction(pattern) => catalog
            .functions()
            .filter(|function| catalog.has_function_privilege(role, function))
            .map(|function| {
                let visible = search_path::finds_function(names(context), &function.schema, &function.name);
                ObjectName::new(&*function.schema, &*function.name, visible)
            })
            .filter(|function| pattern.matches(function))
            .map(|function| function.qualified())
            .collect(),
        Capability::DatabaseExecute => catalog
            .schemas()
            .filter(|schema| !policy::is_reserved_schema(&schema.name))
            .filter(|schema| catalog.has_schema_privilege(role, schema, Privilege::Create))
            .map(|schema| types::ident::quote_ident(&schema.name))
            .collect(),
        Capability::FileRead(_)
        | Capability::FileWrite(_)
        | Capability::NetworkAccess(_)
        | Capability::EnvAccess
        | Capability::TimeAccess
        | Capability::RandomAccess
        | Capability::CryptoAccess
        | Capability::HttpClient => return Some(None),
    };
    list(objects).map(Some)
}

fn tables(context: &StatementContext, pattern: &NamePattern, may: impl Fn(&Snapshot, &catalog::Table) -> bool) -> Vec<String> {
    let tables = context.catalog.tables();
    tables
        .filter(|table| may(&context.catalog, table))
        .map(|table| {
            let visible = search_path::finds_table(names(context), &table.schema, &table.name);
            ObjectName::new(&*table.schema, &*table.name, visible)
        })
        .filter(|table| pattern.matches(table))
        .map(|table| table.qualified())
        .collect()
}

fn names(context: &StatementContext) -> Names<'_> {
    Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    }
}

fn list(mut names: Vec<String>) -> Option<String> {
    names.sort();
    names.dedup();
    let more = names.len().saturating_sub(MAX_LISTED);
    names.truncate(MAX_LISTED);
    match (names.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(names.join(", ")),
        (false, more) => Some(format!("{} and {more} more", names.join(", "))),
    }
}
