//! Type x language x direction x edge value: what each language sees of a SQL value (WebAssembly: the bytes that it gets), and that it comes
//! back as the same value or as a clear error, never as another one. Written down in `golden/values.txt`; `UPDATE_GOLDEN=1` writes it anew; read the difference before it is committed.

#![allow(clippy::disallowed_methods)] // the golden file and its flag

mod common;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use common::*;
use sandbox::{FunctionSource, Language, Prepared};
use types::{Datum, Type};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/values.txt");

/// (type, values as PostgreSQL prints them)
const EDGES: &[(Type, &[&str])] = &[
    (Type::Bool, &["t", "f"]),
    (Type::Int2, &["0", "32767", "-32768"]),
    (Type::Int4, &["0", "-1", "2147483647", "-2147483648"]),
    (
        Type::Int8,
        &[
            "0",
            "9007199254740991",
            "-9007199254740991",
            "9007199254740992",
            "9007199254740993",
            "9223372036854775807",
            "-9223372036854775808",
        ],
    ),
    (
        Type::Float4,
        &["1.5", "0.1", "-0", "3.4028235e+38", "1e-45", "NaN", "Infinity", "-Infinity"],
    ),
    (
        Type::Float8,
        &[
            "0.1",
            "-0",
            "1e+300",
            "1.7976931348623157e+308",
            "5e-324",
            "NaN",
            "Infinity",
            "-Infinity",
        ],
    ),
    (
        Type::Numeric,
        &[
            "0",
            "1.10",
            "0.0000001",
            "123456789012345678901234567890.123456789",
            "NaN",
            "Infinity",
            "-Infinity",
        ],
    ),
    (Type::Text, &["", "grüße 🦀", "NULL"]),
    (Type::Varchar, &["abc"]),
    (Type::Name, &["abc"]),
    (Type::Bytea, &["\\x", "\\x00ff10"]),
    (
        Type::Date,
        &[
            "2024-02-29",
            "0001-01-01",
            "9999-12-31",
            "5874897-12-31",
            "4713-11-24 BC",
            "infinity",
            "-infinity",
        ],
    ),
    (Type::Time, &["00:00:00", "12:34:56.789123", "24:00:00"]),
    (
        Type::Timestamp,
        &[
            "2024-02-29 12:34:56.789",
            "1969-12-31 23:59:59.999999",
            "0001-01-01 00:00:00",
            "9999-12-31 23:59:59.999999",
            "294246-12-31 23:59:59.999999",
            "4713-11-24 00:00:00 BC",
            "infinity",
            "-infinity",
        ],
    ),
    (
        Type::Timestamptz,
        &[
            "2024-02-29 12:34:56.789123+00",
            "1970-01-01 00:00:00+00",
            "4713-11-24 00:00:00+00 BC",
            "infinity",
            "-infinity",
        ],
    ),
    (
        Type::Interval,
        &[
            "00:00:00",
            "1 day 02:03:04.5",
            "-3 days",
            "-00:00:00.000001",
            "-1 days -02:00:00",
            "-1 days +02:00:00",
            "36:00:00",
            "1 mon",
            "1 year 2 mons -3 days +04:05:06.789",
            "178000000 years",
        ],
    ),
    (
        Type::Uuid,
        &["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"],
    ),
    (
        Type::Json,
        &[
            "null",
            "true",
            r#""text""#,
            "12345678901234567890",
            "1.5",
            r#"{"a":[1,2.5,null,true,"x"]}"#,
            "[]",
            "{}",
        ],
    ),
    (Type::Jsonb, &["null", r#"{"a": {"b": [1, 9223372036854775807]}}"#, "[1, 2.5]"]),
    (Type::Array(&Type::Bool), &["{t,NULL,f}"]),
    (Type::Array(&Type::Int2), &["{-32768,32767}"]),
    (
        Type::Array(&Type::Int4),
        &["{}", "{1,NULL,3}", "{{1,2},{3,4},{5,6}}", "{{{1},{2}}}"],
    ),
    (Type::Array(&Type::Int8), &["{9223372036854775807}"]),
    (Type::Array(&Type::Float4), &["{0.1,-Infinity}"]),
    (Type::Array(&Type::Float8), &["{0.5,NaN}"]),
    (Type::Array(&Type::Numeric), &["{1.50,NaN}"]),
    (Type::Array(&Type::Text), &[r#"{a,"b,c",NULL,"NULL",""}"#]),
    (Type::Array(&Type::Varchar), &["{abc}"]),
    (Type::Array(&Type::Bytea), &[r#"{"\\x0102"}"#]),
    (Type::Array(&Type::Date), &["{2024-02-29,infinity}"]),
    (Type::Array(&Type::Time), &["{12:34:56.789123}"]),
    (Type::Array(&Type::Timestamp), &[r#"{"2024-02-29 12:34:56.000001"}"#]),
    (Type::Array(&Type::Timestamptz), &[r#"{"2024-02-29 12:34:56.000001+00"}"#]),
    (Type::Array(&Type::Interval), &[r#"{"1 mon",36:00:00}"#]),
    (Type::Array(&Type::Uuid), &["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"]),
    (Type::Array(&Type::Json), &[r#"{"[1,2]","{\"a\":1}"}"#]),
    (Type::Array(&Type::Jsonb), &[r#"{"[1, 2]","{\"a\": 1}"}"#]),
];

/// How one language is asked: a function that answers with its argument, and one that says what it sees of it.
struct Asked {
    name: &'static str,
    language: Language,
    limits: policy::Language,
    back: &'static str,
    seen: &'static str,
    seen_as: Type,
}

const LANGUAGES: &[Asked] = &[
    Asked {
        name: "JavaScript",
        language: Language::JavaScript,
        limits: policy::Language::JavaScript,
        back: "function f(x) { return x }",
        seen: "function show(x) {
            if (x === null) return 'null';
            if (typeof x === 'bigint') return `${x}n`;
            if (typeof x === 'string') return `'${x}'`;
            if (typeof x !== 'object') return Object.is(x, -0) ? '-0' : String(x);
            if (Array.isArray(x)) return `[${x.map(show).join(', ')}]`;
            if (x instanceof Date) return `Date ${x.toISOString()}${x.microseconds === undefined ? '' : ` +${x.microseconds}us`}`;
            if (x instanceof Uint8Array) return `Uint8Array [${x}]`;
            return `{${Object.entries(x).map(([name, value]) => `${name}: ${show(value)}`).join(', ')}}`;
        }
        function f(x) { return show(x) }",
        seen_as: Type::Text,
    },
    Asked {
        name: "Python",
        language: Language::Python,
        limits: policy::Language::Python,
        back: "def f(x): return x",
        seen: "def f(x): return repr(x)",
        seen_as: Type::Text,
    },
    // Answers with the bytes of its argument as a bytea: tag and length take the place of the count before them.
    Asked {
        name: "WebAssembly",
        language: Language::Wasm,
        limits: policy::Language::Wasm,
        back: r#"(module (memory (export "memory") 2)
            (func (export "alloc") (param i32) (result i32) (i32.const 65536))
            (func (export "f") (param $p i32) (param $n i32) (result i64)
                (i64.or (i64.shl (i64.extend_i32_u (i32.add (local.get $p) (i32.const 4))) (i64.const 32))
                    (i64.extend_i32_u (i32.sub (local.get $n) (i32.const 4))))))"#,
        seen: r#"(module (memory (export "memory") 2)
            (func (export "alloc") (param i32) (result i32) (i32.const 65540))
            (func (export "f") (param $p i32) (param $n i32) (result i64)
                (i32.store8 (i32.sub (local.get $p) (i32.const 1)) (i32.const 8))
                (i32.store (local.get $p) (i32.sub (local.get $n) (i32.const 4)))
                (i64.or (i64.shl (i64.extend_i32_u (i32.sub (local.get $p) (i32.const 1))) (i64.const 32))
                    (i64.extend_i32_u (i32.add (local.get $n) (i32.const 1))))))"#,
        seen_as: Type::Bytea,
    },
];

/// A function of one argument, and an instance for each value.
fn prepare(asked: &Asked, body: &str, takes: Type, returns: Type) -> Arc<Prepared> {
    runtime()
        .prepare(&FunctionSource {
            language: asked.language,
            ..source(body, &[takes], returns)
        })
        .unwrap_or_else(|error| panic!("{} {takes}: {error}", asked.name))
}

fn call_prepared(asked: &Asked, prepared: &Arc<Prepared>, returns: Type, value: &Datum) -> Result<String, String> {
    let said = |error| format!("ERROR: {}", sql_error(error).message());
    let context = context(&Arc::default(), policy::Limits::default_for(asked.limits));
    let mut instance = runtime().instantiate(prepared, context).map_err(said)?;
    let result = instance.call(&[vec![value.clone()]]).map_err(said)?.remove(0);
    Ok(match result {
        Datum::Null => "NULL".to_string(),
        result => printed(returns, &result),
    })
}

#[test]
fn every_type_in_every_language() {
    let mut table = String::from("# type | value | language | what it sees | what comes back, if not the value itself\n");
    on_session_thread(|| {
        for (ty, texts) in EDGES {
            let values: Vec<(String, Datum)> = texts
                .iter()
                .map(|text| (text.to_string(), value(*ty, text)))
                .chain([("NULL".to_string(), Datum::Null)])
                .collect();
            for asked in LANGUAGES {
                // What takes no part in the registers' form would not see NULL: the buffer form shows every value.
                let seen = prepare(asked, asked.seen, *ty, asked.seen_as);
                let back = prepare(asked, asked.back, *ty, *ty);
                for (text, datum) in &values {
                    let sees = call_prepared(asked, &seen, asked.seen_as, datum).unwrap_or_else(|error| error);
                    let came = call_prepared(asked, &back, *ty, datum);
                    let came = match came {
                        Ok(same) if same == *text => String::new(),
                        // The JSON value null and SQL's NULL are one value to a guest.
                        Ok(null) if null == "NULL" && text == "null" => " | NULL".to_string(),
                        Ok(other) => panic!("{ty} {text} comes back from {} as {other}", asked.name),
                        Err(error) => format!(" | {error}"),
                    };
                    writeln!(table, "{ty} | {text} | {} | {sees}{came}", asked.name).unwrap();
                }
            }
        }
    });
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &table).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    for (line, (found, expected)) in table.lines().zip(golden.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of {GOLDEN}", line + 1);
    }
    assert_eq!(table.lines().count(), golden.lines().count());
}

/// A type that SQL knows and no line shows would be a type nobody has tried.
#[test]
fn no_type_is_left_out() {
    let shown: BTreeSet<String> = EDGES.iter().map(|(ty, _)| ty.to_string()).collect();
    for scalar in [
        "boolean",
        "smallint",
        "integer",
        "bigint",
        "real",
        "double precision",
        "text",
        "character varying",
        "bytea",
        "date",
        "time without time zone",
        "timestamp without time zone",
        "timestamp with time zone",
        "interval",
        "uuid",
        "numeric",
        "json",
        "jsonb",
    ] {
        assert!(shown.contains(scalar), "{scalar}");
        assert!(shown.contains(&format!("{scalar}[]")), "{scalar}[]");
    }
}
