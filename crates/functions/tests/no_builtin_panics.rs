//! No built-in panics, whatever values it is given: the edges of every type, in every combination
//! that is not too many. Overflow checks are on in tests, so unchecked arithmetic shows here, too.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};

use functions::cast::read;
use functions::{Scalar, registry, types_argument};
use support::Session;
use types::{Datum, Interval, Type};

/// They wait, or ask for more memory than a test should take.
const SKIPPED: &[&str] = &["pg_sleep", "pg_sleep_for", "pg_sleep_until"];
/// Combinations of one function's arguments.
const COMBINATIONS: usize = 3_000;

fn texts() -> Vec<&'static str> {
    vec![
        "",
        "a",
        "ß→日",
        "1",
        "-1.5e3",
        "%",
        "\\",
        "(",
        "[[:alpha:]]*?",
        "(a|b)+",
        "YYYY-MM-DD HH24:MI:SS.US TZ",
        "FMIYYY IW ID IDDD RM W J Q TZH",
        "9G999D99S",
        "FM0000V99PR",
        "9.99EEEE",
        "RN",
        "2020-02-29",
        "UTC",
        "day",
        "century",
        "hex",
        "g",
        "%s %1$*2$s",
        "{a,b}",
    ]
}

fn of_type(env: &Session, ty: Type) -> Vec<Datum> {
    let mut values = match ty {
        Type::Bool => vec![Datum::Bool(true), Datum::Bool(false)],
        Type::Int2 => [i16::MIN, -1, 0, 1, i16::MAX].map(Datum::Int2).to_vec(),
        Type::Int4 => [i32::MIN, -1, 0, 1, 7, i32::MAX].map(Datum::Int4).to_vec(),
        Type::Int8 => [i64::MIN, -1, 0, 1, 7, i64::MAX].map(Datum::Int8).to_vec(),
        Type::Float4 => [f32::MIN, f32::NEG_INFINITY, -0.0, 1.5, f32::MAX, f32::NAN]
            .map(Datum::Float4)
            .to_vec(),
        Type::Float8 => [f64::MIN, f64::NEG_INFINITY, -0.0, 0.5, 1e-300, f64::MAX, f64::INFINITY, f64::NAN]
            .map(Datum::Float8)
            .to_vec(),
        Type::Numeric => ["0", "-1.5", "99999999999999999999.999", "1e-30", "NaN", "Infinity", "-Infinity"]
            .map(|text| Datum::Numeric(text.parse().unwrap()))
            .to_vec(),
        Type::Text | Type::Varchar | Type::Bpchar | Type::Name | Type::Unknown => texts().into_iter().map(Datum::text).collect(),
        Type::Char => vec![Datum::text(""), Datum::text("r")],
        Type::Bytea => vec![Datum::Bytea(vec![]), Datum::Bytea(vec![0, 1, 0xff]), Datum::Bytea(b"a%\\".to_vec())],
        Type::Date => [i32::MIN, -2_440_588, 0, 18_321, 2_145_031_948, i32::MAX].map(Datum::Date).to_vec(),
        Type::Time => [0, 1, 86_399_999_999, 86_400_000_000].map(Datum::Time).to_vec(),
        Type::Timestamp => MOMENTS.map(Datum::Timestamp).to_vec(),
        Type::Timestamptz => MOMENTS.map(Datum::Timestamptz).to_vec(),
        Type::Interval => [
            (0, 0, 0),
            (1, 1, 1),
            (-13, 40, -90_000_000_000),
            (i32::MAX, i32::MAX, i64::MAX),
            (i32::MIN, i32::MIN, i64::MIN),
        ]
        .map(|(months, days, micros)| Datum::Interval(Interval { months, days, micros }))
        .to_vec(),
        Type::Uuid => vec![Datum::Uuid([0; 16]), Datum::Uuid([0xff; 16])],
        Type::Json | Type::Jsonb => [
            "null",
            "1",
            "\"x\"",
            "[]",
            "{}",
            "[1, [2, null], {\"a\": 1}]",
            "{\"a\": [1], \"b\": {\"c\": null}}",
        ]
        .map(|text| Datum::Json(text.to_string()))
        .to_vec(),
        Type::Oid | Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => {
            [0, 23, u32::MAX].map(Datum::Oid).to_vec()
        }
        Type::Array(element) => {
            let some = of_type(env, *element);
            let mut arrays = vec![Datum::array(*element, vec![]), Datum::array(*element, some)];
            for text in ["[2147483646:2147483647]={NULL,NULL}", "[-5:-4][0:1]={{NULL,NULL},{NULL,NULL}}"] {
                arrays.extend(read(env, ty, text.to_string()));
            }
            arrays
        }
        Type::Record => vec![Datum::Record(vec![]), Datum::Record(vec![Datum::Int4(1), Datum::Null])],
        Type::Any | Type::AnyElement => vec![
            Datum::Int4(1),
            Datum::text("x"),
            Datum::Json("[1]".to_string()),
            Datum::array(Type::Int4, vec![Datum::Int4(1)]),
        ],
        Type::AnyArray => of_type(env, Type::Array(&Type::Int4)),
        Type::Void | Type::Trigger => vec![],
    };
    values.push(Datum::Null);
    values
}

