//! Who may connect.
//!
//! While no role has a password, everybody who reaches the loopback address is trusted to be who
//! they say. From the first password on, a role without one cannot connect at all, and nothing
//! but SCRAM-SHA-256 lets anybody in. Each outcome is recorded before the client learns it; a
//! success that cannot be recorded is a refusal.

use std::io::{Read, Write};
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use pgwire::messages::startup::{SASLInitialResponse, SASLResponse};
use types::{Result, SqlError, SqlState};

use crate::frontend;
use crate::incoming::{Broken, Incoming};
use crate::outgoing::Outgoing;
use crate::scram::{Exchange, Failure, MECHANISM, Verifier};
use crate::structure::{self, violation};
use engine::Database;

const SERVER_NONCE_BYTES: usize = 18;

/// What the decision needs to know besides the role.
pub struct Circumstances<'a> {
    pub database: &'a Database,
    pub client: SocketAddr,
    /// Whether the address that the client reached is a loopback address.
    pub loopback: bool,
    /// Keeps made-up salts from being recognised.
    pub server_secret: &'a [u8; 32],
}

/// Lets the user in, or says why not. The caller sends the error.
pub fn authenticate(
    user: &str,
    at: &Circumstances<'_>,
    stream: &mut (impl Read + Write),
    incoming: &mut Incoming,
    out: &mut Outgoing,
) -> Result<(), Broken> {
    let verdict = match decide(user, at, stream, incoming, out) {
        Ok(()) => Ok(()),
        Err(Broken::Violation(error)) => Err(error),
        // psql leaves when it is asked for a password that it has not got, and comes back with it.
        Err(gone @ (Broken::Closed | Broken::Lost(_))) => return Err(gone),
    };
    let recorded = at.database.record_login(user, Some(at.client), verdict.as_ref().err());
    verdict.and(recorded).map_err(|error| Broken::Violation(error.fatal()))
}

fn decide(
    user: &str,
    at: &Circumstances<'_>,
    stream: &mut (impl Read + Write),
    incoming: &mut Incoming,
    out: &mut Outgoing,
) -> Result<(), Broken> {
    let role = at.database.role_login(user);
    if at.database.has_any_password() {
        let verifier = role.as_ref().and_then(|role| role.password.as_deref()).and_then(Verifier::parse);
        scram(
            user,
            verifier.unwrap_or_else(|| Verifier::mock(user, at.server_secret)),
            stream,
            incoming,
            out,
        )?;
    } else if !at.loopback {
        let message = "no password is set, so only connections to the loopback address are accepted";
        return Err(refused(SqlState::InvalidAuthorizationSpecification, message));
    }
    match role {
        None => Err(refused(
            SqlState::InvalidAuthorizationSpecification,
            format!("role \"{user}\" does not exist"),
        )),
        Some(role) if !role.login => Err(refused(
            SqlState::InvalidAuthorizationSpecification,
            format!("role \"{user}\" is not permitted to log in"),
        )),
        Some(_) => Ok(()),
    }
}

fn scram(
    user: &str,
    verifier: Verifier,
    stream: &mut (impl Read + Write),
    incoming: &mut Incoming,
    out: &mut Outgoing,
) -> Result<(), Broken> {
    out.authentication_sasl(MECHANISM);
    out.flush(stream)?;

    let message = incoming.password_message(stream)?;
    let client_first = initial_response(message).map_err(Broken::Violation)?;
    let mut nonce = [0; SERVER_NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| Broken::Violation(SqlError::internal("could not generate random nonce")))?;
    let (exchange, server_first) = Exchange::start(verifier, &client_first, &nonce).map_err(|failure| failed(user, failure))?;
    out.authentication_sasl_continue(server_first);
    out.flush(stream)?;

    let message = incoming.password_message(stream)?;
    let response: SASLResponse = frontend::decode(message).map_err(Broken::Violation)?;
    let server_final = exchange.finish(&response.data).map_err(|failure| failed(user, failure))?;
    out.authentication_sasl_final(server_final);
    Ok(())
}

/// The client's first message of the exchange.
fn initial_response(message: BytesMut) -> Result<Bytes> {
    structure::check_sasl_initial(&message, MECHANISM)?;
    let response: SASLInitialResponse = frontend::decode(message)?;
    response.data.ok_or_else(|| violation("the SASL response has no data"))
}

fn failed(user: &str, failure: Failure) -> Broken {
    match failure {
        Failure::WrongProof => refused(
            SqlState::InvalidPassword,
            format!("password authentication failed for user \"{user}\""),
        ),
        Failure::Malformed(detail) => Broken::Violation(violation("malformed SCRAM message").detail(detail)),
        Failure::ChannelBinding => Broken::Violation(violation("channel binding is not supported here")),
    }
}

fn refused(state: SqlState, message: impl Into<String>) -> Broken {
    Broken::Violation(SqlError::new(state, message))
}
