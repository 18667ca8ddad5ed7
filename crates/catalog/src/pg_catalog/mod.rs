//! PostgreSQL 15's system catalogs and views, one file each: its columns in PostgreSQL's order, and its rows.

mod empty;
pub(crate) mod pg_aggregate;
pub(crate) mod pg_am;
pub(crate) mod pg_attrdef;
pub(crate) mod pg_attribute;
pub(crate) mod pg_auth_members;
pub(crate) mod pg_authid;
pub(crate) mod pg_class;
pub(crate) mod pg_collation;
pub(crate) mod pg_constraint;
pub(crate) mod pg_database;
pub(crate) mod pg_db_role_setting;
pub(crate) mod pg_depend;
pub(crate) mod pg_description;
pub(crate) mod pg_group;
pub(crate) mod pg_index;
pub(crate) mod pg_indexes;
pub(crate) mod pg_language;
pub(crate) mod pg_namespace;
pub(crate) mod pg_opclass;
pub(crate) mod pg_opfamily;
pub(crate) mod pg_prepared_statements;
pub(crate) mod pg_proc;
pub(crate) mod pg_roles;
pub(crate) mod pg_sequence;
pub(crate) mod pg_sequences;
pub(crate) mod pg_settings;
pub(crate) mod pg_shadow;
pub(crate) mod pg_shdescription;
pub(crate) mod pg_stat_activity;
pub(crate) mod pg_stat_ssl;
pub(crate) mod pg_stat_user_tables;
pub(crate) mod pg_tables;
pub(crate) mod pg_tablespace;
pub(crate) mod pg_trigger;
pub(crate) mod pg_type;
pub(crate) mod pg_user;
pub(crate) mod pg_views;

use crate::SystemTable;

/// Every catalog and view that has rows. The others: [`EMPTY`].
pub const TABLES: &[SystemTable] = &[
    pg_aggregate::TABLE,
    pg_am::TABLE,
    pg_attrdef::TABLE,
    pg_attribute::TABLE,
    pg_auth_members::TABLE,
    pg_authid::TABLE,
    pg_class::TABLE,
    pg_collation::TABLE,
    pg_constraint::TABLE,
    pg_database::TABLE,
    pg_db_role_setting::TABLE,
    pg_depend::TABLE,
    pg_description::TABLE,
    pg_group::TABLE,
    pg_index::TABLE,
    pg_indexes::TABLE,
    pg_language::TABLE,
    pg_namespace::TABLE,
    pg_opclass::TABLE,
    pg_prepared_statements::TABLE,
    pg_opfamily::TABLE,
    pg_proc::TABLE,
    pg_roles::TABLE,
    pg_sequence::TABLE,
    pg_sequences::TABLE,
    pg_settings::TABLE,
    pg_shadow::TABLE,
    pg_shdescription::TABLE,
    pg_stat_activity::TABLE,
    pg_stat_ssl::TABLE,
    pg_stat_user_tables::TABLE,
    pg_tables::TABLE,
    pg_tablespace::TABLE,
    pg_trigger::TABLE,
    pg_type::TABLE,
    pg_user::TABLE,
    pg_views::TABLE,
];

/// Catalogs that exist for the clients that ask, and never have rows.
pub const EMPTY: &[SystemTable] = &empty::TABLES;

/// Those of PostgreSQL's catalogs here that are views.
pub(crate) const VIEWS: &[&str] = &[
    "pg_available_extensions",
    "pg_cursors",
    "pg_group",
    "pg_indexes",
    "pg_locks",
    "pg_matviews",
    "pg_policies",
    "pg_prepared_statements",
    "pg_prepared_xacts",
    "pg_publication_tables",
    "pg_replication_slots",
    "pg_roles",
    "pg_rules",
    "pg_seclabels",
    "pg_sequences",
    "pg_settings",
    "pg_shadow",
    "pg_stat_activity",
    "pg_stat_replication",
    "pg_stat_ssl",
    "pg_stat_user_tables",
    "pg_stats",
    "pg_stats_ext",
    "pg_tables",
    "pg_user",
    "pg_user_mappings",
    "pg_views",
];
