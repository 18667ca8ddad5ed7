//! How values cross.

use types::Array;

use super::*;

#[test]
fn every_scalar_type_crosses_both_ways_as_it_is() {
    for (ty, interface, core, value) in [
        (Type::Bool, "bool", "i32", Datum::Bool(true)),
        (Type::Bool, "bool", "i32", Datum::Bool(false)),
        (Type::Int2, "s16", "i32", Datum::Int2(i16::MIN)),
        (Type::Int4, "s32", "i32", Datum::Int4(i32::MIN)),
        (Type::Int8, "s64", "i64", Datum::Int8(i64::MIN)),
        (Type::Float4, "f32", "f32", Datum::Float4(f32::MIN_POSITIVE)),
        (Type::Float8, "f64", "f64", Datum::Float8(-0.0)),
        (Type::Float8, "f64", "f64", Datum::Float8(f64::NEG_INFINITY)),
        (Type::Oid, "u32", "i32", Datum::Oid(u32::MAX)),
    ] {
        let expected = format!("{value:?}");
        gives(&echo_number(interface, core), &[(ty, value)], ty, &expected);
    }
    for (ty, text) in [
        (Type::Text, ""),
        (Type::Text, "naïve \u{1F600}"),
        (Type::Varchar, "v"),
        (Type::Bpchar, "b"),
        (Type::Char, "c"),
        (Type::Name, "n"),
        (Type::Numeric, "-0.000000000000000000000000000001234567890123456789"),
        (Type::Numeric, "NaN"),
        (Type::Numeric, "1.500"),
        (Type::Json, "{\"b\": 1.0, \"a\" : 12345678901234567890}"),
        (Type::Jsonb, "{\"a\": 12345678901234567890, \"b\": 1.0}"),
        (Type::Date, "2026-02-28"),
        (Type::Date, "infinity"),
        (Type::Time, "23:59:59.999999"),
        (Type::Timestamp, "0044-03-15 12:00:00 BC"),
        (Type::Timestamptz, "2026-01-31 10:00:00.000001+00"),
        (Type::Interval, "1 year 2 mons -3 days +04:05:06.000007"),
        (Type::Uuid, "123e4567-e89b-12d3-a456-426614174000"),
    ] {
        let value = parsed(ty, text);
        let expected = format!("{value:?}");
        gives(&echo_pair("string"), &[(ty, value)], ty, &expected);
    }
    let bytes = Datum::Bytea(vec![0, 255, 1]);
    let expected = format!("{bytes:?}");
    gives(&echo_pair("(list u8)"), &[(Type::Bytea, bytes)], Type::Bytea, &expected);
    gives(&plain("", ""), &[], Type::Void, "Null");
}

#[test]
fn a_text_in_is_postgresqls_own_form() {
    let echo = echo_pair("string");
    for (ty, text) in [
        (Type::Timestamptz, "2026-01-31 10:00:00+00"),
        (Type::Interval, "1 day 02:00:00"),
        (Type::Numeric, "1.50"),
        (Type::Jsonb, "{\"a\": 1}"),
    ] {
        gives(&echo, &[(ty, parsed(ty, text))], Type::Text, &format!("Text({text:?})"));
    }
}

#[test]
fn null_has_a_place_in_an_option_and_nowhere_else() {
    let number = |ty: &str, core: &str, at: u32| echo_option(ty, core, &format!("({core}.store (i32.const {at}) (local.get 1))"));
    for (ty, body, value) in [
        (Type::Int4, number("s32", "i32", 260), Datum::Int4(-7)),
        (Type::Int8, number("s64", "i64", 264), Datum::Int8(1 << 40)),
        (Type::Float8, number("f64", "f64", 264), Datum::Float8(0.5)),
        (
            Type::Text,
            echo_option(
                "string",
                "i32 i32",
                "(i32.store (i32.const 260) (local.get 1)) (i32.store (i32.const 264) (local.get 2))",
            ),
            Datum::text("there"),
        ),
    ] {
        let expected = format!("{value:?}");
        gives(&body, &[(ty, value)], ty, &expected);
        gives(&body, &[(ty, Datum::Null)], ty, "Null");
    }
    // Without one the function is not called, as if it were declared STRICT.
    let trap = plain("(param \"x\" s32) (result s32)", "(param i32) (result i32) unreachable");
    gives(&trap, &[(Type::Int4, Datum::Null)], Type::Int4, "Null");
    fails(
        &trap,
        &[(Type::Int4, Datum::Int4(1))],
        Type::Int4,
        SqlState::ExternalRoutineException,
        "unreachable",
    );
    let mixed = plain(
        "(param \"x\" (option s32)) (param \"y\" s32) (result s32)",
        "(param i32 i32 i32) (result i32) (local.get 0)",
    );
    gives(
        &mixed,
        &[(Type::Int4, Datum::Null), (Type::Int4, Datum::Int4(1))],
        Type::Int4,
        "Int4(0)",
    );
    gives(
        &mixed,
        &[(Type::Int4, Datum::Int4(1)), (Type::Int4, Datum::Null)],
        Type::Int4,
        "Null",
    );
}

