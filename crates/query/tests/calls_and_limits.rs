//! Users' functions run in batches, and for no row that is not needed; scans know their bounds; a
//! cancelled statement ends; a plan that nests too deeply is refused.

mod support;

use std::ops::Bound;
use std::sync::atomic::Ordering;

use catalog::Volatility;
use query::ir::Expr;
use query::ir::JoinKind::{Inner, Left};
use support::*;
use types::{Datum, SqlError, SqlState, Type};

fn numbers(count: i32) -> (catalog::Table, Vec<query::Row>) {
    let table = table("numbers", &[("id", Type::Int4), ("half", Type::Int4)]);
    (table, (0..count).map(|id| vec![Datum::Int4(id), Datum::Int4(id / 2)]).collect())
}

fn increment(args: &[Datum]) -> types::Result<Datum> {
    match args {
        [Datum::Int4(value)] => Ok(Datum::Int4(value + 1)),
        _ => Err(SqlError::internal("not an integer")),
    }
}

#[test]
fn a_function_in_a_select_list_is_called_with_batches() {
    let (table, rows) = numbers(2500);
    let (memory, host) = Memory::new().with(&table, rows).body("f", increment).host();
    let f = user_function("f", &[Type::Int4], Type::Int4, Volatility::Volatile);
    let scan = Query::scan(&table);
    let value = user_call(&f, vec![scan.col(0)]);
    let rows = scan.select(vec![value]).run(&host).unwrap();
    assert_eq!(rows.len(), 2500);
    let calls = memory.calls.lock().unwrap();
    assert_eq!(calls.iter().sum::<usize>(), 2500);
    assert!(
        calls.len() <= 25 && calls.iter().all(|size| *size <= query::BATCH_ROWS),
        "{calls:?}"
    );
}

#[test]
fn a_function_in_an_aggregation_is_called_with_batches_too() {
    let (table, rows) = numbers(5000);
    let (memory, host) = Memory::new().with(&table, rows).body("f", increment).host();
    let f = user_function("f", &[Type::Int4], Type::Int4, Volatility::Immutable);
    let scan = Query::scan(&table);
    let value = user_call(&f, vec![scan.col(0)]);
    let rows = scan.group(vec![], vec![aggregate("sum", vec![value])]).run(&host).unwrap();
    assert_eq!(shown(&rows), [(1..=5000i64).sum::<i64>().to_string()]);
    assert!(memory.calls.lock().unwrap().len() <= 60);
}

#[test]
fn limit_keeps_a_function_from_running_for_rows_that_nobody_sees() {
    let (table, rows) = numbers(2500);
    let (memory, host) = Memory::new().with(&table, rows).body("f", increment).host();
    let f = user_function("f", &[Type::Int4], Type::Int4, Volatility::Volatile);
    let scan = Query::scan(&table);
    let value = user_call(&f, vec![scan.col(0)]);
    let rows = scan.clone().select(vec![value.clone()]).limit(Some(5), Some(2)).run(&host).unwrap();
    assert_eq!(rows.len(), 5);
    assert_eq!(memory.calls.lock().unwrap().drain(..).sum::<usize>(), 7);
    // In WHERE it runs until enough rows have passed.
    let rows = scan.filter(op(">", value, int(10))).limit(Some(3), None).run(&host).unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(memory.calls.lock().unwrap().drain(..).sum::<usize>(), 13);
}

#[test]
fn a_strict_function_is_not_called_for_null_and_case_decides_for_which_rows() {
    let (memory, host) = Memory::new().body("f", increment).host();
    let f = user_function("f", &[Type::Int4], Type::Int4, Volatility::Volatile);
    let values = Query::values(
        &[Type::Int4],
        vec![vec![Datum::Int4(1)], vec![Datum::Null], vec![Datum::Int4(3)], vec![Datum::Int4(4)]],
    );
    let even = op("=", op("%", values.col(0), int(2)), int(0));
    let call = user_call(&f, vec![values.col(0)]);
    let both = Expr::And(vec![op(">", values.col(0), int(1)), op(">", call.clone(), int(4))]);
    let case = Expr::Case {
        branches: vec![(even, int(0))],
        otherwise: Some(Box::new(call)),
        ty: Type::Int4,
    };
    let rows = values.clone().select(vec![case]).run(&host).unwrap();
    assert_eq!(shown(&rows), ["2", "-", "4", "0"]);
    assert_eq!(*memory.calls.lock().unwrap(), [2]);
    memory.calls.lock().unwrap().clear();
    let rows = values.select(vec![both]).run(&host).unwrap();
    assert_eq!(shown(&rows), ["false", "-", "false", "true"]);
    assert_eq!(*memory.calls.lock().unwrap(), [2]);
}

