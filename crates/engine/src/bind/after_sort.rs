//! Items of a select list that are computed after ORDER BY has put the rows in order, and so only for those that a LIMIT
//! leaves: as in PostgreSQL, volatile ones and users' functions, unless the order depends on them.

use std::collections::HashMap;

use query::ir::{ColumnId, Expr, Rel, SortKey};

/// Takes such items out of what is computed over `input` before the sort, and puts the columns that they use there.
/// `visible`: the select list's part of `exprs`.
pub(super) fn postponed(exprs: &mut Vec<(ColumnId, Expr)>, visible: usize, keys: &[SortKey], input: &Rel) -> HashMap<ColumnId, Expr> {
    let is_key = |id: ColumnId| keys.iter().any(|key| matches!(key.expr, Expr::Column { id: by, .. } if by == id));
    let made = input.columns();
    let mut late = HashMap::new();
    let mut place = 0;
    exprs.retain(|(id, expr)| {
        place += 1;
        let stays = place > visible || is_key(*id) || !query::is_seen(expr);
        if !stays {
            late.insert(*id, expr.clone());
        }
        stays
    });
    let used: Vec<ColumnId> = late.values().flat_map(query::columns_of).collect();
    for (id, ty) in made {
        if used.contains(&id) && !exprs.iter().any(|(known, _)| *known == id) {
            exprs.push((id, Expr::Column { id, ty }));
        }
    }
    late
}
