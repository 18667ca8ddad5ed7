//! Every plan gives the same rows on both roads, and those are PostgreSQL's.

mod support;

use query::ir::JoinKind::{Full, Inner, Left, Right};
use query::ir::{Expr, Rel, SetOpKind};
use support::*;
use types::{Datum, SqlState, Type};

fn people() -> (catalog::Table, Vec<query::Row>) {
    let table = table(
        "people",
        &[
            ("id", Type::Int4),
            ("city", Type::Int4),
            ("name", Type::Text),
            ("worth", Type::Numeric),
        ],
    );
    let row = |id, city: Option<i32>, name: Option<&str>, worth: &str| {
        vec![
            Datum::Int4(id),
            city.map_or(Datum::Null, Datum::Int4),
            name.map_or(Datum::Null, Datum::text),
            number(worth),
        ]
    };
    let rows = vec![
        row(1, Some(1), Some("ann"), "1.0"),
        row(2, Some(1), Some("bob"), "1.00"),
        row(3, Some(2), None, "2.5"),
        row(4, None, Some("dan"), "2.50"),
        row(5, Some(3), Some("eve"), "NaN"),
    ];
    (table, rows)
}

fn cities() -> (catalog::Table, Vec<query::Row>) {
    let table = table("cities", &[("id", Type::Int8), ("name", Type::Text)]);
    let row = |id, name: &str| vec![Datum::Int8(id), Datum::text(name)];
    (table, vec![row(1, "Rome"), row(2, "Oslo"), row(4, "Lima")])
}

/// What `plan` makes of people and cities on both roads, the local one first. For the other, the
/// tables are too large for the local road; the rows that make them so are filtered out.
fn run_both(plan: impl Fn(Query, Query) -> Query) -> [types::Result<Vec<query::Row>>; 2] {
    let ((people, mut people_rows), (cities, mut cities_rows)) = (people(), cities());
    people_rows.extend((1000..3000).map(|id| vec![Datum::Int4(id), Datum::Int4(id), Datum::text("x"), number("7")]));
    cities_rows.extend((1000..3000).map(|id| vec![Datum::Int8(id), Datum::text("x")]));
    let (_, host) = Memory::new().with(&people, people_rows).with(&cities, cities_rows).host();
    let few = |table: &catalog::Table| {
        let scan = Query::scan(table);
        // Not `id < 1000`: the scan would read no other rows.
        let key = op("<", op("+", scan.col(0), int(0)), int(1000));
        scan.filter(key)
    };
    let local = plan(few(&on_local_road(&people)), few(&on_local_road(&cities))).run(&host);
    [local, plan(few(&people), few(&cities)).run(&host)]
}

fn check(plan: impl Fn(Query, Query) -> Query, expected: &[&str]) {
    let [local, lowered] = run_both(plan);
    assert_eq!(sorted(&local.unwrap()), expected, "local road");
    assert_eq!(sorted(&lowered.unwrap()), expected, "DataFusion");
}

/// As [`check`], and the order matters.
fn check_order(plan: impl Fn(Query, Query) -> Query, expected: &[&str]) {
    let [local, lowered] = run_both(plan);
    assert_eq!(shown(&local.unwrap()), expected, "local road");
    assert_eq!(shown(&lowered.unwrap()), expected, "DataFusion");
}

/// The error on both roads.
fn check_error(plan: impl Fn(Query, Query) -> Query, state: SqlState, message: &str) {
    for result in run_both(plan) {
        let error = result.unwrap_err();
        assert_eq!((error.state(), error.message()), (state, message));
    }
}

fn same_city(people: &Query, cities: &Query) -> Expr {
    op("=", people.col(1), cities.col(0))
}

