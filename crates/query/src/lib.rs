//! The typed plan, and two roads through it.
//!
//! The life of a plan: the binder makes an [`ir::Rel`], in which every name, type and coercion is
//! decided. [`execute`] makes an executable plan of it: point reads, scans, filters and all that
//! only passes rows on run here, over rows of datums ([`eval`], the local road); joins,
//! aggregation and sorting over tables are lowered to DataFusion, where values are Arrow arrays, and come back
//! as rows. Either road may have the other below it. Tables, users' functions and cancellation
//! are the [`Host`]'s.
//!
//! This is the only crate that knows DataFusion. It does not know SQL text, transactions, or who may
//! do what.

mod arrow;
mod batch;
mod compare;
mod encoding;
mod env;
mod error;
mod eval;
mod explain;
mod frame;
mod host;
pub mod ir;
mod local;
mod lower;
mod memory;
mod plan;
mod plan_join;
mod plan_scan;
mod push;
mod road;
mod session;
mod subquery;
mod walk;

pub use eval::{Evaluator, eval};
pub use explain::explain;
pub use host::{BATCH_ROWS, BatchIter, Host, Row, RowIter, ScanBounds};
pub use memory::{STATEMENT_MEMORY_BYTES, datum_bytes};
pub use road::reads_table;
pub use walk::{columns_of, for_each_rel_below, for_each_rel_mut, for_each_subquery, is_independent, is_seen, is_volatile_rel};

use std::sync::Arc;

use types::Result;

use crate::env::Env;
use crate::plan::{Plan, Planner};

/// Runs a plan: its rows, in the order of `rel.columns()`. Errors that only a row can cause come from
/// the iterator, which ends with the first.
pub fn execute(rel: &ir::Rel, host: &Arc<dyn Host>) -> Result<RowIter> {
    Prepared::new(rel, host.environment())?.execute(host)
}

/// A plan made ready to run, any number of times and with other parameters each time.
#[derive(Clone, Debug)]
pub struct Prepared(Arc<Plan>);

impl Prepared {
    pub fn new(rel: &ir::Rel, environment: &dyn functions::Environment) -> Result<Prepared> {
        walk::check_depth(rel)?;
        let pushed = push::pushed(rel);
        let rel = pushed.as_ref().unwrap_or(rel);
        let plan = Planner::new(walk::used_columns(rel, &rel.columns()), environment).whole(rel)?;
        Ok(Prepared(plan))
    }

    pub fn execute(&self, host: &Arc<dyn Host>) -> Result<RowIter> {
        Ok(Box::new(local::Rows::new(local::open(&self.0, &Env::new(host.clone()))?)))
    }
}
