//! Any value comes back from its text and from its binary form as it was, and values of each type
//! have one total order that hashing agrees with.

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hasher};

use proptest::collection::vec;
use proptest::prelude::*;
use types::text::{ByteaOutput, DateOrder, IntervalStyle, TextStyle, TimeZone, json};
use types::{Array, Datum, Interval, NO_TYPMOD, Numeric, Type, binary, calendar, compare, text};

fn numeric() -> impl Strategy<Value = Numeric> {
    prop_oneof![
        4 => (any::<i64>(), 0u32..25).prop_map(|(value, scale)| format!("{value}e-{scale}").parse().unwrap()),
        2 => "-?[0-9]{1,60}(\\.[0-9]{1,60})?".prop_map(|text| text.parse().unwrap()),
        1 => (-2i64..2, 0u32..100).prop_map(|(value, scale)| format!("{value}e-{scale}").parse().unwrap()),
        1 => (-30i64..30, 0u32..3).prop_map(|(value, scale)| format!("{value}e-{scale}").parse().unwrap()),
        1 => prop_oneof![Just(Numeric::NaN), Just(Numeric::Infinity), Just(Numeric::NegInfinity)],
    ]
}

fn interval() -> impl Strategy<Value = Interval> {
    let small = (-40i32..40, -40i32..40, -4i64..4).prop_map(|(months, days, hours)| (months, days, hours * calendar::MICROS_PER_HOUR));
    prop_oneof![(any::<i32>(), any::<i32>(), any::<i64>()), small].prop_map(|(months, days, micros)| Interval { months, days, micros })
}

fn timestamp() -> impl Strategy<Value = i64> {
    let recent = -10_000_000_000_000_000i64..10_000_000_000_000_000;
    // A day's distance from the ends: an offset from UTC must not lead out of the range.
    let all = calendar::MIN_TIMESTAMP + calendar::MICROS_PER_DAY..calendar::MAX_TIMESTAMP - calendar::MICROS_PER_DAY;
    prop_oneof![4 => recent, 2 => all, 1 => prop_oneof![Just(i64::MAX), Just(i64::MIN)]]
}

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_string()),
        any::<bool>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?([eE][+-]?[0-9])?",
        any::<String>()
            .prop_filter("jsonb holds no zero byte", |text| !text.contains('\0'))
            .prop_map(|text| {
                let mut out = String::new();
                json::write_string(&text, &mut out);
                out
            }),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(","))),
            vec(("[a-c]{0,2}", inner), 0..4).prop_map(|members| format!(
                "{{{}}}",
                members
                    .iter()
                    .map(|(key, value)| format!("\"{key}\":{value}"))
                    .collect::<Vec<_>>()
                    .join(",")
            )),
        ]
    })
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ab\\\\\"{}, ()]{0,6}", Just("NULL".to_string())].prop_filter("no zero byte", |text| !text.contains('\0'))
}

/// A scalar value with its type.
fn scalar() -> impl Strategy<Value = (Type, Datum)> {
    prop_oneof![
        any::<bool>().prop_map(|v| (Type::Bool, Datum::Bool(v))),
        any::<i16>().prop_map(|v| (Type::Int2, Datum::Int2(v))),
        any::<i32>().prop_map(|v| (Type::Int4, Datum::Int4(v))),
        any::<i64>().prop_map(|v| (Type::Int8, Datum::Int8(v))),
        any::<u32>().prop_map(|v| (Type::Oid, Datum::Oid(v))),
        any::<u32>().prop_map(|bits| (Type::Float4, Datum::Float4(f32::from_bits(bits)))),
        any::<u64>().prop_map(|bits| (Type::Float8, Datum::Float8(f64::from_bits(bits)))),
        (-1e6f64..1e6).prop_map(|v| (Type::Float8, Datum::Float8(v.round() / 4.0))),
        numeric().prop_map(|v| (Type::Numeric, Datum::Numeric(v))),
        words().prop_map(|v| (Type::Text, Datum::Text(v))),
        vec(any::<u8>(), 0..20).prop_map(|v| (Type::Bytea, Datum::Bytea(v))),
        prop_oneof![
            calendar::MIN_DATE..=calendar::MAX_DATE,
            -40_000..40_000,
            Just(i32::MAX),
            Just(i32::MIN)
        ]
        .prop_map(|v| (Type::Date, Datum::Date(v))),
        (0..=calendar::MICROS_PER_DAY).prop_map(|v| (Type::Time, Datum::Time(v))),
        timestamp().prop_map(|v| (Type::Timestamp, Datum::Timestamp(v))),
        timestamp().prop_map(|v| (Type::Timestamptz, Datum::Timestamptz(v))),
        interval().prop_map(|v| (Type::Interval, Datum::Interval(v))),
        any::<[u8; 16]>().prop_map(|v| (Type::Uuid, Datum::Uuid(v))),
        json_text().prop_map(|v| (Type::Json, Datum::Json(v))),
        json_text().prop_map(|v| (Type::Jsonb, Datum::Json(json::canonical(&v).unwrap()))),
    ]
}

