//! `information_schema`: the SQL standard's views, one file each, with PostgreSQL's columns. They show what the current user may see.

mod access;
pub(crate) mod character_sets;
pub(crate) mod check_constraints;
pub(crate) mod columns;
pub(crate) mod constraint_column_usage;
mod empty;
pub(crate) mod information_schema_catalog_name;
pub(crate) mod key_column_usage;
pub(crate) mod parameters;
pub(crate) mod referential_constraints;
pub(crate) mod roles;
pub(crate) mod routines;
pub(crate) mod schemata;
pub(crate) mod sequences;
pub(crate) mod table_constraints;
pub(crate) mod table_privileges;
pub(crate) mod tables;
pub(crate) mod triggers;
pub(crate) mod views;

use crate::SystemTable;

/// Every view that has rows. The others: [`EMPTY`].
pub const TABLES: &[SystemTable] = &[
    character_sets::TABLE,
    check_constraints::TABLE,
    columns::TABLE,
    constraint_column_usage::TABLE,
    information_schema_catalog_name::TABLE,
    key_column_usage::TABLE,
    parameters::TABLE,
    referential_constraints::TABLE,
    roles::ADMINISTRABLE,
    roles::APPLICABLE,
    roles::ENABLED,
    routines::TABLE,
    schemata::TABLE,
    sequences::TABLE,
    table_constraints::TABLE,
    table_privileges::TABLE,
    table_privileges::OF_ROLES,
    tables::TABLE,
    triggers::TABLE,
    views::TABLE,
];

pub const EMPTY: &[SystemTable] = &empty::TABLES;
