//! Everything built in, by name. The tables are slices in the family files; here they are put
//! into maps once.

use std::collections::HashMap;
use std::sync::LazyLock;

use types::Type;

use crate::{Aggregate, Operator, Scalar, SetFunction, aggregate, scalar, set};

type ByName<T> = HashMap<&'static str, Vec<T>>;

static SCALARS: LazyLock<ByName<&'static Scalar>> = LazyLock::new(|| by_name(scalar::families(), |s| s.name));
static AGGREGATES: LazyLock<ByName<&'static Aggregate>> =
    LazyLock::new(|| by_name(aggregate::families().iter().copied().flatten(), |a| a.name));
static SET_FUNCTIONS: LazyLock<ByName<&'static SetFunction>> = LazyLock::new(|| by_name(set::families(), |f| f.name));
static OPERATORS: LazyLock<ByName<Operator>> = LazyLock::new(|| {
    let mut map: ByName<Operator> = HashMap::new();
    for row in scalar::operators::ROWS {
        let Some(function) = row.function() else { continue };
        map.entry(row.symbol).or_default().push(Operator {
            symbol: row.symbol,
            left: row.left,
            right: row.right,
            function,
        });
    }
    map
});

/// Functions that exist only with OVER; the plan has a variant for each.
const WINDOW_FUNCTIONS: &[&str] = &[
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

pub fn scalars_named(name: &str) -> &'static [&'static Scalar] {
    SCALARS.get(name).map_or(&[], Vec::as_slice)
}

pub fn aggregates_named(name: &str) -> &'static [&'static Aggregate] {
    AGGREGATES.get(name).map_or(&[], Vec::as_slice)
}

pub fn set_functions_named(name: &str) -> &'static [&'static SetFunction] {
    SET_FUNCTIONS.get(name).map_or(&[], Vec::as_slice)
}

/// The operators with this symbol (`||`, `->>`, `~~*`).
pub fn operators(symbol: &str) -> &'static [Operator] {
    OPERATORS.get(symbol).map_or(&[], Vec::as_slice)
}

pub fn is_window_function(name: &str) -> bool {
    WINDOW_FUNCTIONS.contains(&name)
}

/// The scalar with exactly these declared argument types.
pub fn scalar_exactly(name: &str, args: &[Type]) -> Option<&'static Scalar> {
    scalars_named(name).iter().copied().find(|s| s.args == args)
}

/// Everything, for catalogs and tests; in no particular order.
pub fn all_scalars() -> impl Iterator<Item = &'static Scalar> {
    SCALARS.values().flatten().copied()
}

pub fn all_aggregates() -> impl Iterator<Item = &'static Aggregate> {
    AGGREGATES.values().flatten().copied()
}

pub fn all_set_functions() -> impl Iterator<Item = &'static SetFunction> {
    SET_FUNCTIONS.values().flatten().copied()
}

pub fn all_operators() -> impl Iterator<Item = &'static Operator> {
    OPERATORS.values().flatten()
}

fn by_name<T: Copy>(entries: impl Iterator<Item = T>, name: fn(&T) -> &'static str) -> ByName<T> {
    let mut map: ByName<T> = HashMap::new();
    for entry in entries {
        map.entry(name(&entry)).or_default().push(entry);
    }
    map
}
