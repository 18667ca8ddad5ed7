//! What we run ourselves, as a table of DataFusion's: scans, and operators that it does not have.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions};
use futures::stream;
use types::Type;

use crate::arrow::{schema, to_batch};
use crate::env::Env;
use crate::error::wrapped;
use crate::host::BATCH_ROWS;
use crate::ir::ColumnId;
use crate::local;
use crate::plan::Plan;

/// A plan of ours and its columns.
pub(super) struct Leaf {
    plan: Arc<Plan>,
    columns: Vec<(ColumnId, Type)>,
    schema: SchemaRef,
    env: Env,
}

impl Leaf {
    pub fn new(plan: Arc<Plan>, columns: Vec<(ColumnId, Type)>, env: Env) -> Leaf {
        Leaf {
            plan,
            schema: schema(&columns),
            columns,
            env,
        }
    }
}

impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaf").field("columns", &self.columns).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for Leaf {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let kept: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..self.columns.len()).collect());
        let columns: Vec<(ColumnId, Type)> = kept.iter().map(|index| self.columns[*index]).collect();
        let schema = schema(&columns);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Arc::new(LeafExec {
            plan: self.plan.clone(),
            kept: (kept.len() < self.columns.len()).then_some(kept),
            types: columns.into_iter().map(|(_, ty)| ty).collect(),
            schema,
            limit: limit.unwrap_or(usize::MAX),
            env: self.env.clone(),
            properties: Arc::new(properties),
        }))
    }
}

struct LeafExec {
    plan: Arc<Plan>,
    /// Positions in the plan's rows, if not all.
    kept: Option<Vec<usize>>,
    types: Vec<Type>,
    schema: SchemaRef,
    limit: usize,
    env: Env,
    properties: Arc<PlanProperties>,
}

impl std::fmt::Debug for LeafExec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeafExec").finish_non_exhaustive()
    }
}

impl DisplayAs for LeafExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("LeafExec")
    }
}

impl ExecutionPlan for LeafExec {
    fn name(&self) -> &str {
        "LeafExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(&self, _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _partition: usize, _context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let (plan, env) = (self.plan.clone(), self.env.clone());
        let (kept, types, schema) = (self.kept.clone(), self.types.clone(), self.schema.clone());
        let mut left = self.limit;
        let mut source = None;
        let mut batch = move || {
            let source = match &mut source {
                Some(source) => source,
                None => source.insert(local::open(&plan, &env)?),
            };
            if left == 0 {
                return Ok(None);
            }
            let mut rows = source.next(left.min(BATCH_ROWS))?;
            if rows.is_empty() {
                return Ok(None);
            }
            left -= rows.len().min(left);
            if let Some(kept) = &kept {
                for row in &mut rows {
                    *row = kept.iter().map(|index| std::mem::take(&mut row[*index])).collect();
                }
            }
            to_batch(&schema, &types, &rows).map(Some)
        };
        let mut ended = false;
        let batches = std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let next: types::Result<_> = batch();
            ended = !matches!(next, Ok(Some(_)));
            next.map_err(wrapped).transpose()
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream::iter(batches))))
    }
}
