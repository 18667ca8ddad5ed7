use std::cmp::Ordering;
use std::ops::RangeBounds;

use proptest::prelude::*;
use types::compare::compare;
use types::{Numeric, SCALARS};

use super::*;

fn encoded(datum: &Datum, ty: Type) -> Vec<u8> {
    let mut out = Vec::new();
    encode(datum, ty, &mut out).unwrap();
    out
}

fn decoded(ty: Type, bytes: &[u8]) -> Datum {
    let mut rest = bytes;
    let datum = decode(ty, &mut rest).unwrap();
    assert_eq!(rest, b"", "a value ends where the next begins");
    datum
}

fn interesting_i64() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        -3..3i64,
        Just(i64::MIN),
        Just(i64::MAX),
        (0..63u32).prop_map(|n| 1 << n)
    ]
}

fn interesting_i32() -> impl Strategy<Value = i32> {
    prop_oneof![any::<i32>(), -3..3i32, Just(i32::MIN), Just(i32::MAX)]
}

fn float() -> impl Strategy<Value = f64> {
    let special = vec![
        0.0,
        -0.0,
        1.0,
        -1.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -f64::NAN,
        f64::MIN_POSITIVE,
        f64::MAX,
        5e-324,
    ];
    prop_oneof![any::<f64>(), prop::num::f64::ANY, prop::sample::select(special), -2.0..2.0]
}

fn numeric() -> impl Strategy<Value = Numeric> {
    let text = prop_oneof![
        "-?[0-9]{1,4}",
        "-?[0-9]{1,3}\\.[0-9]{1,4}",
        "-?[1-9][0-9]{0,40}(\\.[0-9]{1,40})?",
        "-?0\\.0{0,12}[0-9]{1,3}0{0,3}",
        "-?[1-9]0{0,30}",
        "-?[1-9]e-?[0-9]{1,2}",
        Just("NaN".to_string()),
        Just("Infinity".to_string()),
        Just("-Infinity".to_string()),
    ];
    text.prop_map(|text| text.parse().unwrap())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{0,3}", "[a\u{0}\u{1}\u{ff}é]{0,4}", "\\PC{0,20}"]
}

fn json(depth: u32) -> BoxedStrategy<serde_json::Value> {
    use serde_json::Value;
    let number = numeric().prop_filter_map("a JSON number", |n| serde_json::from_str::<Value>(&n.to_string()).ok());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number,
        "[ab]{0,3}".prop_map(Value::String)
    ];
    leaf.prop_recursive(depth, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map("[ab]{0,2}", inner, 0..3).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
    .boxed()
}

/// As jsonb keeps a value: its canonical text.
fn jsonb() -> impl Strategy<Value = Datum> {
    json(3).prop_map(|value| {
        types::text::parse(
            Type::Jsonb,
            types::NO_TYPMOD,
            &value.to_string(),
            &types::text::TextStyle::default(),
        )
        .unwrap()
    })
}

