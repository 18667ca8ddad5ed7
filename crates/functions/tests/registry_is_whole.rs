//! The tables of built-ins are consistent among themselves.

use std::collections::HashSet;

use functions::registry;

#[test]
fn no_function_is_declared_twice() {
    let mut seen = HashSet::new();
    for function in registry::all_scalars() {
        assert!(
            seen.insert((
                function.name,
                function.args,
                function.variadic,
                function.family == functions::Family::NonArray
            )),
            "{function:?}"
        );
    }
    let mut seen = HashSet::new();
    for aggregate in registry::all_aggregates() {
        assert!(seen.insert((aggregate.name, aggregate.args)), "{aggregate:?}");
    }
    let mut seen = HashSet::new();
    for function in registry::all_set_functions() {
        assert!(seen.insert((function.name, function.args)), "{function:?}");
    }
}

#[test]
fn defaults_stand_for_arguments_with_names() {
    for function in registry::all_scalars() {
        assert!(
            function.names.is_empty() || function.names.len() == function.args.len(),
            "{function:?}"
        );
        assert!(function.defaults.len() <= function.names.len(), "{function:?}");
    }
}

#[test]
fn every_comparison_has_its_six_operators() {
    for operator in registry::operators("=") {
        for symbol in ["<>", "<", "<=", ">", ">="] {
            let twin = registry::operators(symbol)
                .iter()
                .any(|other| other.left == operator.left && other.right == operator.right);
            assert!(twin, "{operator:?} has no {symbol}");
        }
    }
}
