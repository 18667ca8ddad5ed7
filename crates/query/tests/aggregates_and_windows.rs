//! Aggregates with DISTINCT, FILTER and ORDER BY, and window functions with frames.

mod support;

use query::ir::{AggregateCall, AggregateTarget, Expr, Frame, FrameBound, FrameUnit, WindowCall, WindowTarget};
use support::*;
use types::{Datum, SqlState, Type};

fn sales() -> (catalog::Table, Vec<query::Row>) {
    let table = table(
        "sales",
        &[
            ("id", Type::Int4),
            ("shop", Type::Text),
            ("amount", Type::Int4),
            ("price", Type::Numeric),
        ],
    );
    let row = |id, shop: &str, amount: Option<i32>, price: &str| {
        vec![
            Datum::Int4(id),
            Datum::text(shop),
            amount.map_or(Datum::Null, Datum::Int4),
            number(price),
        ]
    };
    let rows = vec![
        row(1, "a", Some(10), "1.50"),
        row(2, "a", Some(20), "1.5"),
        row(3, "a", None, "3"),
        row(4, "b", Some(20), "0.10"),
        row(5, "b", Some(20), "0.2"),
        row(6, "b", Some(50), "0.3"),
    ];
    (table, rows)
}

/// Enough rows beside the six that the table is not small; they belong to shop "z".
fn run_both(plan: impl Fn(Query) -> Query) -> [Vec<query::Row>; 2] {
    let (table, mut rows) = sales();
    rows.extend((100..2500).map(|id| vec![Datum::Int4(id), Datum::text("z"), Datum::Int4(1), number("1")]));
    let (_, host) = Memory::new().with(&table, rows).host();
    let run = |table: &catalog::Table| {
        let scan = Query::scan(table);
        let few = op("<>", scan.col(1), text("z"));
        plan(scan.filter(few)).run(&host).unwrap()
    };
    [run(&on_local_road(&table)), run(&table)]
}

fn check(plan: impl Fn(Query) -> Query, expected: &[&str]) {
    let [local, lowered] = run_both(plan);
    assert_eq!(sorted(&local), expected, "local road");
    assert_eq!(sorted(&lowered), expected, "DataFusion");
}

fn by_shop(call: impl Fn(&Query) -> Vec<AggregateCall>) -> impl Fn(Query) -> Query {
    move |sales| {
        let (shop, calls) = (sales.col(1), call(&sales));
        sales.group(vec![shop], calls)
    }
}

#[test]
fn sums_and_averages_have_postgresqls_types_and_scales() {
    check(
        by_shop(|sales| {
            vec![
                aggregate("sum", vec![sales.col(2)]),
                aggregate("avg", vec![sales.col(2)]),
                aggregate("sum", vec![sales.col(3)]),
            ]
        }),
        &["a 30 15.0000000000000000 6.00", "b 90 30.0000000000000000 0.60"],
    );
}

#[test]
fn extremes_of_integers_texts_and_numerics() {
    check(
        by_shop(|sales| {
            vec![
                aggregate("min", vec![sales.col(2)]),
                aggregate("max", vec![sales.col(2)]),
                aggregate("max", vec![sales.col(1)]),
                aggregate("min", vec![sales.col(3)]),
            ]
        }),
        &["a 10 20 a 1.5", "b 20 50 b 0.10"],
    );
}

#[test]
fn distinct_arguments_count_once() {
    let distinct = |mut call: AggregateCall| {
        call.distinct = true;
        call
    };
    check(
        by_shop(move |sales| {
            vec![
                distinct(aggregate("count", vec![sales.col(2)])),
                distinct(aggregate("sum", vec![sales.col(3)])),
            ]
        }),
        &["a 2 4.50", "b 2 0.60"],
    );
}

#[test]
fn filter_leaves_rows_out_before_arguments_are_computed() {
    let filtered = |sales: &Query| {
        let quotient = op("/", int(100), op("-", sales.col(2), int(10)));
        let mut call = aggregate("sum", vec![quotient]);
        call.filter = Some(op("<>", sales.col(2), int(10)));
        vec![call]
    };
    check(by_shop(filtered), &["a 10", "b 22"]);
}

#[test]
fn ordered_arguments_come_in_order() {
    let ordered = |sales: &Query| {
        let mut call = aggregate("array_agg", vec![sales.col(0)]);
        call.order_by = vec![desc(sales.col(2)), asc(sales.col(0))];
        vec![call]
    };
    check(by_shop(ordered), &["a {3 2 1}", "b {6 4 5}"]);
}

#[test]
fn a_percentile_takes_its_values_in_order() {
    let median = |sales: &Query| {
        let fraction = Expr::Const(Datum::Float8(0.5), Type::Float8);
        let value = Expr::Cast {
            arg: Box::new(sales.col(2)),
            to: Type::Float8,
            typmod: -1,
            explicit: false,
        };
        let function = functions::registry::aggregates_named("percentile_cont")
            .iter()
            .find(|f| f.args.last() == Some(&Type::Float8))
            .unwrap();
        vec![AggregateCall {
            function: AggregateTarget::Builtin(function),
            args: vec![fraction],
            distinct: false,
            filter: None,
            order_by: vec![asc(value)],
            ty: Type::Float8,
        }]
    };
    check(by_shop(median), &["a 15", "b 20"]);
}

