//! Where WITH queries are computed: once for all who read them ([`Rel::With`]), or in the place of the one who does.
//!
//! As in PostgreSQL, a query that is read once, or that is NOT MATERIALIZED, takes its reader's place, unless it is
//! MATERIALIZED or calls a volatile function. References are [`Rel::CteScan`] at first: how many there are is known when
//! all of the statement around is bound.

use std::collections::HashMap;

use query::ir::{self, ColumnId, CteId, Expr, Rel};
use sqlparser::ast::CteAsMaterialized;
use types::{Result, Type};

use super::{Binder, Cte, CteBody};
use crate::plan::{ConflictAction, Plan, Returning};

/// How many queries, each in the place of its reader, may stand in each other. Those further out are computed by
/// themselves, so that a long chain of queries makes no deep plan.
const MAX_INLINED: usize = 64;

/// A query of a WITH clause, while what follows it is bound.
pub(super) struct Query {
    id: CteId,
    rel: Rel,
    references: usize,
    materialized: Option<bool>,
    independent: bool,
    reads_table: bool,
}

impl Query {
    pub fn new(id: CteId, rel: Rel, materialized: Option<&CteAsMaterialized>) -> Query {
        Query {
            id,
            independent: query::is_independent(&rel),
            reads_table: query::reads_table(&rel),
            references: 0,
            materialized: materialized.map(|said| match said {
                CteAsMaterialized::Materialized => true,
                CteAsMaterialized::NotMaterialized => false,
            }),
            rel,
        }
    }

    pub fn columns(&self) -> Vec<(ColumnId, Type)> {
        self.rel.columns()
    }

    /// A reference to it, whose columns get these ids.
    pub fn scan(&mut self, name: &str, columns: Vec<(ColumnId, Type)>) -> Rel {
        self.references += 1;
        Rel::CteScan {
            cte: self.id,
            name: name.to_string(),
            columns,
            independent: self.independent,
            reads_table: self.reads_table,
        }
    }

    fn may_be_inlined(&self) -> bool {
        let wanted = match self.materialized {
            Some(materialized) => !materialized,
            None => self.references == 1,
        };
        wanted && !matches!(self.rel, Rel::Recursive { .. }) && !query::is_volatile_rel(&self.rel)
    }
}

/// A query that takes the place of its readers.
struct Inlined {
    rel: Rel,
    name: String,
    /// References that are left.
    references: usize,
    /// How many queries stand in each other in it, itself included.
    depth: usize,
    /// How many copies of queries it is made of.
    weight: usize,
}

impl Binder<'_> {
    /// Puts queries in the places of their readers; the rest, which is to be computed beside `rels` and `exprs`, comes back.
    pub(super) fn inlined(&mut self, defined: Vec<Cte>, rels: &mut [&mut Rel], exprs: &mut [&mut Expr]) -> Result<Vec<ir::Cte>> {
        let mut inlined: HashMap<CteId, Inlined> = HashMap::new();
        let mut order = vec![];
        let mut shared = HashMap::new();
        for cte in defined {
            let CteBody::Query(mut query) = cte.body else { continue };
            if query.references == 0 {
                continue;
            }
            let (depth, weight) = self.inline(&mut inlined, &mut [&mut query.rel], &mut [])?;
            order.push(query.id);
            if query.may_be_inlined() && depth < MAX_INLINED {
                let entry = Inlined {
                    rel: query.rel,
                    name: cte.name,
                    references: query.references,
                    depth: depth + 1,
                    weight: weight + 1,
                };
                inlined.insert(query.id, entry);
            } else {
                shared.insert(query.id, (cte.name, query.rel));
            }
        }
        self.inline(&mut inlined, rels, exprs)?;
        // One that a place could not be found for is computed by itself, too.
        shared.extend(
            inlined
                .into_iter()
                .filter(|(_, left)| left.references > 0)
                .map(|(id, left)| (id, (left.name, left.rel))),
        );
        let found = order
            .into_iter()
            .filter_map(|id| shared.remove(&id).map(|(name, query)| ir::Cte { id, name, query }));
        Ok(found.collect())
    }

    /// How many queries stand in each other now, and how many copies were made.
    fn inline(&mut self, inlined: &mut HashMap<CteId, Inlined>, rels: &mut [&mut Rel], exprs: &mut [&mut Expr]) -> Result<(usize, usize)> {
        if inlined.is_empty() {
            return Ok((0, 0));
        }
        let (mut depth, mut weight) = (0, 0);
        let mut result = Ok(());
        let mut place = |rel: &mut Rel| {
            let Rel::CteScan { cte, columns, .. } = rel else { return };
            let Some(query) = inlined.get_mut(cte).filter(|query| query.references > 0) else {
                return;
            };
            query.references -= 1;
            depth = depth.max(query.depth);
            weight += query.weight;
            let input = match query.references {
                0 => std::mem::replace(&mut query.rel, Rel::OneRow),
                _ => {
                    result = std::mem::replace(&mut result, Ok(())).and_then(|()| self.expand(query.weight));
                    if result.is_err() {
                        return;
                    }
                    query.rel.clone()
                }
            };
            let exprs = columns
                .iter()
                .zip(input.columns())
                .map(|((id, _), (of, ty))| (*id, Expr::Column { id: of, ty }))
                .collect();
            *rel = Rel::Project {
                input: Box::new(input),
                exprs,
            };
        };
        rels.iter_mut().for_each(|rel| query::for_each_rel_mut(rel, &mut place));
        exprs.iter_mut().for_each(|expr| query::for_each_rel_below(expr, &mut place));
        result.map(|()| (depth, weight))
    }

    /// The WITH clause before a statement that writes ends here.
    pub fn end_with(&mut self, plan: &mut Plan) -> Result<()> {
        let defined = std::mem::take(&mut self.ctes);
        let (input, conflict, returning) = match plan {
            Plan::Insert(insert) => (&mut insert.input, insert.on_conflict.as_mut(), insert.returning.as_mut()),
            Plan::Update(update) => (&mut update.input, None, update.returning.as_mut()),
            Plan::Delete(delete) => (&mut delete.input, None, delete.returning.as_mut()),
            Plan::Query(_) | Plan::Call(_) | Plan::Utility(_) => return Ok(()),
        };
        let mut beside: Vec<&mut Expr> = vec![];
        if let Some(ConflictAction::Update { assignments, filter, .. }) = conflict.map(|conflict| &mut conflict.action) {
            beside.extend(assignments.iter_mut().map(|(_, expr)| expr).chain(filter));
        }
        if let Some(Returning { exprs, .. }) = returning {
            beside.extend(exprs);
        }
        let queries = self.inlined(defined, &mut [&mut *input], &mut beside)?;
        // What is evaluated for each written row is executed by itself.
        for expr in beside {
            query::for_each_subquery(expr, &mut |subquery| {
                let mut reads = false;
                query::for_each_rel_mut(subquery, &mut |rel| reads = reads || matches!(rel, Rel::CteScan { .. }));
                if reads {
                    let inner = std::mem::replace(subquery, Rel::OneRow);
                    *subquery = with(queries.clone(), inner);
                }
            });
        }
        let inner = std::mem::replace(input, Rel::OneRow);
        *input = with(queries, inner);
        Ok(())
    }
}

/// `rel` and the queries that it reads.
pub(super) fn with(queries: Vec<ir::Cte>, rel: Rel) -> Rel {
    match queries.is_empty() {
        true => rel,
        false => Rel::With {
            queries,
            input: Box::new(rel),
        },
    }
}
