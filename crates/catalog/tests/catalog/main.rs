//! The catalog against PostgreSQL 15: `postgres-15/` holds what a PostgreSQL 15 said of the same objects.

mod calls;
mod fixture;
mod policies;
mod privileges;
mod records;
mod snapshot;
mod system_tables;
