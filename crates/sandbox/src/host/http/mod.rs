//! `heliosdb.http`: requests to other machines, behind HTTP_CLIENT and NETWORK_ACCESS.
//!
//! The life of a request: its URL is read by one parser, and everything after that works on what the parser understood. The
//! gate is asked for HTTP and for the host before its name is looked up, and again for the address that came out; the
//! connection goes to that very address. A redirect is a new request: every question is asked again. While
//! it waits, a cancel request and the call's remaining time are looked at every few milliseconds.

#![allow(clippy::disallowed_types)] // the one place where guests reach the network, each step with a permit

mod connect;
mod exchange;
mod options;
mod url;

use std::time::{Duration, Instant};

use audit::EventType;
use policy::{Denied, ResolveHost, UseHttp};
use types::{SqlError, SqlState};
use ureq::http::{Method, StatusCode, header};

use self::connect::Patience;
pub use self::exchange::Reply;
use self::options::Ask;
use self::url::Url;
use super::arguments::Arguments;
use super::{Answer, Failure, State};

/// As browsers and curl have it, or fewer.
const MAX_REDIRECTS: u32 = 10;
/// A response's body; a function's memory may allow less.
const MAX_BODY_BYTES: u64 = 10 << 20;

pub fn fetch(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let url = url(&mut arguments)?;
    let ask = options::read(&mut arguments, Method::GET, None)?;
    arguments.end()?;
    send(state, url, ask)
}

pub fn get(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    fetch_as(state, &mut arguments, Method::GET)
}

pub fn post(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let url = url(&mut arguments)?;
    let body = options::body(&mut arguments)?;
    let ask = options::read(&mut arguments, Method::POST, Some(body))?;
    arguments.end()?;
    send(state, url, ask)
}

fn fetch_as(state: &mut State, arguments: &mut Arguments, method: Method) -> Result<Answer, Failure> {
    let url = url(arguments)?;
    let ask = options::read(arguments, method, None)?;
    arguments.end()?;
    send(state, url, ask)
}

fn url(arguments: &mut Arguments) -> Result<Url, Failure> {
    let text = arguments.text("a URL, which is text")?;
    Url::parse(&text).map_err(|why| arguments.refuse("an http or https URL").detail(why).into())
}

/// Why there is no answer.
#[derive(Debug)]
enum Trouble {
    /// The call's time is up, or it was cancelled: the meter knows.
    Over,
    /// The request's own timeout.
    TimedOut(Duration),
    Denied(Denied),
    /// The other side, the network, or what was asked for.
    Failed(String),
    TooLarge(u64),
}

impl From<Denied> for Trouble {
    fn from(denied: Denied) -> Trouble {
        Trouble::Denied(denied)
    }
}

fn send(state: &mut State, mut url: Url, mut ask: Ask) -> Result<Answer, Failure> {
    let patience = Patience::new(state.meter.watch(), ask.timeout);
    for _ in 0..=MAX_REDIRECTS {
        let reply = hop(state, &url, &ask, &patience)?;
        let Some(location) = redirect(&reply) else {
            return Ok(Answer::Reply(Box::new(reply)));
        };
        let next = url
            .join(location)
            .map_err(|why| failed(&url, &format!("it redirects to what is no http or https URL: {why}")))?;
        if url.is_https() && !next.is_https() {
            return Err(failed(&url, "it redirects from https to http").into());
        }
        ask.redirected(reply.status, &url, &next);
        url = next;
    }
    Err(failed(&url, &format!("it redirects more than {MAX_REDIRECTS} times")).into())
}

/// Where a reply leads, if it leads somewhere.
fn redirect(reply: &Reply) -> Option<&str> {
    match reply.status {
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => reply.headers.get(header::LOCATION)?.to_str().ok(),
        _ => None,
    }
}

/// One request and its reply, checked and recorded.
fn hop(state: &mut State, url: &Url, ask: &Ask, patience: &Patience) -> Result<Reply, Failure> {
    let (gate, outside) = {
        let rights = state.rights()?;
        (rights.gate.clone(), rights.outside.clone())
    };
    let http = gate.check(UseHttp(url.endpoint().clone()))?;
    let resolve = gate.check(ResolveHost(url.endpoint().clone()))?;
    let most = MAX_BODY_BYTES.min(state.meter.limits.memory_bytes);
    state.meter.open_connection()?;
    let started = Instant::now();
    let outcome = connect::connect(&gate, resolve, patience).and_then(|connection| {
        let address = connection.address();
        exchange::exchange(&http, connection, url, ask, &outside.trusted_roots, most, patience).map(|reply| (address, reply))
    });
    state.meter.close_connection();

    let mut event = gate.event(EventType::NetworkOperation);
    // Never more of the URL: paths and queries carry secrets.
    event.resource = Some(url.origin());
    event.duration_us = i64::try_from(started.elapsed().as_micros()).ok();
    let mut details = serde_json::json!({ "method": ask.method.as_str(), "sent_bytes": ask.body.as_ref().map_or(0, Vec::len) });
    match &outcome {
        Ok((address, reply)) => {
            details["status"] = reply.status.as_u16().into();
            details["received_bytes"] = reply.body.len().into();
            details["address"] = address.ip().to_string().into();
        }
        Err(trouble) => event.error = Some(describe(trouble)),
    }
    event.details = Some(details);
    gate.record(event).map_err(|error| Failure::from(Denied::Unrecorded(error)))?;
    outcome.map(|(_, reply)| reply).map_err(|trouble| failure(state, url, trouble))
}

fn describe(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Over => "the call was ended".to_string(),
        Trouble::TimedOut(after) => format!("no answer within {} ms", after.as_millis()),
        Trouble::Denied(denied) => denied.to_string(),
        Trouble::Failed(why) => why.clone(),
        Trouble::TooLarge(most) => format!("the response is larger than {most} bytes"),
    }
}

fn failure(state: &mut State, url: &Url, trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Denied(denied) => denied.into(),
        Trouble::Over => match state.meter.check() {
            Err(stop) => stop.into(),
            Ok(()) => failed(url, "the call was ended").into(),
        },
        Trouble::TooLarge(most) => SqlError::new(
            SqlState::ProgramLimitExceeded,
            format!(
                "the response of {} is larger than the {most} bytes that a function can take",
                url.origin()
            ),
        )
        .into(),
        trouble @ (Trouble::TimedOut(_) | Trouble::Failed(_)) => failed(url, &describe(&trouble)).into(),
    }
}

fn failed(url: &Url, why: &str) -> SqlError {
    SqlError::new(SqlState::IoError, format!("request to {} failed: {why}", url.origin()))
}
