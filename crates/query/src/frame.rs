//! A part of a plan that is worth DataFusion if its tables are large. Making ready to run there costs as
//! much as going through some hundred rows here, so the tables are looked into first: if all end
//! soon, the part runs on the local road. What has been read is not read again.

use std::collections::HashMap;
use std::sync::Arc;

use types::{Result, Type};

use crate::env::Env;
use crate::host::Row;
use crate::ir::{ColumnId, Rel};
use crate::local::{self, Made, Source};
use crate::plan::{Plan, Planner};

/// Up to so many rows, of all tables together, are few.
const FEW_ROWS: usize = 1000;

pub(crate) struct Frame {
    rel: Arc<Rel>,
    /// Those of the relation's columns that are used.
    columns: Vec<(ColumnId, Type)>,
    /// The same, without DataFusion.
    small: Arc<Plan>,
}

impl Planner<'_> {
    pub(crate) fn frame(&mut self, rel: &Rel) -> Result<Frame> {
        let columns = self.used_of(rel);
        let datafusion = std::mem::replace(&mut self.datafusion, false);
        let plain = std::mem::replace(&mut self.scans.plain, true);
        let small = self.exactly(rel, &columns);
        self.datafusion = datafusion;
        self.scans.plain = plain;
        Ok(Frame {
            columns,
            rel: Arc::new(rel.clone()),
            small: small?,
        })
    }
}

impl Frame {
    pub fn layout(&self) -> Vec<ColumnId> {
        self.columns.iter().map(|(id, _)| *id).collect()
    }

    pub fn open(&self, env: &Env) -> Result<Box<dyn Source>> {
        let mut scans = vec![];
        collect_scans(&self.small, &mut scans);
        let mut begun: HashMap<ColumnId, Box<dyn Source>> = HashMap::new();
        let mut left = FEW_ROWS;
        let mut few = true;
        for (id, scan) in scans {
            let mut source = local::open(scan, env)?;
            let mut rows = vec![];
            let ended = loop {
                if left == 0 {
                    break false;
                }
                let batch = source.next(left)?;
                if batch.is_empty() {
                    break true;
                }
                left -= batch.len().min(left);
                rows.extend(batch);
            };
            few = few && ended;
            begun.insert(
                id,
                Box::new(Resumed {
                    read: Made::new(rows),
                    rest: (!ended).then_some(source),
                }),
            );
            if !few {
                break;
            }
        }
        let env = env.with_begun(begun);
        if few {
            local::open(&self.small, &env)
        } else {
            crate::lower::open(&self.rel, &self.columns, &env)
        }
    }
}

/// Rows that were read already, then the rest.
struct Resumed {
    read: Made,
    rest: Option<Box<dyn Source>>,
}

impl Source for Resumed {
    fn next(&mut self, want: usize) -> Result<Vec<Row>> {
        let rows = self.read.next(want)?;
        match &mut self.rest {
            Some(rest) if rows.is_empty() => rest.next(want),
            _ => Ok(rows),
        }
    }
}

/// The scans that a plan reads from their beginnings to their ends.
fn collect_scans<'a>(plan: &'a Plan, scans: &mut Vec<(ColumnId, &'a Plan)>) {
    match plan {
        Plan::Scan { id: Some(id), .. } | Plan::CteScan { id: Some(id), .. } => scans.push((*id, plan)),
        Plan::OneRow
        | Plan::Values(_)
        | Plan::Scan { id: None, .. }
        | Plan::CteScan { id: None, .. }
        // Its road is chosen by itself, and what reads its queries cannot be opened outside of it.
        | Plan::With { .. }
        | Plan::PointGet { .. }
        | Plan::Function { .. }
        | Plan::WorkTable { .. }
        | Plan::Frame(_) => {}
        Plan::Filter { input, .. }
        | Plan::Project { input, .. }
        | Plan::ProjectSet { input, .. }
        | Plan::Window { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. }
        | Plan::Distinct { input, .. }
        | Plan::DistinctOn { input, .. } => collect_scans(input, scans),
        Plan::Aggregate(plan) => collect_scans(&plan.input, scans),
        Plan::Join(join) => {
            collect_scans(&join.left, scans);
            if !join.lateral && join.look_up.is_none() {
                collect_scans(&join.right, scans);
            }
        }
        Plan::SetOp { left, right, .. } => {
            collect_scans(left, scans);
            collect_scans(right, scans);
        }
        Plan::Recursive(plan) => collect_scans(&plan.base, scans),
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("columns", &self.columns).finish_non_exhaustive()
    }
}
