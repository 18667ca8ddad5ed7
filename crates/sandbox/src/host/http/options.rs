//! What a function says about a request: `{method, headers, body, timeout}`.

use std::time::Duration;

use serde_json::Value;
use types::Datum;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue};
use ureq::http::{Method, StatusCode};

use super::super::Failure;
use super::super::arguments::Arguments;
use super::url::Url;

/// One request, as it is to be sent.
pub struct Ask {
    pub method: Method,
    pub headers: HeaderMap,
    pub body: Option<Vec<u8>>,
    /// None: as long as the call has.
    pub timeout: Option<Duration>,
}

/// A body, and what it is if the function does not say.
pub struct Body {
    bytes: Vec<u8>,
    content_type: Option<&'static str>,
}

const MAX_HEADERS: usize = 100;
const MAX_HEADER_BYTES: usize = 65_536;
const METHODS: &[Method] = &[
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];
/// What frames the message or names its receiver is the host's matter: a function that could write these could say one thing to us and another
/// to the machines in between.
const OURS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
];

impl Ask {
    /// As the next request after this reply, as browsers do it: what is no longer asked of the same server carries no credentials.
    pub fn redirected(&mut self, status: StatusCode, from: &Url, to: &Url) {
        let becomes_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = None;
            self.headers.remove(CONTENT_TYPE);
        }
        if from.origin() != to.origin() {
            self.headers.remove(AUTHORIZATION);
            self.headers.remove(COOKIE);
        }
    }
}

/// The argument that is a request's body: text, bytes, or a value that is sent as JSON.
pub fn body(arguments: &mut Arguments) -> Result<Body, Failure> {
    Ok(match arguments.next()? {
        Datum::Null => Body {
            bytes: Vec::new(),
            content_type: None,
        },
        Datum::Text(text) => Body {
            bytes: text.into_bytes(),
            content_type: Some("text/plain; charset=utf-8"),
        },
        Datum::Bytea(bytes) => Body {
            bytes,
            content_type: Some("application/octet-stream"),
        },
        Datum::Json(text) => json_body(text),
        other => return Err(arguments.unfit("a body: text, bytes, an object or an array", &other)),
    })
}

fn json_body(text: String) -> Body {
    Body {
        bytes: text.into_bytes(),
        content_type: Some("application/json"),
    }
}

/// The argument that holds the options, or nothing.
pub fn read(arguments: &mut Arguments, method: Method, body: Option<Body>) -> Result<Ask, Failure> {
    let given = arguments.next()?;
    let text = match &given {
        Datum::Null => "{}",
        Datum::Json(text) => text.as_str(),
        _ => return Err(arguments.unfit("options, which are an object", &given)),
    };
    let Ok(Value::Object(options)) = serde_json::from_str::<Value>(text) else {
        return Err(arguments.unfit("options, which are an object", &given));
    };
    let mut ask = Ask {
        method,
        headers: HeaderMap::new(),
        body: None,
        timeout: None,
    };
    let mut body = body;
    for (name, option) in options {
        match (name.as_str(), option) {
            (_, Value::Null) => {}
            ("method", Value::String(method)) => {
                let known = METHODS.iter().find(|known| known.as_str().eq_ignore_ascii_case(&method));
                ask.method = known.cloned().ok_or_else(|| {
                    let names: Vec<&str> = METHODS.iter().map(Method::as_str).collect();
                    arguments.refuse(&format!("one of the methods {}", names.join(", ")))
                })?;
            }
            ("headers", Value::Object(headers)) => put_headers(&mut ask.headers, headers, arguments)?,
            ("body", Value::String(text)) if body.is_none() => {
                body = Some(Body {
                    bytes: text.into_bytes(),
                    content_type: Some("text/plain; charset=utf-8"),
                });
            }
            ("body", value @ (Value::Object(_) | Value::Array(_))) if body.is_none() => body = Some(json_body(value.to_string())),
            ("timeout", Value::Number(millis)) => {
                let millis = millis.as_u64().filter(|millis| *millis > 0);
                let millis = millis.ok_or_else(|| arguments.refuse("a timeout in whole milliseconds"))?;
                ask.timeout = Some(Duration::from_millis(millis));
            }
            ("method" | "headers" | "body" | "timeout", _) => {
                let error = arguments.refuse("options {method: text, headers: object, body: text or object, timeout: milliseconds}");
                return Err(error.detail(format!("{name} is something else.")).into());
            }
            _ => {
                let error = arguments.refuse("options {method, headers, body, timeout}");
                let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
                return Err(error.detail(format!("There is no option \"{shown}\".")).into());
            }
        }
    }
    if let Some(body) = body {
        if let Some(content_type) = body.content_type
            && !ask.headers.contains_key(CONTENT_TYPE)
        {
            ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        ask.body = Some(body.bytes);
    }
    Ok(ask)
}

fn put_headers(headers: &mut HeaderMap, given: serde_json::Map<String, Value>, arguments: &Arguments) -> Result<(), Failure> {
    let mut bytes = 0usize;
    for (name, value) in given {
        let refuse = |why: &str| {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
            Failure::from(arguments.refuse("headers").detail(format!("Header \"{shown}\" {why}.")))
        };
        let value = match value {
            Value::String(value) => value,
            Value::Number(number) => number.to_string(),
            _ => return Err(refuse("is neither text nor a number")),
        };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse("has no name that HTTP allows"))?;
        if OURS.contains(&header.as_str()) {
            return Err(refuse("is set by the server itself"));
        }
        // Line ends in it would be headers of their own.
        let value = HeaderValue::from_str(&value).map_err(|_| refuse("holds a character that HTTP does not allow"))?;
        bytes += header.as_str().len() + value.len();
        if headers.len() >= MAX_HEADERS || bytes > MAX_HEADER_BYTES {
            return Err(refuse("is one too many"));
        }
        headers.append(header, value);
    }
    Ok(())
}