#[test]
fn a_functions_error_comes_out_of_datafusion_as_it_was() {
    let (table, rows) = numbers(3000);
    let raised = || {
        SqlError::new(SqlState::RaiseException, "no")
            .detail("At all.")
            .context("JavaScript function f, line 3")
    };
    let (_, host) = Memory::new().with(&table, rows).body("f", move |_| Err(raised())).host();
    let f = user_function("f", &[Type::Int4], Type::Int4, Volatility::Volatile);
    let scan = Query::scan(&table);
    let value = user_call(&f, vec![scan.col(0)]);
    let error = scan.group(vec![value], vec![]).run(&host).unwrap_err();
    assert_eq!(error, raised());
}

#[test]
fn limit_ends_a_scan() {
    let (table, rows) = numbers(2500);
    let (_, host) = Memory::new().with(&table, rows).host();
    let scan = Query::scan(&table);
    let rows = scan.limit(Some(3), Some(1)).run(&host).unwrap();
    assert_eq!(shown(&rows), ["1 0", "2 1", "3 1"]);
}

#[test]
fn a_scan_is_told_what_is_known_about_its_rows() {
    let (table, rows) = numbers(100);
    let (memory, host) = Memory::new().with(&table, rows).host();
    let scan = Query::scan(&table);
    let predicate = Expr::And(vec![op(">=", scan.col(0), int(10)), op(">", int(13), scan.col(0))]);
    let rows = scan.filter(predicate).run(&host).unwrap();
    assert_eq!(rows.len(), 3);
    let bounds = memory.bounds.lock().unwrap().clone();
    let [low, high] = &bounds[0][..] else { panic!("{bounds:?}") };
    assert!(matches!(low, (0, Bound::Included(Datum::Int4(10)), Bound::Unbounded)));
    assert!(matches!(high, (0, Bound::Unbounded, Bound::Excluded(Datum::Int4(13)))));
}

#[test]
fn a_join_with_few_rows_looks_the_others_up_by_primary_key() {
    let (numbers, rows) = numbers(5000);
    let few = table("few", &[("id", Type::Int4), ("number", Type::Int4)]);
    let few_rows = vec![vec![Datum::Int4(1), Datum::Int4(40)], vec![Datum::Int4(2), Datum::Int4(9999)]];
    let (memory, host) = Memory::new().with(&numbers, rows).with(&few, few_rows).host();
    for kind in [Inner, Left] {
        let (left, right) = (Query::scan(&few), Query::scan(&numbers));
        let on = op("=", left.col(1), right.col(0));
        let show = vec![left.col(0), right.col(1)];
        let rows = left.join(kind, right, Some(on)).select(show).run(&host).unwrap();
        assert_eq!(sorted(&rows), if kind == Inner { vec!["1 20"] } else { vec!["1 20", "2 -"] });
        let bounds = std::mem::take(&mut *memory.bounds.lock().unwrap());
        assert_eq!(
            bounds.iter().filter(|bounds| bounds.is_empty()).count(),
            1,
            "only the few are read whole: {bounds:?}"
        );
    }
    // Written the other way round, and as a filter over a cross join.
    let (left, right) = (Query::scan(&numbers), Query::scan(&few));
    let predicate = op("=", left.col(0), right.col(1));
    let show = vec![right.col(0), left.col(1)];
    let rows = left.join(Inner, right, None).filter(predicate).select(show).run(&host).unwrap();
    assert_eq!(shown(&rows), ["1 20"]);
    let bounds = std::mem::take(&mut *memory.bounds.lock().unwrap());
    assert_eq!(bounds.iter().filter(|bounds| bounds.is_empty()).count(), 1, "{bounds:?}");
}

