//! What a statement asks of the function that it was made by, besides its tables and functions: a statement that a client
//! sent may have all of it.

use catalog::Table;
use policy::{DrawRandom, ReadClock, ReadTable};
use types::Result;

use super::Calls;
use super::nested::object_name;
use crate::context::StatementContext;

impl Calls {
    /// Whether the clock moves for it. As with the guest's own clock, its lack is no denial.
    pub fn may_read_clock(&self) -> Result<bool> {
        match self.gate() {
            None => Ok(true),
            Some(gate) => Ok(gate.choose(ReadClock)?.is_some()),
        }
    }

    /// On record once in a call where it is allowed, every time where it is not.
    pub fn draw_random(&self) -> Result<()> {
        let Some(gate) = self.gate() else { return Ok(()) };
        match gate.choose(DrawRandom)? {
            Some(_) => Ok(()),
            None => Ok(gate.check(DrawRandom).map(drop)?),
        }
    }

    /// Whether it may know what stands in a table's rows: every function of its chain, and its role.
    pub fn may_read(&self, context: &StatementContext, table: &Table) -> bool {
        let role = context.actor.role;
        let privilege = context.catalog.has_table_privilege(role, table, catalog::Privilege::Select);
        privilege
            && self
                .gate()
                .is_none_or(|gate| gate.would_allow(&ReadTable(object_name(table, context))))
    }
}