#[test]
fn joins_match_integers_of_any_width_and_never_null() {
    let plan = |kind| {
        move |people: Query, cities: Query| {
            let on = same_city(&people, &cities);
            let show = vec![people.col(0), cities.col(1)];
            people.join(kind, cities, Some(on)).select(show)
        }
    };
    check(plan(Inner), &["1 Rome", "2 Rome", "3 Oslo"]);
    check(plan(Left), &["1 Rome", "2 Rome", "3 Oslo", "4 -", "5 -"]);
    check(plan(Right), &["- Lima", "1 Rome", "2 Rome", "3 Oslo"]);
    check(plan(Full), &["- Lima", "1 Rome", "2 Rome", "3 Oslo", "4 -", "5 -"]);
}

#[test]
fn a_join_written_as_a_filter_over_a_cross_join() {
    check(
        |people, cities| {
            let predicate = Expr::And(vec![same_city(&people, &cities), op("<>", people.col(2), text("bob"))]);
            let show = vec![people.col(2), cities.col(1)];
            people.join(Inner, cities, None).filter(predicate).select(show)
        },
        &["ann Rome"],
    );
}

#[test]
fn a_join_on_something_else_than_equality() {
    check(
        |people, cities| {
            let on = op("<", people.col(1), cities.col(0));
            let show = vec![people.col(0), cities.col(0)];
            people.join(Left, cities, Some(on)).select(show)
        },
        &["1 2", "1 4", "2 2", "2 4", "3 4", "4 -", "5 4"],
    );
}

#[test]
fn numerics_join_by_value() {
    check(
        |people, _| {
            let other = Query::values(
                &[Type::Numeric],
                vec![vec![number("1.000")], vec![number("2.5")], vec![number("NaN")]],
            );
            let on = op("=", people.col(3), other.col(0));
            let show = vec![people.col(0), people.col(3), other.col(0)];
            people.join(Inner, other, Some(on)).select(show)
        },
        &["1 1.0 1.000", "2 1.00 1.000", "3 2.5 2.5", "4 2.50 2.5", "5 NaN NaN"],
    );
}

#[test]
fn groups_of_numerics_are_by_value_and_show_the_first() {
    check(
        |people, _| {
            let worth = people.col(3);
            people.group(vec![worth], vec![aggregate("count", vec![])])
        },
        &["1.0 2", "2.5 2", "NaN 1"],
    );
}

#[test]
fn null_is_a_group() {
    check(
        |people, _| {
            let (city, name) = (people.col(1), people.col(2));
            people.group(vec![city], vec![aggregate("count", vec![]), aggregate("count", vec![name])])
        },
        &["- 1 1", "1 2 2", "2 1 0", "3 1 1"],
    );
}

#[test]
fn there_is_one_group_without_rows_and_none_with_grouping() {
    let nobody = |people: Query| {
        let none = op("<", people.col(0), int(0));
        people.filter(none)
    };
    check(
        move |people, _| nobody(people).group(vec![], vec![aggregate("count", vec![])]),
        &["0"],
    );
    check(
        move |people, _| {
            let people = nobody(people);
            let city = people.col(1);
            people.group(vec![city], vec![aggregate("count", vec![])])
        },
        &[],
    );
}

#[test]
fn distinct_numerics_are_by_value() {
    check(
        |people, _| {
            let worth = people.col(3);
            people.select(vec![worth]).distinct()
        },
        &["1.0", "2.5", "NaN"],
    );
}

#[test]
fn order_by_puts_nulls_where_they_are_asked_for_and_nan_last() {
    check_order(
        |people, _| {
            let keys = vec![asc(people.col(1)), desc(people.col(0))];
            let show = vec![people.col(0)];
            people.sort(keys).select(show)
        },
        &["2", "1", "3", "5", "4"],
    );
    check_order(
        |people, _| {
            let keys = vec![desc(people.col(3)), asc(people.col(0))];
            let show = vec![people.col(0)];
            people.sort(keys).limit(Some(3), Some(1)).select(show)
        },
        &["3", "4", "1"],
    );
}

