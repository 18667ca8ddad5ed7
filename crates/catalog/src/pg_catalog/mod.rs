//! PostgreSQL 15's system catalogs and views, one file each.

use crate::SystemTable;

pub const TABLES: &[SystemTable] = &[];
pub(crate) const STORED: &[&str] = &[];
