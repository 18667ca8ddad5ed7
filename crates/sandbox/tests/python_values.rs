//! What a Python function returns becomes the declared type where nothing is lost, and is refused elsewhere.

mod common;

use common::*;
use types::{SqlState, Type};

const INT4_ARRAY: Type = Type::Array(&Type::Int4);
const TEXT_ARRAY: Type = Type::Array(&Type::Text);

const IMPORTS: &str = "import datetime, decimal, uuid, enum, collections\nfrom datetime import date, time, timedelta, timezone\nfrom decimal import Decimal\n";

#[test]
fn results_are_converted_where_nothing_is_lost() {
    for (result, ty, text) in [
        ("5.0", Type::Int4, "5"),
        ("Decimal('5.00')", Type::Int4, "5"),
        ("2 ** 53 + 1", Type::Int8, "9007199254740993"),
        ("enum.IntEnum('E', 'A B').B", Type::Int4, "2"),
        ("7", Type::Float8, "7"),
        ("2 ** 70", Type::Float8, "1.1805916207174113e+21"),
        ("Decimal('0.5')", Type::Float8, "0.5"),
        ("0.1", Type::Numeric, "0.1"),
        ("10 ** 30", Type::Numeric, "1000000000000000000000000000000"),
        ("Decimal('1E+3')", Type::Numeric, "1000"),
        ("Decimal('1.500')", Type::Numeric, "1.500"),
        ("'1.500'", Type::Numeric, "1.500"),
        ("float('nan')", Type::Numeric, "NaN"),
        ("{'a': 1, 'b': [True]}", Type::Text, r#"{"a":1,"b":[true]}"#),
        ("uuid.UUID(int=5)", Type::Text, "00000000-0000-0000-0000-000000000005"),
        ("bytearray(b'ab')", Type::Bytea, "\\x6162"),
        ("memoryview(b'abcd')[::2]", Type::Bytea, "\\x6163"),
        ("'2024-05-06'", Type::Date, "2024-05-06"),
        ("datetime.datetime(2024, 5, 6, 23, 59)", Type::Date, "2024-05-06"),
        ("date(2024, 5, 6)", Type::Timestamp, "2024-05-06 00:00:00"),
        ("'2024-05-06T07:08:09.5Z'", Type::Timestamptz, "2024-05-06 07:08:09.5+00"),
        (
            "datetime.datetime(2024, 5, 6, 7, 8, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))",
            Type::Timestamptz,
            "2024-05-06 12:38:00+00",
        ),
        ("time(1, 2, 3, 4)", Type::Time, "01:02:03.000004"),
        ("timedelta(days=1, hours=-1)", Type::Interval, "23:00:00"),
        ("timedelta(hours=-25)", Type::Interval, "-1 days -01:00:00"),
        ("'1 day 2 hours'", Type::Interval, "1 day 02:00:00"),
        (
            "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
            Type::Uuid,
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ),
        ("(1, -2)", INT4_ARRAY, "{1,-2}"),
        ("[[], []]", INT4_ARRAY, "{}"),
        ("[(1, 2), [3, 4]]", INT4_ARRAY, "{{1,2},{3,4}}"),
        ("['a', None]", TEXT_ARRAY, "{a,NULL}"),
        ("'text'", Type::Jsonb, r#""text""#),
        ("[1, 2 ** 70]", Type::Json, "[1,1180591620717411303424]"),
        (
            "{'d': date(2024, 5, 6), 't': datetime.datetime(2024, 5, 6, tzinfo=timezone.utc), 'n': Decimal('1.50'), 'u': uuid.UUID(int=1), 'z': -0.0, 's': 'a\"\\u0001ü', 1: (None, 1e100), None: 2.0, True: 3}",
            Type::Json,
            r#"{"d":"2024-05-06","t":"2024-05-06T00:00:00+00:00","n":1.50,"u":"00000000-0000-0000-0000-000000000001","z":-0.0,"s":"a\"\u0001ü","1":3,"null":2.0}"#,
        ),
        ("collections.OrderedDict(b=1, a=2)", Type::Json, r#"{"b":1,"a":2}"#),
        ("collections.namedtuple('P', 'x y')(1, 2)", Type::Json, "[1,2]"),
    ] {
        let outcome = call_python(&format!("{IMPORTS}def f(): return {result}"), &[], ty);
        let datum = outcome.unwrap_or_else(|error| panic!("{result} as {ty}: {error}"));
        assert_eq!(printed(ty, &datum), text, "{result} as {ty}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    use SqlState::*;
    for (result, ty, state, message) in [
        (
            "1.5",
            Type::Int4,
            DatatypeMismatch,
            "function f() returned 1.5, which is not a whole number, where integer is declared",
        ),
        (
            "Decimal('1.5')",
            Type::Int4,
            DatatypeMismatch,
            "function f() returned 1.5, which is not a whole number, where integer is declared",
        ),
        ("3000000000", Type::Int4, NumericValueOutOfRange, "integer out of range"),
        ("40000", Type::Int2, NumericValueOutOfRange, "smallint out of range"),
        ("2 ** 63", Type::Int8, NumericValueOutOfRange, "bigint out of range"),
        ("float('nan')", Type::Int4, NumericValueOutOfRange, "integer out of range"),
        (
            "'5'",
            Type::Int4,
            DatatypeMismatch,
            "function f() returned the string \"5\" where integer is declared",
        ),
        (
            "True",
            Type::Int4,
            DatatypeMismatch,
            "function f() returned true where integer is declared",
        ),
        (
            "1",
            Type::Bool,
            DatatypeMismatch,
            "function f() returned the number 1 where boolean is declared",
        ),
        ("1e300", Type::Float4, NumericValueOutOfRange, "real out of range"),
        (
            "'x'",
            Type::Numeric,
            InvalidTextRepresentation,
            "invalid input syntax for type numeric: \"x\"",
        ),
        (
            "5",
            Type::Text,
            DatatypeMismatch,
            "function f() returned the number 5 where text is declared",
        ),
        (
            "'x'",
            Type::Bytea,
            DatatypeMismatch,
            "function f() returned the string \"x\" where bytea is declared",
        ),
        (
            "5",
            Type::Timestamptz,
            DatatypeMismatch,
            "function f() returned the number 5 where timestamp with time zone is declared",
        ),
        (
            "'x'",
            Type::Uuid,
            InvalidTextRepresentation,
            "invalid input syntax for type uuid: \"x\"",
        ),
        (
            "{'a': 1}",
            Type::Int4,
            DatatypeMismatch,
            "function f() returned an object: {\"a\":1} where integer is declared",
        ),
        (
            "[1]",
            Type::Int4,
            DatatypeMismatch,
            "function f() returned an object: [1] where integer is declared",
        ),
        (
            "5",
            INT4_ARRAY,
            DatatypeMismatch,
            "function f() returned the number 5 where integer[] is declared",
        ),
        (
            "[[1], [2, 3]]",
            INT4_ARRAY,
            ArrayElementError,
            "function f() returned nested arrays of different lengths, which no SQL array can hold",
        ),
        (
            "[1, 'x']",
            INT4_ARRAY,
            DatatypeMismatch,
            "function f() returned the string \"x\" where integer is declared",
        ),
        (
            "[[[[[[[1]]]]]]]",
            INT4_ARRAY,
            ProgramLimitExceeded,
            "number of array dimensions (7) exceeds the maximum allowed (6)",
        ),
        ("f", Type::Text, DatatypeMismatch, "function f(): a function has no SQL value"),
        (
            "{1, 2}",
            Type::Jsonb,
            ExternalRoutineException,
            "TypeError: Object of type set is not JSON serializable",
        ),
        (
            "{1, 2}",
            Type::Text,
            DatatypeMismatch,
            "function f(): an object of type set has no SQL value",
        ),
        (
            "1j",
            Type::Float8,
            DatatypeMismatch,
            "function f(): an object of type complex has no SQL value",
        ),
        (
            "(x for x in [1])",
            INT4_ARRAY,
            DatatypeMismatch,
            "function f(): a generator has no SQL value",
        ),
        (
            "coroutine()",
            Type::Int4,
            DatatypeMismatch,
            "function f(): the function returned a coroutine, and asynchronous functions are not supported",
        ),
        (
            "'\\ud800'",
            Type::Text,
            DatatypeMismatch,
            "function f(): a string holds half of a surrogate pair, which UTF-8 cannot spell",
        ),
        (
            "'a\\0b'",
            Type::Text,
            CharacterNotInRepertoire,
            "function f() returned a string with a zero character, which text cannot hold",
        ),
        (
            "float('inf')",
            Type::Json,
            ExternalRoutineException,
            "ValueError: Out of range float values are not JSON compliant",
        ),
        (
            "b'x'",
            Type::Json,
            ExternalRoutineException,
            "TypeError: Object of type bytes is not JSON serializable",
        ),
        (
            "{(1, 2): 3}",
            Type::Json,
            ExternalRoutineException,
            "TypeError: keys must be str, int, float, bool or None, not tuple",
        ),
        (
            "cyclic",
            Type::Json,
            ExternalRoutineException,
            "ValueError: Circular reference detected",
        ),
    ] {
        let body = format!("{IMPORTS}cyclic = []\ncyclic.append([cyclic])\nasync def coroutine(): pass\ndef f(): return {result}");
        let error = sql_error(
            call_python(&body, &[], ty)
                .err()
                .unwrap_or_else(|| panic!("{result} as {ty} is accepted")),
        );
        assert_eq!((error.state(), error.message()), (state, message), "{result} as {ty}");
    }
}

#[test]
fn a_timestamp_that_no_datetime_can_hold_is_refused() {
    for (ty, text) in [
        (Type::Timestamp, "10000-01-01 00:00:00"),
        (Type::Timestamptz, "4713-01-01 00:00:00+00 BC"),
        (Type::Date, "10000-01-01"),
    ] {
        let error = sql_error(call_python("def f(x): return 1", &[(ty, value(ty, text))], Type::Int4).unwrap_err());
        assert!(error.message().starts_with("ValueError: year "), "{error}");
    }
}

#[test]
fn a_void_function_may_return_anything() {
    assert!(call_python("def f(): return {1, 2}", &[], Type::Void).unwrap().is_null());
}