/// Any value of the type but NULL.
fn value(ty: Type) -> BoxedStrategy<Datum> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Datum::Bool).boxed(),
        Type::Int2 => any::<i16>().prop_map(Datum::Int2).boxed(),
        Type::Int4 => interesting_i32().prop_map(Datum::Int4).boxed(),
        Type::Int8 => interesting_i64().prop_map(Datum::Int8).boxed(),
        Type::Float4 => float().prop_map(|value| Datum::Float4(value as f32)).boxed(),
        Type::Float8 => float().prop_map(Datum::Float8).boxed(),
        Type::Numeric => numeric().prop_map(Datum::Numeric).boxed(),
        Type::Text | Type::Varchar | Type::Char | Type::Name | Type::Unknown => text().prop_map(Datum::Text).boxed(),
        // `compare` does not know the type, so here without the blanks that don't count.
        Type::Bpchar => text().prop_map(|text| Datum::text(text.trim_end_matches(' '))).boxed(),
        Type::Bytea => prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(255), any::<u8>()], 0..6)
            .prop_map(Datum::Bytea)
            .boxed(),
        Type::Date => interesting_i32().prop_map(Datum::Date).boxed(),
        Type::Time => (0..=86_400_000_000i64).prop_map(Datum::Time).boxed(),
        Type::Timestamp => interesting_i64().prop_map(Datum::Timestamp).boxed(),
        Type::Timestamptz => interesting_i64().prop_map(Datum::Timestamptz).boxed(),
        Type::Interval => {
            let small = (-2..3i32, -60..60i32, prop_oneof![Just(0i64), Just(86_400_000_000), -3..3i64]);
            let any = (interesting_i32(), interesting_i32(), interesting_i64());
            prop_oneof![small, any]
                .prop_map(|(months, days, micros)| Datum::Interval(Interval { months, days, micros }))
                .boxed()
        }
        Type::Uuid => any::<[u8; 16]>().prop_map(Datum::Uuid).boxed(),
        Type::Jsonb => jsonb().boxed(),
        Type::Oid | Type::Regclass | Type::Regtype | Type::Regproc | Type::Regnamespace | Type::Regrole => {
            any::<u32>().prop_map(Datum::Oid).boxed()
        }
        Type::Array(element) => {
            let element = *element;
            let shape = prop::collection::vec(nullable(element), 0..4);
            let flat = shape.clone().prop_map(move |values| Datum::array(element, values));
            let bounds = (shape, -1..3i32).prop_map(move |(values, lower)| {
                let dims = if values.is_empty() {
                    vec![]
                } else {
                    vec![(values.len() as i32, lower)]
                };
                Datum::Array(Box::new(Array { element, dims, values }))
            });
            let square = (prop::collection::vec(nullable(element), 4), any::<bool>()).prop_map(move |(values, wide)| {
                let dims = if wide { vec![(1, 1), (4, 1)] } else { vec![(2, 1), (2, 1)] };
                Datum::Array(Box::new(Array { element, dims, values }))
            });
            prop_oneof![flat, bounds, square].boxed()
        }
        Type::Json | Type::Record | Type::Void | Type::Trigger | Type::Any | Type::AnyElement | Type::AnyArray => {
            panic!("{ty} is not a type of keys")
        }
    }
}

fn nullable(ty: Type) -> BoxedStrategy<Datum> {
    prop_oneof![1 => Just(Datum::Null), 6 => value(ty)].boxed()
}

/// Every type that can be in a key, and some arrays.
fn key_types() -> Vec<Type> {
    let without_order = [
        Type::Json,
        Type::Record,
        Type::Void,
        Type::Trigger,
        Type::Any,
        Type::AnyElement,
        Type::AnyArray,
    ];
    let mut types: Vec<Type> = SCALARS
        .iter()
        .map(|scalar| scalar.ty)
        .filter(|ty| !without_order.contains(ty))
        .collect();
    types.extend([Type::Array(&Type::Int4), Type::Array(&Type::Text), Type::Array(&Type::Numeric)]);
    types
}

fn any_type() -> impl Strategy<Value = Type> {
    prop::sample::select(key_types())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_bytes_is_the_order_of_values(
        (ty, a, b) in any_type().prop_flat_map(|ty| (Just(ty), nullable(ty), nullable(ty)))
    ) {
        prop_assert_eq!(encoded(&a, ty).cmp(&encoded(&b, ty)), compare(&a, &b), "{}: {:?} and {:?}", ty, a, b);
    }

    #[test]
    fn what_is_encoded_decodes_to_an_equal_value((ty, a) in any_type().prop_flat_map(|ty| (Just(ty), nullable(ty)))) {
        let bytes = encoded(&a, ty);
        let back = decoded(ty, &bytes);
        prop_assert_eq!(compare(&a, &back), Ordering::Equal, "{}: {:?} came back as {:?}", ty, a, back);
        if is_lossless(ty) {
            prop_assert_eq!(format!("{a:?}"), format!("{back:?}"));
        }
        prop_assert_eq!(encoded(&back, ty), bytes);
    }

    #[test]
    fn keys_of_several_columns_sort_by_one_after_the_other(
        (types, a, b) in prop::collection::vec(any_type(), 1..4).prop_flat_map(|types| {
            let row = || types.iter().map(|ty| nullable(*ty)).collect::<Vec<_>>();
            (Just(types.clone()), row(), row())
        })
    ) {
        let encode_row = |row: &[Datum]| row.iter().zip(&types).flat_map(|(datum, ty)| encoded(datum, *ty)).collect::<Vec<u8>>();
        let expected = a.iter().zip(&b).map(|(a, b)| compare(a, b)).find(|order| *order != Ordering::Equal);
        prop_assert_eq!(encode_row(&a).cmp(&encode_row(&b)), expected.unwrap_or(Ordering::Equal));
        let prefix = encoded(&a[0], types[0]);
        prop_assert!(prefix_range(&prefix).contains(&encode_row(&a)));
    }

    #[test]
    fn bytes_that_nobody_encoded_are_an_error_or_a_value(
        ty in any_type(),
        bytes in prop::collection::vec(prop_oneof![0u8..6, any::<u8>()], 0..40)
    ) {
        let bytes = [&[VALUE][..], &bytes].concat();
        let _ = decode(ty, &mut bytes.as_slice());
    }
}

