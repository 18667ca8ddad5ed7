//! Who may connect.
//!
//! While no role has a password, everybody who reaches the loopback address is trusted to be who
//! they say. From the first password on, a role without one cannot connect at all, and nothing
//! but SCRAM-SHA-256 lets anybody in, over TLS with the proof bound to the server's certificate
//! if the client can. How it ended the
//! connection records, before the client learns it.

use std::io::{Read, Write};
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use pgwire::messages::startup::{SASLInitialResponse, SASLResponse};
use types::{Result, SqlError, SqlState};

use crate::frontend;
use crate::incoming::{Broken, Incoming};
use crate::outgoing::Outgoing;
use crate::scram::{Channel, Exchange, Failure, MECHANISM, MECHANISM_PLUS, Verifier};
use crate::startup::Startup;
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
    /// Clients from there are let in over TLS only.
    pub must_encrypt: bool,
    pub encrypted: bool,
    /// Of the connection's certificate: what a password's proof can be bound to.
    pub end_point: Option<Vec<u8>>,
}

/// Lets the user in, or says why not. The caller records the outcome and sends the error.
pub fn authenticate(
    startup: &Startup,
    at: &Circumstances<'_>,
    stream: &mut (impl Read + Write),
    incoming: &mut Incoming,
    out: &mut Outgoing,
) -> Result<(), Broken> {
    let user = startup.user.as_str();
    // Before a password is asked for, which would go over the wire.
    if at.must_encrypt && !at.encrypted {
        let message = format!(
            "no pg_hba.conf entry for host \"{}\", user \"{user}\", database \"{}\", no encryption",
            at.client.ip(),
            startup.database
        );
        return Err(refused(SqlState::InvalidAuthorizationSpecification, message));
    }
    let role = at.database.role_login(user);
    if at.database.has_any_password() {
        let verifier = role.as_ref().and_then(|role| role.password.as_deref()).and_then(Verifier::parse);
        scram(
            user,
            verifier.unwrap_or_else(|| Verifier::mock(user, at.server_secret)),
            at.end_point.as_deref(),
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
    end_point: Option<&[u8]>,
    stream: &mut (impl Read + Write),
    incoming: &mut Incoming,
    out: &mut Outgoing,
) -> Result<(), Broken> {
    let offered: &[&str] = match end_point {
        Some(_) => &[MECHANISM_PLUS, MECHANISM],
        None => &[MECHANISM],
    };
    out.authentication_sasl(offered);
    out.flush(stream)?;

    let message = incoming.password_message(stream)?;
    let (mechanism, client_first) = initial_response(message, offered).map_err(Broken::Violation)?;
    let channel = match (mechanism, end_point) {
        (MECHANISM_PLUS, Some(hash)) => Channel::Bound(hash),
        (_, Some(_)) => Channel::Unbound,
        (_, None) => Channel::Unbindable,
    };
    let mut nonce = [0; SERVER_NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| Broken::Violation(SqlError::internal("could not generate random nonce")))?;
    let (exchange, server_first) = Exchange::start(verifier, channel, &client_first, &nonce).map_err(|failure| failed(user, failure))?;
    out.authentication_sasl_continue(server_first);
    out.flush(stream)?;

    let message = incoming.password_message(stream)?;
    let response: SASLResponse = frontend::decode(message).map_err(Broken::Violation)?;
    let server_final = exchange.finish(&response.data).map_err(|failure| failed(user, failure))?;
    out.authentication_sasl_final(server_final);
    Ok(())
}

/// The mechanism that the client chose, and its first message of the exchange.
fn initial_response(message: BytesMut, offered: &[&'static str]) -> Result<(&'static str, Bytes)> {
    let mechanism = structure::check_sasl_initial(&message, offered)?;
    let response: SASLInitialResponse = frontend::decode(message)?;
    let data = response.data.ok_or_else(|| violation("the SASL response has no data"))?;
    Ok((mechanism, data))
}

fn failed(user: &str, failure: Failure) -> Broken {
    match failure {
        Failure::WrongProof => refused(
            SqlState::InvalidPassword,
            format!("password authentication failed for user \"{user}\""),
        ),
        Failure::Malformed(detail) => Broken::Violation(violation("malformed SCRAM message").detail(detail)),
        Failure::ChannelBinding => Broken::Violation(violation("channel binding is not supported here")),
        Failure::BindingType(asked) => Broken::Violation(violation(format!("unsupported SCRAM channel-binding type \"{asked}\""))),
        Failure::Downgrade => Broken::Violation(
            SqlError::new(
                SqlState::InvalidAuthorizationSpecification,
                "SCRAM channel binding negotiation error",
            )
            .detail(
                "The client supports SCRAM channel binding but thinks the server does not.  \
                 However, this server does support channel binding.",
            ),
        ),
        Failure::OtherChannel => refused(SqlState::InvalidAuthorizationSpecification, "SCRAM channel binding check failed"),
    }
}

fn refused(state: SqlState, message: impl Into<String>) -> Broken {
    Broken::Violation(SqlError::new(state, message))
}
