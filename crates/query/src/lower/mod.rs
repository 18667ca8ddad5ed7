//! Lowering to DataFusion.

use std::sync::Arc;

use types::Result;

use crate::env::Env;
use crate::ir::Rel;
use crate::local::{self, Source};
use crate::plan::Planner;
use crate::walk;

pub(crate) fn open(rel: &Arc<Rel>, env: &Env) -> Result<Box<dyn Source>> {
    let plan = Planner::new(walk::used_columns(rel), env.functions()).local(rel, &[])?;
    local::open(&plan.plan, env)
}
