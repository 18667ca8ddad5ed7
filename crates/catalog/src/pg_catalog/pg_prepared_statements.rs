//! `pg_prepared_statements`: the session's prepared statements.

use types::Type;

use crate::SystemTable;
use crate::row::*;

pub const TABLE: SystemTable = SystemTable {
    oid: 12095,
    schema: "pg_catalog",
    name: "pg_prepared_statements",
    columns: &[
        ("name", Type::Text),
        ("statement", Type::Text),
        ("prepare_time", Type::Timestamptz),
        ("parameter_types", Type::Array(&Type::Regtype)),
        ("from_sql", Type::Bool),
        ("generic_plans", Type::Int8),
        ("custom_plans", Type::Int8),
    ],
    rows: |context| {
        let statements = context.live.prepared_statements().into_iter();
        statements
            .map(|statement| {
                vec![
                    text(statement.name),
                    text(statement.text),
                    types::Datum::Timestamptz(statement.prepared_at),
                    array(Type::Regtype, statement.parameters.iter().map(|ty| oid(ty.oid()))),
                    boolean(statement.from_sql),
                    // A plan is made anew when the catalog has changed: which of them counts as what is not kept.
                    int8(0),
                    int8(0),
                ]
            })
            .collect()
    },
    finders: &[],
};
