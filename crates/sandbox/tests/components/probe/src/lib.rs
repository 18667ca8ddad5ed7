//! A component that calls the host function that it is told to, and answers with what came back, in Rust's own spelling.

wit_bindgen::generate!({ world: "example:probe/probe", path: ["../../../../../docs/parhelion.wit", "wit"], generate_all });

use parhelion::function::types::{Array, Scalar, Value};
use parhelion::function::{call, clock, crypto, database, env, fs, http, log, random, storage};

struct Probe;

impl Guest for Probe {
    fn f(what: String, given: Vec<String>) -> Result<String, Error> {
        let text = |at: usize| given.get(at).map_or("", String::as_str);
        let bytes = |at: usize| text(at).as_bytes();
        Ok(match what.as_str() {
            "query" => {
                let found = database::query(text(0), &values())?;
                format!("{:?} {:?}", found.columns, found.rows)
            }
            "execute" => {
                let done = database::execute(text(0), &[])?;
                let returning = done.returning.map(|rows| (rows.columns, rows.rows));
                format!("{} {returning:?}", done.rows_affected)
            }
            "call" => format!("{:?}", call::call(text(0), &values())?),
            "storage.get" => format!("{:?}", storage::get(text(0))?),
            "storage.set" => format!("{:?}", storage::set(text(0), text(1))?),
            "storage.delete" => format!("{:?}", storage::delete(text(0))?),
            "storage.keys" => format!("{:?}", storage::keys(text(0))?),
            "storage.increment" => format!("{:?}", storage::increment(text(0), text(1).parse().unwrap_or(1))?),
            "env.get" => format!("{:?}", env::get(text(0))?),
            "fs.readText" => format!("{:?}", fs::read_text(text(0))?),
            "fs.readBytes" => format!("{:?}", fs::read_bytes(text(0))?),
            "fs.writeText" => format!("{:?}", fs::write_text(text(0), text(1))?),
            "fs.appendText" => format!("{:?}", fs::append_text(text(0), text(1))?),
            "fs.list" => format!("{:?}", fs::list_folder(text(0))?),
            "fs.remove" => format!("{:?}", fs::remove(text(0))?),
            "http.fetch" => {
                let header = |at: usize| text(at).split_once(':').map(|(name, value)| (name.into(), value.into()));
                let reply = http::fetch(&http::Request {
                    method: text(0).into(),
                    url: text(1).into(),
                    headers: (3..given.len()).filter_map(header).collect(),
                    body: match text(2) {
                        "" => None,
                        "bytes" => Some(http::Body::Bytes(vec![0, 255])),
                        body => Some(http::Body::Text(body.into())),
                    },
                    timeout: Some(5000),
                })?;
                format!("{} {:?} {:?}", reply.status, reply.headers, reply.body)
            }
            "crypto.sha256" => crypto::sha256(bytes(0))?,
            "crypto.sha512" => crypto::sha512(bytes(0))?,
            "crypto.hmac" => crypto::hmac(text(0), bytes(1), bytes(2))?,
            "crypto.randomBytes" => format!("{}", crypto::random_bytes(text(0).parse().unwrap_or(0))?.len()),
            "crypto.uuid" => format!("{}", crypto::uuid()?.len()),
            "crypto.timingSafeEqual" => format!("{:?}", crypto::timing_safe_equal(bytes(0), bytes(1))?),
            "log" => {
                log::log(log::Level::Debug, "d");
                log::log(log::Level::Info, "i");
                log::log(log::Level::Warn, "w");
                log::log(log::Level::Error, "e");
                String::new()
            }
            "now" => format!("{}", clock::now()),
            "seed" => format!("{}", random::seed()?.len()),
            // A refusal that is caught.
            "caught" => match env::get("API_URL") {
                Ok(found) => format!("{found:?}"),
                Err(error) => format!("{} {:?} {}", error.sqlstate, error.capability, error.number),
            },
            other => return Err(thrown(other)),
        })
    }
}

/// One of each case.
fn values() -> Vec<Value> {
    vec![
        Value::Null,
        Value::Boolean(true),
        Value::Smallint(-2),
        Value::Integer(3),
        Value::Bigint(1 << 40),
        Value::Real(0.5),
        Value::DoublePrecision(0.1),
        Value::Numeric("1.50".into()),
        Value::Text("t".into()),
        Value::Bytea(vec![0, 255]),
        Value::Date("2026-01-31".into()),
        Value::Time("01:02:03".into()),
        Value::Timestamp("2026-01-31 01:02:03".into()),
        Value::Timestamptz("2026-01-31 01:02:03+00".into()),
        Value::Interval("1 day".into()),
        Value::Uuid("123e4567-e89b-12d3-a456-426614174000".into()),
        Value::Jsonb("{\"a\": 1}".into()),
        Value::Array(Array {
            lengths: vec![2, 1],
            elements: vec![Scalar::Integer(1), Scalar::Null],
        }),
    ]
}

fn thrown(what: &str) -> Error {
    Error {
        number: 0,
        sqlstate: String::new(),
        message: format!("there is no {what}"),
        detail: None,
        hint: None,
        capability: None,
    }
}

export!(Probe);
