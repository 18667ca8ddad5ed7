//! SCRAM-SHA-256 (RFC 5802, RFC 7677) from the server's side, with and without channel binding.
//!
//! The life of an exchange: the client's first message names a nonce; ours adds a nonce, the salt
//! and the iteration count of the role's verifier; the client's last message proves that it knows
//! the password; ours proves that we know the verifier. A role without a verifier, or no role at
//! all, goes through the same exchange with made-up values and fails at its end, so that nobody
//! can ask which roles exist.
//!
//! Over TLS the client may bind its proof to the server's certificate (SCRAM-SHA-256-PLUS): whoever
//! sits between the two shows another certificate, and cannot use the proof. A client that could
//! bind and was told that we cannot is told of that (`y`): somebody took our offer away.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

pub const MECHANISM: &str = "SCRAM-SHA-256";
pub const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";
/// The one type of binding that works with each version of TLS.
const BINDING_FLAG: &str = "p=tls-server-end-point";
/// So much of a type that we do not know is told back.
const SHOWN_TYPE_BYTES: usize = 30;
/// PostgreSQL's count; a made-up verifier has to show the same.
const MOCK_ITERATIONS: u32 = 4096;

/// What the server keeps of a password: `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
#[derive(Clone, PartialEq)]
pub struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: [u8; 32],
    server_key: [u8; 32],
    /// False for a made-up one: then no proof is good enough.
    genuine: bool,
}

impl Verifier {
    pub fn parse(text: &str) -> Option<Verifier> {
        let (scheme, rest) = text.split_once('$')?;
        let (parameters, keys) = rest.split_once('$')?;
        let (iterations, salt) = parameters.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let key = |text: &str| <[u8; 32]>::try_from(BASE64.decode(text).ok()?).ok();
        let iterations = iterations.parse().ok().filter(|count| *count > 0)?;
        let salt = BASE64.decode(salt).ok()?;
        (scheme == MECHANISM).then_some(())?;
        Some(Verifier {
            iterations,
            salt,
            stored_key: key(stored_key)?,
            server_key: key(server_key)?,
            genuine: true,
        })
    }

    /// A verifier that nothing satisfies. The salt is the same for each attempt at the same name.
    pub fn mock(user: &str, server_secret: &[u8; 32]) -> Verifier {
        let digest = hmac(server_secret, user.as_bytes());
        let salt = digest.get(..16).unwrap_or_default().to_vec();
        Verifier {
            iterations: MOCK_ITERATIONS,
            salt,
            stored_key: digest,
            server_key: digest,
            genuine: false,
        }
    }
}

/// What the exchange goes over, and whether the client chose to bind its proof to it.
#[derive(Clone, Copy, Debug)]
pub enum Channel<'a> {
    /// No TLS, or a certificate that defines no binding: none was offered.
    Unbindable,
    /// Binding was offered and not chosen.
    Unbound,
    /// To this hash of the certificate.
    Bound(&'a [u8]),
}

/// Why an exchange stops. Only `WrongProof` says anything about the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    Malformed(&'static str),
    /// `p=...` where no binding was offered.
    ChannelBinding,
    /// A binding other than `tls-server-end-point`.
    BindingType(String),
    /// The client believes that no binding was offered.
    Downgrade,
    /// The proof is bound to another server's certificate.
    OtherChannel,
    WrongProof,
}

/// After our first message, waiting for the client's proof.
pub struct Exchange {
    verifier: Verifier,
    /// The client's flag and what it binds to, as its last message has to repeat them.
    binding: Vec<u8>,
    is_bound: bool,
    nonce: String,
    /// client-first-message-bare and server-first-message, joined as the proof covers them.
    signed: String,
}

impl Exchange {
    /// Takes the client's first message; returns the exchange and our answer.
    pub fn start(
        verifier: Verifier,
        channel: Channel<'_>,
        client_first: &[u8],
        server_nonce: &[u8],
    ) -> Result<(Exchange, String), Failure> {
        let text = ascii(client_first)?;
        // gs2-header is `<flag>,[a=<authzid>],`.
        let mut parts = text.splitn(3, ',');
        let (flag, authzid, bare) = match (parts.next(), parts.next(), parts.next()) {
            (Some(flag), Some(authzid), Some(bare)) => (flag, authzid, bare),
            _ => return Err(Failure::Malformed("The client's first message is incomplete.")),
        };
        let hash = bound_to(flag, channel)?;
        if !authzid.is_empty() {
            return Err(Failure::Malformed("An authorization identity is not supported."));
        }
        // The name within is empty or a copy: the startup packet's counts, as in PostgreSQL.
        let mut attributes = bare.split(',');
        let (name, nonce) = (attributes.next().unwrap_or_default(), attributes.next().unwrap_or_default());
        if !name.starts_with("n=") {
            return Err(Failure::Malformed(
                "The client's first message has no user name attribute, or one that is mandatory and unknown.",
            ));
        }
        let client_nonce = nonce.strip_prefix("r=").filter(|nonce| !nonce.is_empty());
        let client_nonce = client_nonce.ok_or(Failure::Malformed("The client's first message has no nonce."))?;
        let nonce = format!("{client_nonce}{}", BASE64.encode(server_nonce));
        let server_first = format!("r={nonce},s={},i={}", BASE64.encode(&verifier.salt), verifier.iterations);
        let exchange = Exchange {
            verifier,
            binding: [format!("{flag},{authzid},").as_bytes(), hash].concat(),
            is_bound: flag == BINDING_FLAG,
            nonce,
            signed: format!("{bare},{server_first}"),
        };
        Ok((exchange, server_first))
    }