fn array() -> impl Strategy<Value = (Type, Datum)> {
    (scalar(), vec((scalar(), any::<bool>()), 0..40), 1i32..4, -3i32..3, any::<bool>()).prop_map(
        |((element, first), others, width, lower, nested)| {
            // Elements of the first one's type, and NULLs in between.
            let mut values = vec![first];
            values.extend(others.into_iter().filter_map(|((ty, value), null)| match (ty == element, null) {
                (true, _) => Some(value),
                (false, true) => Some(Datum::Null),
                (false, false) => None,
            }));
            let dims = if nested {
                values.truncate(values.len() / width as usize * width as usize);
                vec![(values.len() as i32 / width, lower), (width, 1)]
            } else {
                vec![(values.len() as i32, lower)]
            };
            let dims = if values.is_empty() { vec![] } else { dims };
            (element.array_of().unwrap(), Datum::Array(Box::new(Array { element, dims, values })))
        },
    )
}

fn style() -> impl Strategy<Value = TextStyle> {
    let zones = prop_oneof![
        Just(TimeZone::UTC),
        Just(TimeZone::from_name("America/New_York").unwrap()),
        Just(TimeZone::from_name("Asia/Kolkata").unwrap()),
        (-50_000..50_000).prop_map(TimeZone::Fixed),
    ];
    let intervals = prop_oneof![
        Just(IntervalStyle::Postgres),
        Just(IntervalStyle::PostgresVerbose),
        Just(IntervalStyle::Iso8601)
    ];
    let orders = prop_oneof![Just(DateOrder::Mdy), Just(DateOrder::Dmy), Just(DateOrder::Ymd)];
    let bytes = prop_oneof![Just(ByteaOutput::Hex), Just(ByteaOutput::Escape)];
    (zones, intervals, orders, bytes).prop_map(|(time_zone, interval_style, date_order, bytea_output)| TextStyle {
        time_zone,
        interval_style,
        date_order,
        bytea_output,
        ..TextStyle::default()
    })
}

/// The same value, to the last digit of its text.
fn same(ty: Type, a: &Datum, b: &Datum) -> bool {
    let show = |datum: &Datum| {
        let mut out = String::new();
        text::format(ty, datum, &TextStyle::default(), &mut out);
        out
    };
    compare::compare(a, b).is_eq() && show(a) == show(b)
}

fn hash(datum: &Datum) -> u64 {
    let mut hasher = DefaultHasher::new();
    compare::hash(datum, &mut hasher);
    hasher.finish()
}