fn window(function: WindowTarget, args: Vec<Expr>, sales: &Query, frame: Option<Frame>) -> WindowCall {
    let ty = match &function {
        WindowTarget::Aggregate(function) => function.ret,
        WindowTarget::RowNumber | WindowTarget::Rank | WindowTarget::DenseRank => Type::Int8,
        WindowTarget::PercentRank | WindowTarget::CumeDist => Type::Float8,
        WindowTarget::Ntile => Type::Int4,
        _ => args[0].ty(),
    };
    WindowCall {
        function,
        args,
        filter: None,
        partition_by: vec![sales.col(1)],
        order_by: vec![asc(sales.col(2))],
        frame,
        ty,
    }
}

fn windows(calls: impl Fn(&Query) -> Vec<WindowCall>, expected: &[&str]) {
    check(
        |sales| {
            let (count, calls) = (sales.columns.len(), calls(&sales));
            let made = sales.clone().window(calls);
            let show = std::iter::once(made.col(0)).chain(made.columns[count..].to_vec()).collect();
            made.select(show)
        },
        expected,
    );
}

#[test]
fn ranks() {
    windows(
        |sales| {
            let call = |function| window(function, vec![], sales, None);
            vec![
                call(WindowTarget::RowNumber),
                call(WindowTarget::Rank),
                call(WindowTarget::DenseRank),
                call(WindowTarget::PercentRank),
                call(WindowTarget::CumeDist),
                window(WindowTarget::Ntile, vec![int(2)], sales, None),
            ]
        },
        &[
            "1 1 1 1 0 0.3333333333333333 1",
            "2 2 2 2 0.5 0.6666666666666666 1",
            "3 3 3 3 1 1 2",
            "4 1 1 1 0 0.6666666666666666 1",
            "5 2 1 1 0 0.6666666666666666 1",
            "6 3 3 2 1 1 2",
        ],
    );
}

#[test]
fn neighbours() {
    windows(
        |sales| {
            vec![
                window(WindowTarget::Lag, vec![sales.col(2)], sales, None),
                window(WindowTarget::Lead, vec![sales.col(2), int(2), int(-1)], sales, None),
                window(WindowTarget::FirstValue, vec![sales.col(0)], sales, None),
                window(WindowTarget::LastValue, vec![sales.col(0)], sales, None),
                window(WindowTarget::NthValue, vec![sales.col(0), int(2)], sales, None),
            ]
        },
        &[
            "1 - - 1 1 -",
            "2 10 -1 1 2 2",
            "3 20 -1 1 3 2",
            "4 - 50 4 5 5",
            "5 20 -1 4 5 5",
            "6 20 -1 4 6 5",
        ],
    );
}

fn frame(unit: FrameUnit, before: i32, after: i32) -> Option<Frame> {
    Some(Frame {
        unit,
        start: FrameBound::Preceding(Box::new(int(before))),
        end: FrameBound::Following(Box::new(int(after))),
    })
}

#[test]
fn frames_by_rows_groups_and_values() {
    let sum = functions::registry::aggregates_named("sum")
        .iter()
        .find(|f| f.args == [Type::Int4])
        .copied()
        .unwrap();
    windows(
        |sales| {
            let call = |unit| window(WindowTarget::Aggregate(sum), vec![sales.col(0)], sales, frame(unit, 1, 0));
            vec![
                call(FrameUnit::Rows),
                call(FrameUnit::Groups),
                window(
                    WindowTarget::Aggregate(sum),
                    vec![sales.col(0)],
                    sales,
                    frame(FrameUnit::Range, 10, 0),
                ),
            ]
        },
        &["1 1 1 1", "2 3 3 3", "3 5 5 3", "4 4 9 9", "5 9 9 9", "6 11 15 6"],
    );
}

#[test]
fn the_default_frame_ends_with_the_current_rows_peers() {
    let sum = functions::registry::aggregates_named("sum")
        .iter()
        .find(|f| f.args == [Type::Int4])
        .copied()
        .unwrap();
    windows(
        |sales| vec![window(WindowTarget::Aggregate(sum), vec![sales.col(2)], sales, None)],
        &["1 10", "2 30", "3 30", "4 40", "5 40", "6 90"],
    );
}

#[test]
fn a_negative_frame_offset_is_refused() {
    let (table, rows) = sales();
    let (_, host) = Memory::new().with(&table, rows).host();
    let scan = Query::scan(&table);
    let calls = vec![window(
        WindowTarget::FirstValue,
        vec![scan.col(0)],
        &scan,
        frame(FrameUnit::Rows, -1, 0),
    )];
    let error = scan.window(calls).run(&host).unwrap_err();
    assert_eq!(
        (error.state(), error.message()),
        (
            SqlState::InvalidPrecedingOrFollowingSize,
            "frame starting offset must not be negative"
        )
    );
}
