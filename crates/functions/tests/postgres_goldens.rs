//! Functions, operators, casts and aggregates answer as PostgreSQL 15 did: value, type, SQLSTATE and message.
//!
//! The cases and PostgreSQL's answers are in `golden/`; `golden/from_postgres.py` asks it again.

use functions::Scalar;
use functions::cast::{cast, print, read};
use functions::resolve::{Target, resolve_call, resolve_operator};
use support::Session;
use types::text::TimeZone;
use types::{Datum, NO_TYPMOD, Result, Type};

mod support;

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

/// `varchar(3)`: the type and its typmod.
fn type_of(name: &str) -> (Type, i32) {
    let (base, modifier) = match name.split_once('(') {
        Some((base, rest)) => (base, rest.split_once(')').map(|(m, _)| m)),
        None => (name, None),
    };
    let suffix = if name.ends_with("[]") && !base.ends_with("[]") { "[]" } else { "" };
    let base = if base == "char" && modifier.is_some() { "bpchar" } else { base };
    let ty = Type::from_name(&format!("{base}{suffix}")).unwrap_or_else(|| panic!("no type {name}"));
    let numbers: Vec<i32> = modifier
        .map(|m| m.split(',').map(|n| n.trim().parse().unwrap()).collect())
        .unwrap_or_default();
    let typmod = match (ty.element().unwrap_or(ty), numbers.as_slice()) {
        (_, []) => NO_TYPMOD,
        (Type::Numeric, [precision]) => types::numeric_typmod(*precision, 0),
        (Type::Numeric, [precision, scale]) => types::numeric_typmod(*precision, *scale),
        (Type::Varchar | Type::Bpchar, [length]) => length + 4,
        (Type::Interval, [precision]) => (0x7fff << 16) | precision,
        (_, [precision, ..]) => *precision,
    };
    (ty, typmod)
}

fn value_of(env: &Session, ty: Type, typmod: i32, text: &str) -> Result<Datum> {
    if text == "\\N" {
        return Ok(Datum::Null);
    }
    let datum = read(env, ty, unescape(text))?;
    cast(env, datum, ty, ty, typmod, true)
}

fn argument(env: &Session, part: &str) -> Result<(Type, Datum)> {
    let (name, text) = part.split_once(':').unwrap_or_else(|| panic!("no type in {part}"));
    let (ty, typmod) = type_of(name);
    Ok((ty, value_of(env, ty, typmod, text)?))
}

fn run(env: &Session, function: &Scalar, args: &[Datum], extra: Option<Datum>) -> Result<Datum> {
    if function.strict && args.iter().any(Datum::is_null) {
        return Ok(Datum::Null);
    }
    let args: Vec<Datum> = args.iter().cloned().chain(extra).collect();
    (function.run)(env, &args)
}

fn converted(env: &Session, args: Vec<(Type, Datum)>, to: &[Type]) -> Result<Vec<Datum>> {
    args.into_iter()
        .zip(to)
        .map(|((from, datum), to)| cast(env, datum, from, *to, NO_TYPMOD, false))
        .collect()
}

fn text(env: &Session, ty: Type, datum: Datum) -> Result<String> {
    Ok(match cast(env, datum, ty, Type::Text, NO_TYPMOD, true)? {
        Datum::Null => "\\N".to_string(),
        datum => escape(datum.as_str().unwrap_or_default()),
    })
}

fn arguments(env: &Session, parts: &[&str]) -> Result<Vec<(Type, Datum)>> {
    parts.iter().map(|part| argument(env, part)).collect()
}

fn types_of(args: &[(Type, Datum)]) -> Vec<Type> {
    args.iter().map(|(ty, _)| *ty).collect()
}