#[test]
fn a_correlated_subquery_over_a_large_table_reads_it_once_or_by_key() {
    let (numbers, rows) = numbers(3000);
    let (memory, host) = Memory::new().with(&numbers, rows).host();
    let (outer, inner) = (Query::scan(&numbers), Query::scan(&numbers));
    let small = op("<", outer.col(0), int(50));
    // By a column that is no key: hashed from the second time on.
    let same = op("=", inner.col(1), outer.col(0));
    let count = inner.filter(same).group(vec![], vec![aggregate("count", vec![])]).scalar();
    let rows = outer.clone().filter(small).select(vec![count]).run(&host).unwrap();
    assert!(rows.len() == 50 && shown(&rows).iter().all(|line| line == "2"));
    assert!(memory.bounds.lock().unwrap().len() <= 4, "{}", memory.bounds.lock().unwrap().len());
}

#[test]
fn a_point_read_asks_for_one_row() {
    let (table, rows) = numbers(100);
    let (memory, host) = Memory::new().with(&table, rows).host();
    assert_eq!(shown(&Query::get(&table, int(7)).run(&host).unwrap()), ["7 3"]);
    assert_eq!(Query::get(&table, int(700)).run(&host).unwrap().len(), 0);
    assert_eq!(memory.batches.load(Ordering::Relaxed), 0);
}

#[test]
fn a_cancelled_statement_ends_on_both_roads() {
    let (table, rows) = numbers(5000);
    for table in [on_local_road(&table), table] {
        let (memory, host) = Memory::new().with(&table, rows.clone()).host();
        memory.cancel_after.store(5, Ordering::Relaxed);
        let (left, right) = (Query::scan(&table), Query::scan(&table));
        let on = op("<", left.col(0), right.col(1));
        let error = left
            .join(Inner, right, Some(on))
            .group(vec![], vec![aggregate("count", vec![])])
            .run(&host)
            .unwrap_err();
        assert_eq!(error.state(), SqlState::QueryCanceled);
    }
}

#[test]
fn a_plan_that_nests_too_deeply_is_refused() {
    // As deep a stack as a session has.
    std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(nest_deeply)
        .unwrap()
        .join()
        .unwrap();
}

fn nest_deeply() {
    let (table, rows) = numbers(3000);
    let (_, host) = Memory::new().with(&table, rows).host();
    let sum = |first: Expr, terms: usize| (0..terms).fold(first, |sum, _| op("+", sum, int(1)));
    let deep = query_depth();
    let rows = Query::one().select(vec![sum(int(0), deep)]).run(&host).unwrap();
    assert_eq!(shown(&rows), [deep.to_string()]);
    let scan = Query::scan(&table);
    let (id, half) = (scan.col(0), scan.col(1));
    let rows = scan
        .filter(op("=", sum(id, deep), int(deep as i32)))
        .group(vec![half], vec![])
        .run(&host)
        .unwrap();
    assert_eq!(shown(&rows), ["0"]);
    let unions = (0..deep / 2).fold(Query::scan(&table), |all, _| {
        all.set(query::ir::SetOpKind::Union, true, Query::one().select(vec![int(1), int(1)]))
    });
    assert_eq!(unions.group(vec![], vec![aggregate("count", vec![])]).run(&host).unwrap().len(), 1);
    let error = Query::one().select(vec![sum(int(0), 5000)]).run(&host).unwrap_err();
    assert_eq!(
        (error.state(), error.message()),
        (SqlState::StatementTooComplex, "stack depth limit exceeded")
    );
}

/// A little below the limit.
fn query_depth() -> usize {
    1_900
}

#[test]
fn parameters_and_negative_limits() {
    let (table, rows) = numbers(10);
    let mut memory = Memory::new().with(&table, rows);
    memory.params = vec![Datum::Int4(4)];
    let (_, host) = memory.host();
    let scan = Query::scan(&table);
    let predicate = op("=", scan.col(0), Expr::Param { index: 0, ty: Type::Int4 });
    assert_eq!(shown(&scan.clone().filter(predicate).run(&host).unwrap()), ["4 2"]);
    let error = scan.limit(Some(-1), None).run(&host).unwrap_err();
    assert_eq!(
        (error.state(), error.message()),
        (SqlState::InvalidRowCountInLimitClause, "LIMIT must not be negative")
    );
}
