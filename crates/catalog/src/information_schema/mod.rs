use crate::SystemTable;

pub const TABLES: &[SystemTable] = &[];