fn answer(env: &Session, case: &str) -> Result<String> {
    let parts: Vec<&str> = case.split('\t').collect();
    let (kind, name) = parts[0].split_once(' ').unwrap_or_else(|| panic!("{case}"));
    match kind {
        "call" => {
            let args = arguments(env, &parts[1..])?;
            let types = types_of(&args);
            let resolved = resolve_call(name, &types)?;
            let args = converted(env, args, &resolved.args)?;
            let result = match resolved.target {
                Target::Scalar(function) => run(env, function, &args, resolved.types_argument)?,
                Target::Cast(to) => cast(env, args[0].clone(), resolved.args[0], to, NO_TYPMOD, true)?,
                other => panic!("{case}: {other:?}"),
            };
            Ok(format!("{}\t{}", resolved.ret, text(env, resolved.ret, result)?))
        }
        "op" => {
            let args = arguments(env, &parts[1..])?;
            let types = types_of(&args);
            let (left, right) = match types.as_slice() {
                [right] => (None, *right),
                [left, right] => (Some(*left), *right),
                _ => panic!("{case}"),
            };
            let resolved = resolve_operator(name, left, right)?;
            let to: Vec<Type> = resolved.left.into_iter().chain([resolved.right]).collect();
            let args = converted(env, args, &to)?;
            let result = run(env, resolved.function, &args, None)?;
            Ok(format!("{}\t{}", resolved.ret, text(env, resolved.ret, result)?))
        }
        "cast" => {
            let (from, datum) = argument(env, parts[1])?;
            let (to, typmod) = type_of(name);
            let result = cast(env, datum, from, to, typmod, true)?;
            Ok(format!("{to}\t{}", text(env, to, result)?))
        }
        "agg" => {
            let types: Vec<Type> = parts[1]
                .split(',')
                .filter(|name| !name.is_empty())
                .map(|name| type_of(name).0)
                .collect();
            let resolved = resolve_call(name, &types)?;
            let Target::Aggregate(aggregate) = resolved.target else {
                panic!("{case}")
            };
            let mut state = (aggregate.new)(&resolved.args);
            for row in &parts[2..] {
                let values = row
                    .split('~')
                    .zip(&types)
                    .map(|(value, ty)| Ok((*ty, value_of(env, *ty, NO_TYPMOD, value)?)));
                let args = converted(env, values.collect::<Result<_>>()?, &resolved.args)?;
                if !(aggregate.strict && args.iter().any(Datum::is_null)) {
                    state.add(env, &args)?;
                }
            }
            Ok(format!("{}\t{}", resolved.ret, text(env, resolved.ret, state.finish(env)?)?))
        }
        "set" => {
            let args = arguments(env, &parts[1..])?;
            let types = types_of(&args);
            let resolved = resolve_call(name, &types)?;
            let Target::Set(function) = resolved.target else { panic!("{case}") };
            let args = converted(env, args, &resolved.args)?;
            if function.strict && args.iter().any(Datum::is_null) {
                return Ok("\t\\N".to_string());
            }
            let mut rows = Vec::new();
            for row in (function.run)(env, &args)? {
                let columns = row?.into_iter().zip(function.columns).map(|(value, (_, declared))| {
                    let ty = match declared {
                        Type::AnyElement => resolved.args[0].element().unwrap_or(Type::Text),
                        other => *other,
                    };
                    let mut out = String::new();
                    if value.is_null() {
                        out.push_str("\\N");
                    } else {
                        print(env, ty, &value, &mut out)?;
                    }
                    Ok(out)
                });
                rows.push(columns.collect::<Result<Vec<String>>>()?.join("^"));
            }
            Ok(format!(
                "\t{}",
                if rows.is_empty() {
                    "\\N".to_string()
                } else {
                    escape(&rows.join("~"))
                }
            ))
        }
        _ => panic!("unknown kind in {case}"),
    }
}

#[test]
fn answers_are_those_of_postgres() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    let (mut cases, mut wrong) = (0, Vec::new());
    for path in files {
        let mut env = Session::default();
        for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
            if let Some(setting) = line.strip_prefix("#set timezone ") {
                env.style.time_zone = TimeZone::from_name(setting).unwrap();
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (case, expected) = match (line.split_once(" => "), line.split_once(" !> ")) {
                (Some((case, result)), _) => (case, format!("=> {result}")),
                (None, Some((case, error))) => (case, format!("!> {error}")),
                (None, None) => panic!("{}:{}: no answer of PostgreSQL's", path.display(), number + 1),
            };
            cases += 1;
            let found = match answer(&env, case) {
                Ok(result) => format!("=> {result}"),
                Err(error) => format!("!> {}\t{}", error.state(), error.message()),
            };
            if found != expected {
                let file = path.file_name().unwrap().to_string_lossy();
                wrong.push(format!(
                    "{file}:{}: {case}\n    PostgreSQL {expected}\n    here       {found}",
                    number + 1
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cases} answers differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases > 300, "only {cases} cases were found");
}