const MOMENTS: [i64; 6] = [
    i64::MIN,
    -210_866_803_200_000_000,
    -1,
    1_582_979_696_123_456,
    i64::MAX - 1,
    i64::MAX,
];

/// Calls with up to [`COMBINATIONS`] lists of arguments, spread evenly over all there are.
fn each_combination(env: &Session, args: &[Type], mut call: impl FnMut(Vec<Datum>)) {
    let choices: Vec<Vec<Datum>> = args.iter().map(|ty| of_type(env, *ty)).collect();
    let all: usize = choices.iter().map(Vec::len).product();
    // A step that shares no factor with the numbers of choices, so that it visits different ones.
    let step = (all / COMBINATIONS).max(1) | 1;
    for index in (0..all).step_by(step) {
        let mut rest = index;
        let pick = |values: &Vec<Datum>| {
            let value = values[rest % values.len()].clone();
            rest /= values.len();
            value
        };
        call(choices.iter().map(pick).collect());
    }
}

fn complains(what: &str, args: &[Datum], work: impl FnOnce()) -> Option<String> {
    catch_unwind(AssertUnwindSafe(work))
        .err()
        .map(|_| format!("{what} panics with {args:?}"))
}

#[test]
fn scalar_functions() {
    let env = Session::default();
    let mut wrong = Vec::new();
    let functions: Vec<&Scalar> = registry::all_scalars()
        .filter(|function| !SKIPPED.contains(&function.name))
        .collect();
    for function in functions {
        let mut declared = function.args.to_vec();
        if function.variadic {
            declared.extend(declared.last().copied());
        }
        let mut found = false;
        each_combination(&env, &declared, |mut args| {
            if found || (function.strict && args.iter().any(Datum::is_null)) {
                return;
            }
            if function.typed {
                args.push(types_argument(
                    &declared
                        .iter()
                        .map(|ty| if *ty == Type::AnyArray { Type::Array(&Type::Int4) } else { *ty })
                        .collect::<Vec<_>>(),
                ));
            }
            if let Some(complaint) = complains(function.name, &args, || drop((function.run)(&env, &args))) {
                wrong.push(complaint);
                found = true;
            }
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn set_functions() {
    let env = Session::default();
    let mut wrong = Vec::new();
    for function in registry::all_set_functions() {
        each_combination(&env, function.args, |args| {
            if function.strict && args.iter().any(Datum::is_null) {
                return;
            }
            let work = || {
                if let Ok(rows) = (function.run)(&env, &args) {
                    rows.take(100).for_each(drop);
                }
            };
            wrong.extend(complains(function.name, &args, work));
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn aggregates() {
    let env = Session::default();
    let mut wrong = Vec::new();
    for aggregate in registry::all_aggregates() {
        let types: Vec<Type> = aggregate
            .args
            .iter()
            .map(|ty| match ty {
                Type::AnyArray => Type::Array(&Type::Int4),
                Type::Any | Type::AnyElement => Type::Text,
                other => *other,
            })
            .collect();
        let mut state = (aggregate.new)(&types);
        each_combination(&env, &types, |args| {
            if aggregate.strict && args.iter().any(Datum::is_null) {
                return;
            }
            let work = || {
                // A state that an error has ended begins anew.
                if state.add(&env, &args).is_err() || state.finish(&env).is_err() {
                    state = (aggregate.new)(&types);
                }
                let _ = state.size();
            };
            wrong.extend(complains(aggregate.name, &args, work));
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn casts() {
    let env = Session::default();
    let mut wrong = Vec::new();
    let all: Vec<Type> = types::SCALARS
        .iter()
        .map(|scalar| scalar.ty)
        .filter(|ty| ty.category() != 'P')
        .collect();
    for from in &all {
        for to in &all {
            for typmod in [-1, 0, 5, i32::MAX] {
                for value in of_type(&env, *from) {
                    let shown = [value.clone()];
                    let what = format!("cast {from} to {to}({typmod})");
                    // A bpchar of 2 billion blanks is refused where it is declared.
                    if typmod == i32::MAX && *to == Type::Bpchar {
                        continue;
                    }
                    wrong.extend(complains(&what, &shown, || {
                        drop(functions::cast::cast(&env, value, *from, *to, typmod, true))
                    }));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
