//! `heliosdb.function_capabilities`: what each function holds, and whether by its policy or by a GRANT.

use policy::Source;
use types::{Datum, Type};

use crate::row::*;
use crate::{Finder, Function, Row, SystemContext, SystemTable, describe};

pub const TABLE: SystemTable = SystemTable {
    oid: 9102,
    schema: "heliosdb",
    name: "function_capabilities",
    columns: &[
        ("function_oid", Type::Oid),
        ("schema_name", Type::Name),
        ("function_name", Type::Name),
        ("arguments", Type::Text),
        ("capability", Type::Text),
        ("kind", Type::Text),
        ("pattern", Type::Text),
        ("source", Type::Text),
        ("security_policy", Type::Text),
    ],
    rows: |context| {
        context
            .snapshot
            .functions()
            .flat_map(|function| of_function(context, function))
            .collect()
    },
    finders: &[Finder {
        column: "function_name",
        rows: by_name,
    }],
};

fn by_name(context: &SystemContext, value: &Datum) -> Vec<Row> {
    super::functions_named(context, value)
        .iter()
        .flat_map(|function| of_function(context, function))
        .collect()
}

fn of_function(context: &SystemContext, function: &Function) -> Vec<Row> {
    let effective = context.snapshot.effective_rights(function);
    let held = effective.capabilities.iter().map(|held| {
        vec![
            oid(function.oid),
            text(&function.schema),
            text(&function.name),
            text(describe::arguments(function, false)),
            text(held.capability.to_string()),
            text(held.capability.kind().name()),
            opt_text(held.capability.pattern()),
            text(match held.source {
                Source::Policy => "policy",
                Source::Grant => "grant",
            }),
            text(&effective.policy),
        ]
    });
    held.collect()
}