/// Small values, so that equal ones meet.
fn three_of_a_type() -> impl Strategy<Value = [Datum; 3]> {
    fn three(one: impl Strategy<Value = Datum> + 'static) -> BoxedStrategy<[Datum; 3]> {
        let one = prop_oneof![9 => one, 1 => Just(Datum::Null)].boxed();
        [one.clone(), one.clone(), one].boxed()
    }
    let float = prop_oneof![
        Just(f64::NAN),
        Just(-f64::NAN),
        Just(0.0),
        Just(-0.0),
        Just(f64::INFINITY),
        -2.0..2.0
    ];
    let tiny_interval = (-2i32..2, -61i32..61, -3i64..3).prop_map(|(months, days, days_of_time)| Interval {
        months,
        days,
        micros: days_of_time * calendar::MICROS_PER_DAY,
    });
    let tiny_json = prop_oneof![json_text(), "[\\[\\{]?[0-2](\\.0)?".prop_map(|text| text.replace(['[', '{'], ""))];
    let int = (0i32..3).prop_map(Datum::Int4);
    prop_oneof![
        three(float.clone().prop_map(Datum::Float8)),
        three(float.prop_map(|value| Datum::Float4(value as f32))),
        three(numeric().prop_map(Datum::Numeric)),
        three((-3i64..3, 0u32..3).prop_map(|(value, scale)| Datum::Numeric(format!("{value}e-{scale}").parse().unwrap()))),
        three(tiny_interval.prop_map(Datum::Interval)),
        three(tiny_json.prop_map(Datum::Json)),
        three("[ab]{0,2}".prop_map(Datum::Text)),
        three(vec(int.clone(), 0..3).prop_map(|values| Datum::array(Type::Int4, values))),
        three(vec(prop_oneof![int, Just(Datum::Null)], 0..3).prop_map(Datum::Record)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn text_comes_back((ty, datum) in prop_oneof![4 => scalar(), 1 => array()], style in style()) {
        let mut out = String::new();
        text::format(ty, &datum, &style, &mut out);
        let back = text::parse(ty, NO_TYPMOD, &out, &style).map_err(|e| TestCaseError::fail(format!("{ty} {out}: {e}")))?;
        prop_assert!(same(ty, &datum, &back), "{ty} {out}: {datum:?} {back:?}");
    }

    #[test]
    fn binary_comes_back((ty, datum) in prop_oneof![4 => scalar(), 1 => array()]) {
        let mut out = Vec::new();
        let encoded = binary::encode(ty, &datum, &mut out);
        prop_assert!(encoded.is_ok());
        let back = binary::decode(ty, &out).map_err(|e| TestCaseError::fail(format!("{ty} {out:?}: {e}")))?;
        prop_assert!(same(ty, &datum, &back), "{ty}: {datum:?} {back:?}");
    }

    #[test]
    fn the_order_is_total([a, b, c] in three_of_a_type()) {
        prop_assert_eq!(compare::compare(&a, &a), Ordering::Equal);
        prop_assert_eq!(compare::compare(&a, &b), compare::compare(&b, &a).reverse());
        let (ab, bc, ac) = (compare::compare(&a, &b), compare::compare(&b, &c), compare::compare(&a, &c));
        if ab == bc || bc == Ordering::Equal {
            prop_assert_eq!(ac, ab);
        }
        if ab == Ordering::Equal {
            prop_assert_eq!(hash(&a), hash(&b));
            prop_assert_eq!(ac, bc);
        }
    }

    #[test]
    fn hostile_text_is_refused_without_a_panic(input in prop_oneof![any::<String>(), "[-+0-9:./ TtZzPYMDHSWadjnBC\"{}\\[\\]\\\\,=eE]{0,30}"], style in style()) {
        for scalar in types::SCALARS {
            for ty in [Some(scalar.ty), scalar.ty.array_of()].into_iter().flatten() {
                if let Ok(datum) = text::parse(ty, NO_TYPMOD, &input, &style) {
                    let mut out = String::new();
                    text::format(ty, &datum, &style, &mut out);
                }
            }
        }
    }

    #[test]
    fn hostile_bytes_are_refused_without_a_panic(input in vec(prop_oneof![Just(0u8), Just(1), Just(0xff), any::<u8>()], 0..40)) {
        for scalar in types::SCALARS {
            for ty in [Some(scalar.ty), scalar.ty.array_of()].into_iter().flatten() {
                if let Ok(datum) = binary::decode(ty, &input) {
                    let mut out = String::new();
                    text::format(ty, &datum, &TextStyle::default(), &mut out);
                }
            }
        }
    }

    #[test]
    fn numeric_arithmetic_agrees_with_itself(a in numeric(), b in numeric()) {
        let (sum, product) = (a.add(&b).unwrap(), a.mul(&b).unwrap());
        prop_assert_eq!(&sum, &b.add(&a).unwrap());
        prop_assert_eq!(&product, &b.mul(&a).unwrap());
        prop_assert_eq!(a.neg().neg(), a.clone());
        if let (Numeric::Finite(_), Numeric::Finite(_)) = (&a, &b) {
            prop_assert_eq!(sum.sub(&b).unwrap(), a.clone());
            if !b.is_zero() {
                let (quotient, rest) = (a.div_trunc(&b).unwrap(), a.rem(&b).unwrap());
                prop_assert_eq!(quotient.mul(&b).unwrap().add(&rest).unwrap(), a.clone());
                prop_assert!(rest.abs() < b.abs());
            }
        }
    }
}