#[test]
fn arrays_are_lists_and_lists_of_lists() {
    let ints = Type::Array(&Type::Int4);
    let list = echo_pair("(list s32)");
    let flat = Datum::array(Type::Int4, vec![int4(1), int4(-2)]);
    gives(&list, &[(ints, flat.clone())], ints, &format!("{flat:?}"));
    let empty = Datum::array(Type::Int4, vec![]);
    gives(&list, &[(ints, empty.clone())], ints, &format!("{empty:?}"));
    gives(&list, &[(ints, Datum::Null)], ints, "Null");
    let holes = Datum::array(Type::Int4, vec![int4(1), Datum::Null]);
    fails(
        &list,
        &[(ints, holes.clone())],
        ints,
        SqlState::NullValueNotAllowed,
        "null array element not allowed",
    );
    gives(
        &echo_pair("(list (option s32))"),
        &[(ints, holes.clone())],
        ints,
        &format!("{holes:?}"),
    );

    let matrix = Datum::Array(Box::new(Array {
        element: Type::Int4,
        dims: vec![(2, 1), (3, 1)],
        values: (1..=6).map(int4).collect(),
    }));
    gives(
        &echo_pair("(list (list s32))"),
        &[(ints, matrix.clone())],
        ints,
        &format!("{matrix:?}"),
    );
    fails(
        &list,
        &[(ints, matrix)],
        ints,
        SqlState::ArrayElementError,
        "an array of 2 dimensions where the component takes 1",
    );
    fails(
        &echo_pair("(list (list s32))"),
        &[(ints, flat)],
        ints,
        SqlState::ArrayElementError,
        "takes 2",
    );

    let texts = Type::Array(&Type::Text);
    let words = Datum::array(Type::Text, vec![Datum::text("a"), Datum::text(""), Datum::text("\u{1F600}")]);
    gives(&echo_pair("(list string)"), &[(texts, words.clone())], texts, &format!("{words:?}"));
    let days = Type::Array(&Type::Date);
    let dates = Datum::array(Type::Date, vec![Datum::Date(1), Datum::Date(-1)]);
    gives(&echo_pair("(list string)"), &[(days, dates.clone())], days, &format!("{dates:?}"));
    let byteas = Type::Array(&Type::Bytea);
    let bytes = Datum::array(Type::Bytea, vec![Datum::Bytea(vec![1]), Datum::Bytea(vec![])]);
    gives(
        &echo_pair("(list (list u8))"),
        &[(byteas, bytes.clone())],
        byteas,
        &format!("{bytes:?}"),
    );
    let bools = Type::Array(&Type::Bool);
    let flags = Datum::array(Type::Bool, vec![Datum::Bool(true), Datum::Null]);
    gives(
        &echo_pair("(list (option bool))"),
        &[(bools, flags.clone())],
        bools,
        &format!("{flags:?}"),
    );

    // [[1], [1, 2]] of the component's own making.
    let ragged = with_memory(
        "(result (list (list s32)))",
        "(result i32) (i32.const 16)",
        r#"(data (i32.const 16) "\20\00\00\00\02\00\00\00") (data (i32.const 32) "\40\00\00\00\01\00\00\00\40\00\00\00\02\00\00\00")
           (data (i32.const 64) "\01\00\00\00\02\00\00\00")"#,
    );
    fails(&ragged, &[], ints, SqlState::ArrayElementError, "lists of different lengths");
}

#[test]
fn a_result_that_the_type_does_not_have_is_an_error() {
    let constant = |text: &str| {
        with_memory(
            "(result string)",
            "(result i32) (i32.const 16)",
            &format!(
                "(data (i32.const 16) \"\\20\\00\\00\\00\\{:02x}\\00\\00\\00\") (data (i32.const 32) \"{text}\")",
                text.len()
            ),
        )
    };
    gives(
        &constant("12.50"),
        &[],
        Type::Numeric,
        &format!("{:?}", parsed(Type::Numeric, "12.50")),
    );
    for (returns, text, state, message) in [
        (
            Type::Numeric,
            "twelve",
            SqlState::InvalidTextRepresentation,
            "invalid input syntax for type numeric",
        ),
        (Type::Date, "2026-02-30", SqlState::DatetimeFieldOverflow, "out of range"),
        (
            Type::Jsonb,
            "{",
            SqlState::InvalidTextRepresentation,
            "invalid input syntax for type json",
        ),
        (
            Type::Uuid,
            "1",
            SqlState::InvalidTextRepresentation,
            "invalid input syntax for type uuid",
        ),
    ] {
        fails(&constant(text), &[], returns, state, message);
    }
    let zero = with_memory(
        "(result string)",
        "(result i32) (i32.const 16)",
        r#"(data (i32.const 16) "\20\00\00\00\01\00\00\00")"#,
    );
    fails(&zero, &[], Type::Text, SqlState::CharacterNotInRepertoire, "zero character");
}