#[test]
fn floats_have_one_zero_and_one_nan() {
    let table = table("floats", &[("id", Type::Int4), ("x", Type::Float8)]);
    let values = [0.0, -0.0, f64::NAN, -f64::NAN, 1.0];
    let rows: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(id, x)| vec![Datum::Int4(id as i32), Datum::Float8(*x)])
        .collect();
    let (_, host) = Memory::new().with(&table, rows).host();
    for table in [on_local_road(&table), table] {
        let scan = Query::scan(&table);
        let x = scan.col(1);
        let groups = scan.group(vec![x], vec![aggregate("count", vec![])]).run(&host).unwrap();
        assert_eq!(sorted(&groups), ["0 2", "1 1", "NaN 2"]);
        let scan = Query::scan(&table);
        let zero = op("=", scan.col(1), Expr::Const(Datum::Float8(0.0), Type::Float8));
        let by_count = scan
            .filter(zero)
            .group(vec![], vec![aggregate("count", vec![])])
            .run(&host)
            .unwrap();
        assert_eq!(shown(&by_count), ["2"]);
    }
}

#[test]
fn integer_arithmetic_is_checked() {
    let big = |people: &Query| op("*", people.col(0), int(i32::MAX));
    check_error(
        move |people, _| {
            let (product, id) = (big(&people), people.col(0));
            people.sort(vec![asc(id)]).select(vec![product])
        },
        SqlState::NumericValueOutOfRange,
        "integer out of range",
    );
    check_error(
        |people, _| {
            let id = people.col(0);
            let quotient = op("/", int(1), op("-", id.clone(), id));
            people.group(vec![quotient], vec![aggregate("count", vec![])])
        },
        SqlState::DivisionByZero,
        "division by zero",
    );
}

#[test]
fn what_an_earlier_conjunct_excludes_does_not_fail() {
    check(
        |people, _| {
            let rest = op("-", people.col(0), int(3));
            let guard = op("<>", people.col(0), int(3));
            let predicate = Expr::And(vec![guard, op(">", op("/", int(10), rest), int(0))]);
            let id = people.col(0);
            people.filter(predicate).group(vec![id], vec![])
        },
        &["4", "5"],
    );
}

#[test]
fn case_does_not_evaluate_what_it_does_not_take() {
    check(
        |people, _| {
            let zero = op("=", people.col(0), int(3));
            let quotient = op("/", int(10), op("-", people.col(0), int(3)));
            let value = Expr::Case {
                branches: vec![(zero, int(0))],
                otherwise: Some(Box::new(quotient)),
                ty: Type::Int4,
            };
            people.group(vec![value], vec![aggregate("count", vec![])])
        },
        &["-10 1", "-5 1", "0 1", "10 1", "5 1"],
    );
}

#[test]
fn set_operations_count_as_postgresql_does() {
    let side = |rows: &[i32]| Query::values(&[Type::Int4], rows.iter().map(|value| vec![Datum::Int4(*value)]).collect());
    let (_, host) = Memory::new().host();
    let check = |kind, all, expected: &[&str]| {
        let rows = side(&[1, 1, 1, 2, 2, 3]).set(kind, all, side(&[1, 1, 2, 4])).run(&host).unwrap();
        assert_eq!(sorted(&rows), expected, "{kind:?} {all}");
    };
    check(SetOpKind::Union, false, &["1", "2", "3", "4"]);
    check(SetOpKind::Union, true, &["1", "1", "1", "1", "1", "2", "2", "2", "3", "4"]);
    check(SetOpKind::Intersect, false, &["1", "2"]);
    check(SetOpKind::Intersect, true, &["1", "1", "2"]);
    check(SetOpKind::Except, false, &["3"]);
    check(SetOpKind::Except, true, &["1", "2", "3"]);
}

#[test]
fn a_correlated_subquery_runs_for_each_row() {
    check(
        |people, cities| {
            let name = cities.col(1);
            let found = cities.clone().filter(same_city(&people, &cities)).select(vec![name]).scalar();
            let id = people.col(0);
            people.select(vec![id, found])
        },
        &["1 Rome", "2 Rome", "3 Oslo", "4 -", "5 -"],
    );
    check(
        |people, cities| {
            let exists = people.clone().filter(same_city(&people, &cities)).exists();
            let name = cities.col(1);
            cities.filter(Expr::Not(Box::new(exists))).select(vec![name])
        },
        &["Lima"],
    );
    // Inside of an aggregation, where DataFusion calls us for it.
    check(
        |people, cities| {
            let found = people
                .clone()
                .filter(same_city(&people, &cities))
                .group(vec![], vec![aggregate("count", vec![])])
                .scalar();
            cities.group(vec![found], vec![aggregate("count", vec![])])
        },
        &["0 1", "1 1", "2 1"],
    );
}