    /// Takes the client's last message; returns our proof if the client's is right.
    pub fn finish(self, client_final: &[u8]) -> Result<String, Failure> {
        let text = ascii(client_final)?;
        let (without_proof, proof) = text
            .rsplit_once(",p=")
            .ok_or(Failure::Malformed("The client's last message has no proof."))?;
        let mut attributes = without_proof.split(',');
        let binding = attributes
            .next()
            .and_then(|part| part.strip_prefix("c="))
            .and_then(|encoded| BASE64.decode(encoded).ok());
        match binding {
            Some(binding) if binding == self.binding => {}
            Some(_) if self.is_bound => return Err(Failure::OtherChannel),
            Some(_) | None => return Err(Failure::Malformed("The channel binding of the two messages differs.")),
        }
        if attributes.next().and_then(|part| part.strip_prefix("r=")) != Some(self.nonce.as_str()) {
            return Err(Failure::Malformed("The nonce does not match."));
        }
        let proof: [u8; 32] = BASE64
            .decode(proof)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(Failure::Malformed("The proof is not 32 bytes in base64."))?;

        let signed = format!("{},{without_proof}", self.signed);
        let signature = hmac(&self.verifier.stored_key, signed.as_bytes());
        let mut client_key = proof;
        client_key.iter_mut().zip(signature).for_each(|(key, byte)| *key ^= byte);
        let stored_key: [u8; 32] = Sha256::digest(client_key).into();
        // Both are always looked at, and in full, so that the time taken tells nothing.
        let right = equal(&stored_key, &self.verifier.stored_key) & self.verifier.genuine;
        if !right {
            return Err(Failure::WrongProof);
        }
        Ok(format!("v={}", BASE64.encode(hmac(&self.verifier.server_key, signed.as_bytes()))))
    }
}

/// What the client's last message has to name besides its flag, which it gave in its first.
fn bound_to<'a>(flag: &str, channel: Channel<'a>) -> Result<&'a [u8], Failure> {
    match (flag, channel) {
        ("n", Channel::Unbindable | Channel::Unbound) => Ok(&[]),
        // `y`: the client could bind but believes that we cannot. Here that is so,
        ("y", Channel::Unbindable) => Ok(&[]),
        // and here somebody made it believe that.
        ("y", Channel::Unbound) => Err(Failure::Downgrade),
        (BINDING_FLAG, Channel::Bound(hash)) => Ok(hash),
        ("n" | "y", Channel::Bound(_)) => Err(Failure::Malformed(
            "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.",
        )),
        (flag, channel) => match (flag.strip_prefix("p="), channel) {
            (None, _) => Err(Failure::Malformed("The channel-binding flag is none of n, y and p.")),
            (Some(_), Channel::Unbindable) => Err(Failure::ChannelBinding),
            (Some(_), Channel::Unbound) => Err(Failure::Malformed(
                "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.",
            )),
            (Some(asked), Channel::Bound(_)) => {
                let printable = asked.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' });
                Err(Failure::BindingType(printable.take(SHOWN_TYPE_BYTES).collect()))
            }
        },
    }
}

