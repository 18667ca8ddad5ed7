//! What PostgreSQL 15 answered to some 2,000 inputs, asked again here: `postgresql-15.tsv`.
//!
//! A line is an operation and its arguments, `=>`, and PostgreSQL's answer: text, or `ERR`, SQLSTATE,
//! message and detail. The inputs were drawn at random, a part of them broken on purpose. Left out, because
//! we differ knowingly: zone names in POSIX's form with daylight rules, or with junk that PostgreSQL takes for them,
//! which are refused here (`AB3CD`); hexadecimal floats; the wording for arrays of uneven depth.

use types::text::{TextStyle, TimeZone};
use types::{NO_TYPMOD, Numeric, Result, Type, binary, compare, text};

#[test]
fn answers_are_postgresqls() {
    let mut wrong = Vec::new();
    for line in include_str!("postgresql-15.tsv").lines() {
        let (question, expected) = line.split_once("\t=>\t").expect("a line has an answer");
        let fields: Vec<&str> = question.split('\t').collect();
        let answer = match answer(&fields) {
            Ok(text) => text,
            Err(error) => {
                let detail = error
                    .fields()
                    .detail
                    .as_deref()
                    .map(|detail| format!(" | {detail}"))
                    .unwrap_or_default();
                format!("ERR {} {}{detail}", error.state(), error.message())
            }
        };
        if answer != expected {
            wrong.push(format!("{question}\n  PostgreSQL: {expected}\n  here:       {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{} answers differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn answer(fields: &[&str]) -> Result<String> {
    match *fields {
        ["text", ty, input] => print(ty, NO_TYPMOD, input),
        ["texttypmod", ty, input, typmod] => print(ty, typmod.parse().expect("a typmod is a number"), input),
        ["bin", ty, input] => {
            let ty = named(ty);
            let mut bytes = Vec::new();
            binary::encode(ty, &text::parse(ty, NO_TYPMOD, input, &TextStyle::default())?, &mut bytes)?;
            Ok(hex::encode(bytes))
        }
        ["dcmp", ty, a, b] => {
            let ty = named(ty);
            let read = |input| text::parse(ty, NO_TYPMOD, input, &TextStyle::default());
            Ok((compare::compare(&read(a)?, &read(b)?) as i8).to_string())
        }
        [operation, a, b] => arithmetic(operation, a, b),
        _ => panic!("no such question: {fields:?}"),
    }
}

fn named(ty: &str) -> Type {
    Type::from_name(ty).expect("a type's name")
}

fn print(ty: &str, typmod: i32, input: &str) -> Result<String> {
    let ty = named(ty);
    let style = TextStyle {
        time_zone: TimeZone::from_name("America/New_York").expect("a zone"),
        ..TextStyle::default()
    };
    let datum = text::parse(ty, typmod, input, &style)?;
    let mut out = String::new();
    text::format(ty, &datum, &style, &mut out);
    Ok(out)
}

fn arithmetic(operation: &str, a: &str, b: &str) -> Result<String> {
    let scale = b;
    let (a, b): (Numeric, Numeric) = (a.parse()?, b.parse()?);
    let digits = || scale.parse().expect("a scale is a number");
    let result = match operation {
        "add" => a.add(&b)?,
        "sub" => a.sub(&b)?,
        "mul" => a.mul(&b)?,
        "div" => a.div(&b)?,
        "divt" => a.div_trunc(&b)?,
        "rem" => a.rem(&b)?,
        "pow" => a.pow(&b)?,
        "log" => b.log(&a)?,
        "gcd" => a.gcd(&b)?,
        "lcm" => a.lcm(&b)?,
        "neg" => a.neg(),
        "sqrt" => a.sqrt()?,
        "exp" => a.exp()?,
        "ln" => a.ln()?,
        "ceil" => a.ceil()?,
        "floor" => a.floor()?,
        "trim" => a.trim_scale(),
        "round" => a.round(digits())?,
        "trunc" => a.trunc(digits())?,
        "cmp" => return Ok((a.cmp(&b) as i8).to_string()),
        _ => panic!("no such operation: {operation}"),
    };
    Ok(result.to_string())
}
