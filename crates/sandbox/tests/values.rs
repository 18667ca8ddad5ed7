//! What a JavaScript function returns becomes the declared type where nothing is lost, and is refused elsewhere.

mod common;

use common::*;
use types::{Datum, SqlState, Type};

const INT4_ARRAY: Type = Type::Array(&Type::Int4);
const TEXT_ARRAY: Type = Type::Array(&Type::Text);

#[test]
fn results_are_converted_where_nothing_is_lost() {
    for (body, ty, text) in [
        ("return 5n", Type::Int4, "5"),
        ("return 3e0", Type::Int2, "3"),
        ("return -0", Type::Int4, "0"),
        ("return 2 ** 53", Type::Int8, "9007199254740992"),
        ("return 7", Type::Float8, "7"),
        ("return 7n", Type::Float8, "7"),
        ("return 0.1", Type::Numeric, "0.1"),
        ("return 1e21", Type::Numeric, "1000000000000000000000"),
        ("return 12345678901234567890n", Type::Numeric, "12345678901234567890"),
        ("return '1.500'", Type::Numeric, "1.500"),
        ("return { a: 1, b: [true] }", Type::Text, r#"{"a":1,"b":[true]}"#),
        ("return new ArrayBuffer(2)", Type::Bytea, "\\x0000"),
        ("return '2024-05-06'", Type::Date, "2024-05-06"),
        ("return new Date(Date.UTC(2024, 4, 6, 23, 59))", Type::Date, "2024-05-06"),
        ("return '2024-05-06T07:08:09.5Z'", Type::Timestamptz, "2024-05-06 07:08:09.5+00"),
        (
            "return 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
            Type::Uuid,
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ),
        ("return '1 day 2 hours'", Type::Interval, "1 day 02:00:00"),
        ("return new Int16Array([1, -2])", INT4_ARRAY, "{1,-2}"),
        ("return [[], []]", INT4_ARRAY, "{}"),
        ("return ['a', undefined]", TEXT_ARRAY, "{a,NULL}"),
        ("return 'text'", Type::Jsonb, r#""text""#),
        ("return [1n, 2n ** 70n]", Type::Json, "[1,1180591620717411303424]"),
        ("return { toJSON() { return { x: 1 } } }", Type::Json, r#"{"x":1}"#),
        (
            "return { d: new Date(0), n: NaN, u: undefined, f() {}, s: Symbol(), z: -0, t: 'a\"\\u0001' }",
            Type::Json,
            r#"{"d":"1970-01-01T00:00:00.000Z","n":null,"z":0,"t":"a\"\u0001"}"#,
        ),
        (
            "return [undefined, () => 1, new Number(3), new String('s'), Object(true)]",
            Type::Json,
            r#"[null,null,3,"s",true]"#,
        ),
    ] {
        let result = call(&format!("function f() {{ {body} }}"), &[], ty).unwrap_or_else(|error| panic!("{body} as {ty}: {error}"));
        assert_eq!(printed(ty, &result), text, "{body} as {ty}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    use SqlState::*;
    for (body, ty, state, message) in [
        (
            "return 1.5",
            Type::Int4,
            DatatypeMismatch,
            "function f() returned 1.5, which is not a whole number, where integer is declared",
        ),
        ("return 3000000000", Type::Int4, NumericValueOutOfRange, "integer out of range"),
        ("return 40000", Type::Int2, NumericValueOutOfRange, "smallint out of range"),
        ("return 2 ** 63", Type::Int8, NumericValueOutOfRange, "bigint out of range"),
        ("return 2n ** 63n", Type::Int8, NumericValueOutOfRange, "bigint out of range"),
        ("return NaN", Type::Int4, NumericValueOutOfRange, "integer out of range"),
        ("return Infinity", Type::Int8, NumericValueOutOfRange, "bigint out of range"),
        (
            "return '5'",
            Type::Int4,
            DatatypeMismatch,
            "function f() returned the string \"5\" where integer is declared",
        ),
        (
            "return true",
            Type::Int4,
            DatatypeMismatch,
            "function f() returned true where integer is declared",
        ),
        (
            "return 1",
            Type::Bool,
            DatatypeMismatch,
            "function f() returned the number 1 where boolean is declared",
        ),
        ("return 1e300", Type::Float4, NumericValueOutOfRange, "real out of range"),
        (
            "return 'x'",
            Type::Float8,
            DatatypeMismatch,
            "function f() returned the string \"x\" where double precision is declared",
        ),
        (
            "return 'x'",
            Type::Numeric,
            InvalidTextRepresentation,
            "invalid input syntax for type numeric: \"x\"",
        ),
        (
            "return 5",
            Type::Text,
            DatatypeMismatch,
            "function f() returned the number 5 where text is declared",
        ),
        (
            "return 'x'",
            Type::Bytea,
            DatatypeMismatch,
            "function f() returned the string \"x\" where bytea is declared",
        ),
        (
            "return 5",
            Type::Timestamptz,
            DatatypeMismatch,
            "function f() returned the number 5 where timestamp with time zone is declared",
        ),
        (
            "return 'x'",
            Type::Uuid,
            InvalidTextRepresentation,
            "invalid input syntax for type uuid: \"x\"",
        ),
        (
            "return { a: 1 }",
            Type::Int4,
            DatatypeMismatch,
            "function f() returned an object: {\"a\":1} where integer is declared",
        ),
        (
            "return 5",
            INT4_ARRAY,
            DatatypeMismatch,
            "function f() returned the number 5 where integer[] is declared",
        ),
        (
            "return [[1], [2, 3]]",
            INT4_ARRAY,
            ArrayElementError,
            "function f() returned nested arrays of different lengths, which no SQL array can hold",
        ),
        (
            "return [[1], 2]",
            INT4_ARRAY,
            ArrayElementError,
            "function f() returned nested arrays of different lengths, which no SQL array can hold",
        ),
        (
            "return [1, 'x']",
            INT4_ARRAY,
            DatatypeMismatch,
            "function f() returned the string \"x\" where integer is declared",
        ),
        (
            "return new Date(NaN)",
            Type::Date,
            DatatypeMismatch,
            "function f(): an invalid Date has no SQL value",
        ),
        (
            "return Symbol()",
            Type::Text,
            DatatypeMismatch,
            "function f(): a symbol has no SQL value",
        ),
        (
            "return () => 1",
            Type::Text,
            DatatypeMismatch,
            "function f(): a function has no SQL value",
        ),
        (
            "return new Promise(() => {})",
            Type::Int4,
            DatatypeMismatch,
            "function f(): the function returned a promise that nothing settles",
        ),
        (
            "return '\\ud800'",
            Type::Text,
            DatatypeMismatch,
            "function f(): a string holds half of a surrogate pair, which UTF-8 cannot spell",
        ),
        (
            "return 'a\\u0000b'",
            Type::Text,
            CharacterNotInRepertoire,
            "function f() returned a string with a zero character, which text cannot hold",
        ),
        (
            "let o = {}; o.o = o; return o",
            Type::Json,
            ExternalRoutineException,
            "TypeError: cyclic object value",
        ),
        (
            "return { get x() { throw new Error('getter') } }",
            Type::Json,
            ExternalRoutineException,
            "Error: getter",
        ),
        (
            "return [[[[[[[1]]]]]]]",
            INT4_ARRAY,
            ProgramLimitExceeded,
            "number of array dimensions (7) exceeds the maximum allowed (6)",
        ),
    ] {
        let outcome = call(&format!("function f() {{ {body} }}"), &[], ty);
        let error = sql_error(outcome.err().unwrap_or_else(|| panic!("{body} as {ty} is accepted")));
        assert_eq!((error.state(), error.message()), (state, message), "{body} as {ty}");
    }
}

#[test]
fn a_timestamp_that_no_date_can_hold_is_refused() {
    let far = Datum::Timestamp(9_223_371_331_199_999_999);
    let error = sql_error(call("function f(x) { return 1 }", &[(Type::Timestamp, far)], Type::Int4).unwrap_err());
    assert_eq!(error.message(), "RangeError: the timestamp is out of range for a Date");
}

#[test]
fn a_void_function_may_return_anything() {
    assert!(call("function f() { return { a: () => 1 } }", &[], Type::Void).unwrap().is_null());
}
