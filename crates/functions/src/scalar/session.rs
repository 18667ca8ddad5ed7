//! What a session knows about itself and the server.

use std::time::{Duration, Instant};

use types::Type::*;
use types::{Datum, Result, SqlError, SqlState, Type};

use crate::argument::{boolean, float8, int8, interval, numeric, present, text, timestamptz};
use crate::{Environment, Scalar};

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("version", &[], Text, |env, _| Ok(Datum::text(version(env)))).stable(),
    Scalar::new("current_user", &[], Name, |env, _| Ok(Datum::text(env.current_user()))).stable(),
    Scalar::new("current_role", &[], Name, |env, _| Ok(Datum::text(env.current_user()))).stable(),
    Scalar::new("user", &[], Name, |env, _| Ok(Datum::text(env.current_user()))).stable(),
    Scalar::new("getpgusername", &[], Name, |env, _| Ok(Datum::text(env.current_user()))).stable(),
    Scalar::new("session_user", &[], Name, |env, _| Ok(Datum::text(env.session_user()))).stable(),
    Scalar::new("current_database", &[], Name, |env, _| Ok(Datum::text(env.current_database()))).stable(),
    Scalar::new("current_catalog", &[], Name, |env, _| Ok(Datum::text(env.current_database()))).stable(),
    Scalar::new("current_schema", &[], Name, |env, _| {
        Ok(env.current_schemas(false).into_iter().next().map_or(Datum::Null, Datum::Text))
    })
    .stable(),
    Scalar::new("current_schemas", &[Bool], Array(&Name), |env, a| {
        Ok(Datum::array(
            Name,
            env.current_schemas(boolean(a, 0)?).into_iter().map(Datum::Text).collect(),
        ))
    })
    .stable(),
    Scalar::new("pg_backend_pid", &[], Int4, |env, _| Ok(Datum::Int4(env.backend_pid()))).stable(),
    Scalar::new("inet_client_port", &[], Int4, |env, _| env.catalog_call("inet_client_port", &[]))
        .lax()
        .stable(),
    Scalar::new("inet_server_port", &[], Int4, |env, _| env.catalog_call("inet_server_port", &[]))
        .lax()
        .stable(),
    Scalar::new("current_query", &[], Text, |env, _| env.catalog_call("current_query", &[]))
        .lax()
        .volatile(),
    Scalar::new("current_setting", &[Text], Text, |env, a| {
        let name = text(a, 0)?;
        env.setting(name).map(Datum::Text).ok_or_else(|| {
            SqlError::new(
                SqlState::UndefinedObject,
                format!("unrecognized configuration parameter \"{name}\""),
            )
        })
    })
    .stable(),
    Scalar::new("current_setting", &[Text, Bool], Text, |env, a| {
        let name = text(a, 0)?;
        match env.setting(name) {
            Some(value) => Ok(Datum::Text(value)),
            None if boolean(a, 1)? => Ok(Datum::Null),
            None => Err(SqlError::new(
                SqlState::UndefinedObject,
                format!("unrecognized configuration parameter \"{name}\""),
            )),
        }
    })
    .stable(),
    Scalar::new("set_config", &[Text, Text, Bool], Text, set_config).lax().volatile(),
    Scalar::new("pg_sleep", &[Float8], Void, |env, a| sleep(env, float8(a, 0)?)).volatile(),
    Scalar::new("pg_sleep_for", &[Interval], Void, |env, a| {
        let span = interval(a, 0)?;
        let days = f64::from(span.months) * 30.0 + f64::from(span.days);
        sleep(env, days * 86_400.0 + span.micros as f64 / 1e6)
    })
    .volatile(),
    Scalar::new("pg_sleep_until", &[Timestamptz], Void, |env, a| {
        let until = timestamptz(a, 0)?;
        sleep(env, (until as f64 - env.clock()? as f64) / 1e6)
    })
    .volatile(),
    Scalar::new("pg_size_pretty", &[Int8], Text, |_, a| Ok(Datum::text(size_pretty(int8(a, 0)?)))),
    Scalar::new("pg_size_pretty", &[Numeric], Text, |_, a| size_pretty_numeric(numeric(a, 0)?)),
    Scalar::new("pg_size_bytes", &[Text], Int8, |_, a| size_bytes(text(a, 0)?)),
    Scalar::new("format_type", &[Oid, Int4], Text, |_, a| Ok(format_type(a)))
        .lax()
        .stable(),
];

/// Clients look for "PostgreSQL" and a number here before anything else: the number of `server_version`.
fn version(env: &dyn Environment) -> String {
    format!(
        "PostgreSQL {} (Parhelion {}) on {}, compiled by rustc, 64-bit",
        env.setting("server_version").unwrap_or_default(),
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH
    )
}

fn set_config(env: &dyn Environment, args: &[Datum]) -> Result<Datum> {
    if present(args, 0).is_none() {
        return Err(SqlError::new(SqlState::NullValueNotAllowed, "SET requires parameter name"));
    }
    let value = present(args, 1).and_then(Datum::as_str).unwrap_or_default();
    let local = present(args, 2).is_some() && boolean(args, 2)?;
    env.set_setting(text(args, 0)?, value, local).map(Datum::Text)
}

