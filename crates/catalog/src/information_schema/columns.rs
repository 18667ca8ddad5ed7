//! `information_schema.columns`.

use types::{Datum, Type};

use super::access::{self, data_type, lengths};
use crate::pg_catalog::pg_attrdef;
use crate::row::*;
use crate::{Column, Finder, Generated, Privilege, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 13295,
    schema: "information_schema",
    name: "columns",
    columns: &[
        ("table_catalog", Type::Name),
        ("table_schema", Type::Name),
        ("table_name", Type::Name),
        ("column_name", Type::Name),
        ("ordinal_position", Type::Int4),
        ("column_default", Type::Varchar),
        ("is_nullable", Type::Varchar),
        ("data_type", Type::Varchar),
        ("character_maximum_length", Type::Int4),
        ("character_octet_length", Type::Int4),
        ("numeric_precision", Type::Int4),
        ("numeric_precision_radix", Type::Int4),
        ("numeric_scale", Type::Int4),
        ("datetime_precision", Type::Int4),
        ("interval_type", Type::Varchar),
        ("interval_precision", Type::Int4),
        ("character_set_catalog", Type::Name),
        ("character_set_schema", Type::Name),
        ("character_set_name", Type::Name),
        ("collation_catalog", Type::Name),
        ("collation_schema", Type::Name),
        ("collation_name", Type::Name),
        ("domain_catalog", Type::Name),
        ("domain_schema", Type::Name),
        ("domain_name", Type::Name),
        ("udt_catalog", Type::Name),
        ("udt_schema", Type::Name),
        ("udt_name", Type::Name),
        ("scope_catalog", Type::Name),
        ("scope_schema", Type::Name),
        ("scope_name", Type::Name),
        ("maximum_cardinality", Type::Int4),
        ("dtd_identifier", Type::Name),
        ("is_self_referencing", Type::Varchar),
        ("is_identity", Type::Varchar),
        ("identity_generation", Type::Varchar),
        ("identity_start", Type::Varchar),
        ("identity_increment", Type::Varchar),
        ("identity_maximum", Type::Varchar),
        ("identity_minimum", Type::Varchar),
        ("identity_cycle", Type::Varchar),
        ("is_generated", Type::Varchar),
        ("generation_expression", Type::Varchar),
        ("is_updatable", Type::Varchar),
    ],
    rows: |context| context.snapshot.tables().flat_map(|table| of_table(context, table)).collect(),
    finders: &[Finder {
        column: "table_name",
        rows: by_table,
    }],
};

fn by_table(context: &SystemContext, value: &Datum) -> Vec<Row> {
    let Some(name) = value.as_str() else { return vec![] };
    let tables = context
        .snapshot
        .schemas()
        .filter_map(|schema| context.snapshot.table(&schema.name, name));
    tables.flat_map(|table| of_table(context, table)).collect()
}

fn of_table(context: &SystemContext, table: &Table) -> Vec<Row> {
    use Privilege::*;
    if !matches!(table.relkind(), 'r' | 'v') || !access::sees_by(context, table, &[Select, Insert, Update, References]) {
        return vec![];
    }
    table.live_columns().map(|(_, column)| row(context, table, column)).collect()
}

fn row(context: &SystemContext, table: &Table, column: &Column) -> Row {
    let lengths = lengths(column.ty, column.typmod);
    let (identity, sequence) = match &column.generated {
        Some(Generated::Identity { always, sequence }) => (Some(*always), context.snapshot.table_by_oid(*sequence)),
        Some(Generated::Stored(_)) | None => (None, None),
    };
    let of_sequence =
        |value: fn(&crate::Sequence) -> i64| opt_text(sequence.and_then(|table| table.sequence()).map(|s| value(s).to_string()));
    let stored = matches!(column.generated, Some(Generated::Stored(_)));
    let expression = pg_attrdef::expression(column);
    let is_name = column.ty == Type::Name;
    vec![
        text(context.database),
        text(&table.schema),
        text(&table.name),
        text(&column.name),
        int4(i32::from(column.attnum)),
        if stored { NULL } else { opt_text(expression) },
        yes(!column.not_null),
        data_type(column.ty),
        lengths.characters,
        lengths.octets,
        lengths.precision,
        lengths.radix,
        lengths.scale,
        lengths.datetime,
        NULL, // interval_type
        NULL, // interval_precision
        NULL, // character_set_catalog
        NULL, // character_set_schema
        NULL, // character_set_name
        if is_name { text(context.database) } else { NULL },
        if is_name { text("pg_catalog") } else { NULL },
        if is_name { text("C") } else { NULL },
        NULL, // domain_catalog
        NULL, // domain_schema
        NULL, // domain_name
        text(context.database),
        text("pg_catalog"),
        text(column.ty.catalog_name()),
        NULL, // scope_catalog
        NULL, // scope_schema
        NULL, // scope_name
        NULL, // maximum_cardinality
        text(column.attnum.to_string()),
        yes(false), // is_self_referencing
        yes(identity.is_some()),
        opt_text(identity.map(|always| if always { "ALWAYS" } else { "BY DEFAULT" })),
        of_sequence(|sequence| sequence.start),
        of_sequence(|sequence| sequence.increment),
        of_sequence(|sequence| sequence.max),
        of_sequence(|sequence| sequence.min),
        yes(sequence.and_then(|table| table.sequence()).is_some_and(|sequence| sequence.cycle)),
        text(if stored { "ALWAYS" } else { "NEVER" }),
        if stored { opt_text(expression) } else { NULL },
        yes(table.is_table()),
    ]
}
