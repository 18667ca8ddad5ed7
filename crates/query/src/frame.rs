//! A part of a plan that DataFusion runs.

use std::sync::Arc;

use types::Result;

use crate::env::Env;
use crate::ir::{ColumnId, Rel};
use crate::local::Source;

pub(crate) struct Frame {
    rel: Arc<Rel>,
    layout: Vec<ColumnId>,
}

impl Frame {
    pub fn new(rel: &Rel) -> Frame {
        Frame {
            layout: rel.columns().into_iter().map(|(id, _)| id).collect(),
            rel: Arc::new(rel.clone()),
        }
    }

    pub fn layout(&self) -> &[ColumnId] {
        &self.layout
    }

    pub fn open(&self, env: &Env) -> Result<Box<dyn Source>> {
        crate::lower::open(&self.rel, env)
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("layout", &self.layout).finish_non_exhaustive()
    }
}