fn ascii(message: &[u8]) -> Result<&str, Failure> {
    match std::str::from_utf8(message) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(Failure::Malformed("The message is not text.")),
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |different, (x, y)| different | (x ^ y)) == 0
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn salted(password: &str, salt: &[u8], iterations: u32) -> [u8; 32] {
        let mut block = hmac(password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
        let mut sum = block;
        for _ in 1..iterations {
            block = hmac(password.as_bytes(), &block);
            sum.iter_mut().zip(block).for_each(|(s, b)| *s ^= b);
        }
        sum
    }

    pub fn verifier_of(password: &str, salt: &[u8], iterations: u32) -> String {
        let salted = salted(password, salt, iterations);
        let stored: [u8; 32] = Sha256::digest(hmac(&salted, b"Client Key")).into();
        let server = hmac(&salted, b"Server Key");
        format!(
            "{MECHANISM}${iterations}:{}${}:{}",
            BASE64.encode(salt),
            BASE64.encode(stored),
            BASE64.encode(server)
        )
    }

    /// RFC 7677's own example, whose nonces are text.
    #[test]
    fn the_example_of_the_rfc_succeeds() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::parse(&verifier_of("pencil", &salt, 4096)).unwrap();
        let exchange = Exchange {
            verifier,
            binding: b"n,,".to_vec(),
            is_bound: false,
            nonce: "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".into(),
            signed: "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
                .into(),
        };
        let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(exchange.finish(last).unwrap(), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    /// A client's whole side of the exchange.
    fn attempt(verifier: Verifier, password: &str) -> Result<String, Failure> {
        attempt_over(Channel::Unbindable, "n", b"", verifier, password)
    }

    /// The same, over this channel, by a client that shows this flag and binds to these bytes.
    fn attempt_over(channel: Channel, flag: &str, bound: &[u8], verifier: Verifier, password: &str) -> Result<String, Failure> {
        let first = format!("{flag},,n=,r=abc");
        let (exchange, server_first) = Exchange::start(verifier, channel, first.as_bytes(), b"nonce")?;
        let attributes: Vec<&str> = server_first.split(',').collect();
        let salt = BASE64.decode(&attributes[1][2..]).unwrap();
        let salted = salted(password, &salt, attributes[2][2..].parse().unwrap());
        let client_key = hmac(&salted, b"Client Key");
        let stored: [u8; 32] = Sha256::digest(client_key).into();
        let binding = BASE64.encode([format!("{flag},,").as_bytes(), bound].concat());
        let without_proof = format!("c={binding},{}", attributes[0]);
        let signature = hmac(&stored, format!("n=,r=abc,{server_first},{without_proof}").as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(k, s)| k ^ s).collect();
        exchange.finish(format!("{without_proof},p={}", BASE64.encode(proof)).as_bytes())
    }

    #[test]
    fn only_the_password_is_let_in() {
        let verifier = Verifier::parse(&verifier_of("secret", b"salt", 2)).unwrap();
        assert!(attempt(verifier.clone(), "secret").unwrap().starts_with("v="));
        assert_eq!(attempt(verifier, "Secret"), Err(Failure::WrongProof));
        assert_eq!(attempt(Verifier::mock("nobody", &[7; 32]), ""), Err(Failure::WrongProof));
    }

    #[test]
    fn a_proof_is_bound_to_the_servers_certificate() {
        let verifier = || Verifier::parse(&verifier_of("secret", b"salt", 2)).unwrap();
        let check = |channel: Channel, flag: &str, bound: &[u8]| attempt_over(channel, flag, bound, verifier(), "secret");
        let ours = Channel::Bound(b"ours");
        assert!(check(ours, BINDING_FLAG, b"ours").unwrap().starts_with("v="));
        let wrong = attempt_over(ours, BINDING_FLAG, b"ours", verifier(), "Secret");
        assert_eq!(wrong, Err(Failure::WrongProof));
        for other in [&b"others"[..], b"", b"our", b"ours "] {
            assert_eq!(check(ours, BINDING_FLAG, other), Err(Failure::OtherChannel));
        }
        // Whoever cannot bind is let in unbound; whoever was kept from it is told.
        assert!(check(Channel::Unbound, "n", b"").is_ok());
        assert!(check(Channel::Unbindable, "y", b"").is_ok());
        assert_eq!(check(Channel::Unbound, "y", b""), Err(Failure::Downgrade));
        assert_eq!(check(Channel::Unbindable, BINDING_FLAG, b"ours"), Err(Failure::ChannelBinding));
        assert_eq!(check(ours, "p=tls-uni\nque", b""), Err(Failure::BindingType("tls-uni?que".into())));
        for (channel, flag) in [(ours, "n"), (ours, "y"), (Channel::Unbound, BINDING_FLAG), (ours, "q")] {
            assert!(matches!(check(channel, flag, b"ours"), Err(Failure::Malformed(_))), "{flag}");
        }
    }

    #[test]
    fn malformed_messages_are_refused() {
        let verifier = || Verifier::mock("x", &[1; 32]);
        for first in [
            &b""[..],
            b"n,,",
            b"n,,r=abc",
            b"n,a=x,n=,r=abc",
            b"n,,n=,r=",
            b"q,,n=,r=abc",
            b"n,,m=x,n=,r=abc",
            b"\xff,,n=,r=a",
        ] {
            assert!(
                matches!(
                    Exchange::start(verifier(), Channel::Unbindable, first, b"n"),
                    Err(Failure::Malformed(_))
                ),
                "{first:?}"
            );
        }
        assert!(matches!(
            Exchange::start(verifier(), Channel::Unbindable, b"p=tls-unique,,n=,r=abc", b"n"),
            Err(Failure::ChannelBinding)
        ));
        for last in [
            &b""[..],
            b"c=biws,r=abcbg==",
            b"c=eSws,r=abcbg==,p=",
            b"c=biws,r=other,p=",
            b"c=biws,r=abcbg==,p=AAAA",
        ] {
            let (exchange, _) = Exchange::start(verifier(), Channel::Unbindable, b"n,,n=,r=abc", b"n").unwrap();
            assert!(matches!(exchange.finish(last), Err(Failure::Malformed(_))), "{last:?}");
        }
    }

    #[test]
    fn verifiers_that_are_none_are_refused() {
        for text in [
            "",
            "md5abc",
            "SCRAM-SHA-256$0:AA==$AA==:AA==",
            "SCRAM-SHA-256$4096:AA==$AA==",
            "SCRAM-SHA-512$1:AA==$AA==:AA==",
        ] {
            assert!(Verifier::parse(text).is_none(), "{text}");
        }
    }
}