/// Sleeps in short steps, so that a cancelled statement ends at once.
fn sleep(env: &dyn Environment, seconds: f64) -> Result<Datum> {
    const STEP: Duration = Duration::from_millis(20);
    /// A duration of more does not fit the clock; nobody waits for it.
    const MOST: f64 = 1e9;
    let end = Instant::now() + Duration::from_secs_f64(if seconds > 0.0 { seconds.min(MOST) } else { 0.0 });
    loop {
        env.check_cancelled()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Datum::text(""));
        }
        std::thread::sleep(left.min(STEP));
    }
}

const UNITS: [&str; 6] = ["bytes", "kB", "MB", "GB", "TB", "PB"];

/// The largest unit that leaves fewer than 10 × 1024 of it, rounded by halves away from zero.
fn size_pretty(bytes: i64) -> String {
    const LIMIT: i128 = 10 * 1024;
    if i128::from(bytes).abs() < LIMIT {
        return format!("{bytes} bytes");
    }
    // One binary digit more than shown, to round by.
    let mut doubled = i128::from(bytes) / 512;
    for (i, unit) in UNITS.iter().enumerate().skip(1) {
        if doubled.abs() < LIMIT * 2 - 1 || i == UNITS.len() - 1 {
            let rounded = if doubled < 0 { (doubled - 1) / 2 } else { (doubled + 1) / 2 };
            return format!("{rounded} {unit}");
        }
        doubled /= 1024;
    }
    format!("{bytes} bytes")
}

fn size_pretty_numeric(bytes: &types::Numeric) -> Result<Datum> {
    let limit = types::Numeric::from(10_240_i64);
    if bytes.abs() < limit {
        return Ok(Datum::text(format!("{bytes} bytes")));
    }
    let two = types::Numeric::from(2_i64);
    let mut doubled = bytes.div_trunc(&types::Numeric::from(512_i64))?;
    let bound = types::Numeric::from(2 * 10_240_i64 - 1);
    for (i, unit) in UNITS.iter().enumerate().skip(1) {
        if doubled.abs() < bound || i == UNITS.len() - 1 {
            let one = types::Numeric::from(if doubled < types::Numeric::zero() { -1_i64 } else { 1 });
            return Ok(Datum::text(format!("{} {unit}", doubled.add(&one)?.div_trunc(&two)?)));
        }
        doubled = doubled.div_trunc(&types::Numeric::from(1024_i64))?;
    }
    Ok(Datum::text(format!("{bytes} bytes")))
}

fn size_bytes(text: &str) -> Result<Datum> {
    let invalid = || SqlError::new(SqlState::InvalidParameterValue, format!("invalid size: \"{text}\""));
    let trimmed = text.trim();
    let end = trimmed
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E')))
        .unwrap_or(trimmed.len());
    let number: types::Numeric = trimmed[..end].trim_end_matches(['e', 'E']).parse().map_err(|_| invalid())?;
    let unit = trimmed[end..].trim();
    let power = match unit.to_ascii_lowercase().as_str() {
        "" | "bytes" | "b" => 0,
        "kb" => 1,
        "mb" => 2,
        "gb" => 3,
        "tb" => 4,
        "pb" => 5,
        _ => {
            return Err(invalid()
                .detail(format!("Invalid size unit: \"{unit}\"."))
                .hint("Valid units are \"bytes\", \"B\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\"."));
        }
    };
    number.mul(&types::Numeric::from(1024_i64.pow(power)))?.to_i64().map(Datum::Int8)
}

/// `character varying(10)`; `-` for 0, `???` for what is no type.
fn format_type(args: &[Datum]) -> Datum {
    /// Types that catalogs show and we have no values of.
    const OTHERS: &[(u32, &str)] = &[
        (22, "int2vector"),
        (27, "tid"),
        (28, "xid"),
        (29, "cid"),
        (30, "oidvector"),
        (142, "xml"),
        (194, "pg_node_tree"),
        (600, "point"),
        (650, "cidr"),
        (774, "macaddr8"),
        (790, "money"),
        (829, "macaddr"),
        (869, "inet"),
        (1033, "aclitem"),
        (1034, "aclitem[]"),
        (1266, "time with time zone"),
        (1560, "bit"),
        (1562, "bit varying"),
        (2202, "regprocedure"),
        (2203, "regoper"),
        (2204, "regoperator"),
        (2275, "cstring"),
        (2280, "language_handler"),
        (2281, "internal"),
        (2776, "anynonarray"),
        (3500, "anyenum"),
        (3614, "tsvector"),
        (3615, "tsquery"),
        (3734, "regconfig"),
        (3838, "event_trigger"),
        (4072, "jsonpath"),
        (4191, "regcollation"),
        (5069, "xid8"),
    ];
    let Some(Datum::Oid(oid)) = present(args, 0) else {
        return Datum::Null;
    };
    let typmod = match present(args, 1) {
        Some(Datum::Int4(typmod)) => Some(*typmod),
        _ => None,
    };
    match Type::from_oid(*oid) {
        // "bpchar" without a length is not the same as character, which means character(1).
        Some(Bpchar) if typmod == Some(-1) => Datum::text("bpchar"),
        Some(Array(&Bpchar)) if typmod == Some(-1) => Datum::text("bpchar[]"),
        Some(ty) => Datum::Text(ty.format(typmod.unwrap_or(-1))),
        None if *oid == 0 => Datum::text("-"),
        None => Datum::text(OTHERS.iter().find(|(other, _)| other == oid).map_or("???", |(_, name)| name)),
    }
}
