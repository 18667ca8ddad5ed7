//! EXPLAIN.

use std::sync::Arc;

use types::Result;

use crate::host::Host;
use crate::ir::{JoinKind, Rel, SetCall, SetOpKind};
use crate::{road, walk};

/// The plan as lines of text, indented as PostgreSQL does.
pub fn explain(rel: &Rel, _host: &Arc<dyn Host>) -> Result<Vec<String>> {
    walk::check_depth(rel)?;
    let mut lines = vec![];
    line(rel, 0, false, &mut lines);
    Ok(lines)
}

fn line(rel: &Rel, depth: usize, mut vectorized: bool, lines: &mut Vec<String>) {
    // A projection is part of the node below it, as in PostgreSQL, and takes part in its road.
    let mut note = "";
    match road::choose(rel) {
        road::Road::DataFusion if !vectorized => {
            vectorized = true;
            note = "  (vectorized)";
        }
        road::Road::DataFusion => {}
        road::Road::Local | road::Road::Split { .. } => vectorized = vectorized && road::is_lowered(rel),
    }
    let indent = if depth == 0 {
        String::new()
    } else {
        format!("{}->  ", " ".repeat(depth * 6 - 4))
    };
    if let Rel::With { queries, input } = rel {
        line(input, depth, vectorized, lines);
        for cte in queries {
            lines.push(format!("{}CTE {}", " ".repeat(depth * 6 + 2), types::ident::quote_ident(&cte.name)));
            line(&cte.query, depth + 1, false, lines);
        }
        return;
    }
    lines.push(format!("{indent}{}{note}", title(rel)));
    for input in walk::inputs(rel) {
        line(input, depth + 1, vectorized, lines);
    }
}

fn title(rel: &Rel) -> String {
    let function = |call: &SetCall| match call {
        SetCall::Builtin { function, .. } => function.name.to_string(),
        SetCall::User { function, .. } => types::ident::quote_ident(&function.name).to_string(),
    };
    match rel {
        Rel::OneRow => "Result".to_string(),
        Rel::Values { .. } => "Values Scan".to_string(),
        Rel::Scan { table, .. } => format!("Seq Scan on {}", types::ident::quote_ident(&table.name)),
        Rel::PointGet { table, .. } => match &table.primary_key {
            Some(key) => format!(
                "Index Scan using {} on {}",
                types::ident::quote_ident(&key.name),
                types::ident::quote_ident(&table.name)
            ),
            None => format!("Index Scan on {}", types::ident::quote_ident(&table.name)),
        },
        Rel::Function { call, .. } => format!("Function Scan on {}", function(call)),
        Rel::Filter { .. } => "Filter".to_string(),
        Rel::Project { .. } => "Projection".to_string(),
        Rel::ProjectSet { .. } => "ProjectSet".to_string(),
        Rel::Join { kind, lateral, .. } => {
            let kind = match kind {
                JoinKind::Inner => "Join",
                JoinKind::Left => "Left Join",
                JoinKind::Right => "Right Join",
                JoinKind::Full => "Full Join",
            };
            if *lateral {
                format!("Nested Loop {kind}")
            } else {
                kind.to_string()
            }
        }
        Rel::Aggregate { groups, sets, .. } => match (groups.is_empty(), sets) {
            (_, Some(_)) => "MixedAggregate".to_string(),
            (true, None) => "Aggregate".to_string(),
            (false, None) => "HashAggregate".to_string(),
        },
        Rel::Window { .. } => "WindowAgg".to_string(),
        Rel::Sort { .. } => "Sort".to_string(),
        Rel::Limit { .. } => "Limit".to_string(),
        Rel::Distinct { .. } => "Unique".to_string(),
        Rel::SetOp { kind, all, .. } => match (kind, all) {
            (SetOpKind::Union, true) => "Append".to_string(),
            (SetOpKind::Union, false) => "HashAggregate over Append".to_string(),
            (SetOpKind::Intersect, _) => "SetOp Intersect".to_string(),
            (SetOpKind::Except, _) => "SetOp Except".to_string(),
        },
        Rel::Recursive { .. } => "Recursive Union".to_string(),
        Rel::With { .. } => "With".to_string(),
        Rel::CteScan { name, .. } => format!("CTE Scan on {}", types::ident::quote_ident(name)),
        Rel::WorkTable { name, .. } => format!("WorkTable Scan on {}", types::ident::quote_ident(name)),
    }
}
