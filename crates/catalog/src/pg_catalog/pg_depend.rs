//! `pg_depend`: which object goes with which. What clients ask it: the sequence behind a column, the index behind a constraint.

use types::Type;

use super::{pg_attrdef, pg_class, pg_constraint};
use crate::row::*;
use crate::{ConstraintKind, Generated, Row, SystemContext, SystemTable, Table};

pub const TABLE: SystemTable = SystemTable {
    oid: 2608,
    schema: "pg_catalog",
    name: "pg_depend",
    columns: &[
        ("classid", Type::Oid),
        ("objid", Type::Oid),
        ("objsubid", Type::Int4),
        ("refclassid", Type::Oid),
        ("refobjid", Type::Oid),
        ("refobjsubid", Type::Int4),
        ("deptype", Type::Char),
    ],
    rows: |context| context.snapshot.user_tables().flat_map(|table| of_table(context, table)).collect(),
    finders: &[],
};

/// An object: class, OID, column number or 0.
type Object = (u32, u32, i16);

fn of_table(context: &SystemContext, table: &Table) -> Vec<Row> {
    let class = pg_class::TABLE.oid;
    let column = |column: usize| (class, table.oid, attnum(column));
    let mut rows = vec![];
    let mut depends = |object: Object, on: Object, kind: char| rows.push(row(object, on, kind));
    if let Some((owner, attnum)) = table.sequence().and_then(|sequence| sequence.owned_by) {
        let identity = context.snapshot.table_by_oid(owner).is_some_and(|owner| {
            owner
                .columns
                .iter()
                .any(|column| column.attnum == attnum && matches!(column.generated, Some(Generated::Identity { .. })))
        });
        depends((class, table.oid, 0), (class, owner, attnum), if identity { 'i' } else { 'a' });
    }
    for (_, live) in table.live_columns().filter(|(_, column)| pg_attrdef::expression(column).is_some()) {
        let default = (pg_attrdef::TABLE.oid, pg_attrdef::default_oid(table, live.attnum), 0);
        depends(default, (class, table.oid, live.attnum), 'a');
    }
    if let Some(key) = &table.primary_key {
        key.columns
            .iter()
            .for_each(|index| depends((pg_constraint::TABLE.oid, key.oid, 0), column(*index), 'a'));
        depends((class, key.index_oid, 0), (pg_constraint::TABLE.oid, key.oid, 0), 'i');
    }
    for constraint in &table.constraints {
        let object = (pg_constraint::TABLE.oid, constraint.oid, 0);
        constraint.columns.iter().for_each(|index| depends(object, column(*index), 'a'));
        match &constraint.kind {
            ConstraintKind::Check { .. } => {}
            ConstraintKind::Unique { index_oid, .. } => depends((class, *index_oid, 0), object, 'i'),
            ConstraintKind::ForeignKey { table, columns, .. } => {
                columns
                    .iter()
                    .for_each(|index| depends(object, (class, *table, attnum(*index)), 'n'));
            }
        }
    }
    for index in &table.indexes {
        depends((class, index.oid, 0), (class, table.oid, 0), 'a');
    }
    rows
}

fn row(object: Object, on: Object, kind: char) -> Row {
    let three = |(class, object, column): Object| [oid(class), oid(object), int4(i32::from(column))];
    three(object).into_iter().chain(three(on)).chain([letter(kind)]).collect()
}