#[test]
fn more_than_one_row_is_no_scalar() {
    check_error(
        |people, cities| {
            let id = people.col(0);
            let many = people.select(vec![id]).scalar();
            cities.select(vec![many])
        },
        SqlState::CardinalityViolation,
        "more than one row returned by a subquery used as an expression",
    );
}

#[test]
fn in_and_not_in_know_three_values() {
    let plan = |all: bool, symbol: &'static str| {
        move |people: Query, cities: Query| {
            let eq = op(symbol, cities.col(0), Expr::Const(Datum::Int8(0), Type::Int8));
            let Expr::Call { function, .. } = eq else { panic!() };
            let city = Expr::Cast {
                arg: Box::new(people.col(1)),
                to: Type::Int8,
                typmod: -1,
                explicit: false,
            };
            let query = Box::new(people.select(vec![city]).rel);
            let (id, name) = (cities.col(0), cities.col(1));
            let test = Expr::AnyQuery {
                left: Box::new(id),
                op: function,
                query,
                all,
            };
            cities.select(vec![name, test])
        }
    };
    check(plan(false, "="), &["Lima -", "Oslo true", "Rome true"]);
    check(plan(true, "<>"), &["Lima -", "Oslo false", "Rome false"]);
}

#[test]
fn a_lateral_side_sees_each_left_row() {
    check(
        |people, cities| {
            let inner = people
                .clone()
                .filter(same_city(&people, &cities))
                .sort(vec![desc(people.col(0))])
                .limit(Some(1), None);
            let show = vec![cities.col(1), people.col(0)];
            cities.lateral(Left, inner, None).select(show)
        },
        &["Lima -", "Oslo 3", "Rome 2"],
    );
}

#[test]
fn recursion_ends_with_its_rows_or_with_a_limit() {
    let (_, host) = Memory::new().host();
    let columns = ids(&[Type::Int4]);
    let work = Query::rel(Rel::WorkTable {
        name: "t".to_string(),
        columns: ids(&[Type::Int4]),
    });
    let next = op("+", work.col(0), int(1));
    let end = op("<", work.col(0), int(4));
    let base = Query::values(&[Type::Int4], vec![vec![Datum::Int4(1)]]);
    let recursive = |step: Query| {
        Query::rel(Rel::Recursive {
            name: "t".to_string(),
            base: Box::new(base.rel.clone()),
            recursive: Box::new(step.rel),
            all: true,
            columns: columns.clone(),
        })
    };
    let bounded = recursive(work.clone().filter(end).select(vec![next.clone()]));
    assert_eq!(shown(&bounded.run(&host).unwrap()), ["1", "2", "3", "4"]);
    let endless = recursive(work.select(vec![next])).limit(Some(3), None);
    assert_eq!(shown(&endless.run(&host).unwrap()), ["1", "2", "3"]);
}

#[test]
fn grouping_sets_tell_which_columns_they_left_out() {
    check(
        |people, _| {
            let (city, name) = (people.col(1), people.col(2));
            let named = Expr::IsNull(Box::new(name));
            let grouping = query::ir::AggregateCall {
                function: query::ir::AggregateTarget::Grouping(vec![0, 1]),
                args: vec![],
                distinct: false,
                filter: None,
                order_by: vec![],
                ty: Type::Int4,
            };
            let sets = Some(vec![vec![0], vec![1], vec![]]);
            people.group_sets(vec![city, named], sets, vec![aggregate("count", vec![]), grouping])
        },
        &["- - 1 1", "- - 5 3", "- false 4 2", "- true 1 2", "1 - 2 1", "2 - 1 1", "3 - 1 1"],
    );
}