/// `result<s32, string>` from a core function that answers with a place; the ok is 7, the error "no".
fn fallible(core: &str) -> String {
    with_memory(
        "(param \"x\" s32) (result (result s32 (error string)))",
        &format!("(param i32) (result i32) {core}"),
        r#"(data (i32.const 16) "\00\00\00\00\07\00\00\00") (data (i32.const 32) "\01\00\00\00\30\00\00\00\02\00\00\00") (data (i32.const 48) "no")"#,
    )
}

#[test]
fn the_error_of_a_result_is_thrown_and_the_next_row_goes_on() {
    let choose = fallible("(select (i32.const 16) (i32.const 32) (local.get 0))");
    gives(&choose, &[(Type::Int4, int4(1))], Type::Int4, "Int4(7)");
    let error = fails(
        &choose,
        &[(Type::Int4, int4(0))],
        Type::Int4,
        SqlState::ExternalRoutineException,
        "no",
    );
    assert_eq!(error.fields().context.as_deref(), Some("WebAssembly function f(integer)"));
    on_session_thread(|| {
        let prepared = runtime().prepare(&component(&choose, &[Type::Int4], Type::Int4)).unwrap();
        let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), wasm_limits())).unwrap();
        assert!(instance.call(&[vec![int4(0)]]).is_err());
        assert!(matches!(instance.call(&[vec![int4(1)]]).unwrap()[..], [Datum::Int4(7)]));
    });
    let nothing = with_memory(
        "(result (result (error string)))",
        "(result i32) (i32.const 32)",
        r#"(data (i32.const 32) "\01\00\00\00\30\00\00\00\02\00\00\00") (data (i32.const 48) "no")"#,
    );
    fails(&nothing, &[], Type::Void, SqlState::ExternalRoutineException, "no");
}

#[test]
fn sets_and_tables_are_lists() {
    let rows = |source: &FunctionSource, args: &[Datum], batch: usize| -> Result<Vec<String>, Error> {
        on_session_thread(|| {
            let prepared = runtime().prepare(source)?;
            let mut instance = runtime().instantiate(&prepared, context(&Arc::default(), wasm_limits()))?;
            instance.call_set(args)?;
            let mut all = Vec::new();
            loop {
                let rows = instance.next_rows(batch)?;
                if rows.is_empty() {
                    return Ok(all);
                }
                assert!(rows.len() <= batch);
                all.extend(rows.iter().map(|row| format!("{row:?}")));
            }
        })
    };
    let set = FunctionSource {
        set: true,
        ..component(&echo_pair("(list s32)"), &[Type::Array(&Type::Int4)], Type::Int4)
    };
    let given = Datum::array(Type::Int4, vec![int4(1), int4(2), int4(3)]);
    assert_eq!(rows(&set, &[given], 2).unwrap(), ["Int4(1)", "Int4(2)", "Int4(3)"]);
    assert!(rows(&set, &[Datum::Null], 2).unwrap().is_empty());

    let data = r#"(data (i32.const 16) "\20\00\00\00\02\00\00\00") (data (i32.const 32) "\01\00\00\00\41\00\00\00\02\00\00\00\02\00\00\00\41\00\00\00\00\00\00\00") (data (i32.const 65) "ab")"#;
    let table = |ty: &str| FunctionSource {
        set: true,
        columns: vec![("id".into(), Type::Int4), ("full_name".into(), Type::Text)],
        ..component(
            &with_memory(&format!("(result (list {ty}))"), "(result i32) (i32.const 16)", data),
            &[],
            Type::Record,
        )
    };
    let expected = ["Record([Int4(1), Text(\"ab\")])", "Record([Int4(2), Text(\"\")])"];
    assert_eq!(rows(&table("(tuple s32 string)"), &[], 10).unwrap(), expected);
    let wrong = prepare_source(&table("(tuple s32 s32)")).err().map(sql_error).unwrap();
    assert_eq!(
        wrong
            .fields()
            .hint
            .as_deref()
            .map(|hint| hint.contains("f() must be () -> list<tuple<s32, string>>")),
        Some(true)
    );
}