#[test]
fn equal_values_have_equal_bytes() {
    let numeric = |text: &str| encoded(&Datum::Numeric(text.parse().unwrap()), Type::Numeric);
    assert_eq!(numeric("1.0"), numeric("1.00"));
    assert_eq!(numeric("100"), numeric("1e2"));
    assert_eq!(
        encoded(&Datum::Float8(0.0), Type::Float8),
        encoded(&Datum::Float8(-0.0), Type::Float8)
    );
    assert_eq!(encoded(&Datum::text("a  "), Type::Bpchar), encoded(&Datum::text("a"), Type::Bpchar));
    let interval = |months, days| encoded(&Datum::Interval(Interval { months, days, micros: 0 }), Type::Interval);
    assert_eq!(interval(1, 0), interval(0, 30));
}

/// These bytes are in databases. A change here makes them unreadable.
#[test]
fn the_bytes_are_those_of_the_documentation() {
    let check = |ty: Type, datum: Datum, expected: &str| {
        let bytes: String = encoded(&datum, ty).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(bytes, expected.replace(' ', ""), "{ty}");
    };
    let numeric = |text: &str| Datum::Numeric(text.parse().unwrap());
    check(Type::Int4, Datum::Null, "02");
    check(Type::Bool, Datum::Bool(true), "01 01");
    check(Type::Int2, Datum::Int2(-1), "01 7fff");
    check(Type::Int4, Datum::Int4(42), "01 8000002a");
    check(Type::Int8, Datum::Int8(1), "01 8000000000000001");
    check(Type::Oid, Datum::Oid(16384), "01 00004000");
    check(Type::Float4, Datum::Float4(1.0), "01 bf800000");
    check(Type::Float8, Datum::Float8(-1.0), "01 400fffffffffffff");
    check(Type::Numeric, numeric("0.00"), "01 02");
    check(Type::Numeric, numeric("123.450"), "01 03 80000003 0d 23 33 00");
    check(Type::Numeric, numeric("-0.05"), "01 01 80000000 cc ff");
    check(Type::Numeric, numeric("NaN"), "01 05");
    check(Type::Text, Datum::text("ab"), "01 6162 0001");
    check(Type::Bytea, Datum::Bytea(vec![1, 0, 2]), "01 01 00ff 02 0001");
    check(Type::Date, Datum::Date(0), "01 80000000");
    check(Type::Timestamptz, Datum::Timestamptz(-1), "01 7fffffffffffffff");
    check(
        Type::Interval,
        Datum::Interval(Interval {
            months: 0,
            days: 1,
            micros: 1,
        }),
        "01 8000000000000000 000000141dd76001",
    );
    check(Type::Uuid, Datum::Uuid([0xab; 16]), "01 abababababababababababababababab");
    check(
        Type::Jsonb,
        Datum::Json("{\"a\": [true]}".into()),
        "01 11 00000001 61 0001 10 00000001 04",
    );
    check(Type::Jsonb, Datum::Json("1".into()), "01 10 00000001 00 02 03 80000001 0b 00");
    check(
        Type::Array(&Type::Bool),
        Datum::array(Type::Bool, vec![Datum::Bool(true), Datum::Null]),
        "01 01 01 02 00 01 80000002 80000001",
    );
}

#[test]
fn prefixes_end_where_the_next_begins() {
    let check = |prefix: &[u8], expected: Bound<&[u8]>| {
        assert_eq!(
            prefix_range(prefix),
            (Bound::Included(prefix.to_vec()), expected.map(<[u8]>::to_vec))
        );
    };
    check(b"a", Bound::Excluded(b"b"));
    check(b"a\xff\xff", Bound::Excluded(b"b"));
    check(b"\xff", Bound::Unbounded);
    check(b"", Bound::Unbounded);
}
