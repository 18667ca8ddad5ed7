//! SCRAM-SHA-256 (RFC 5802, RFC 7677) from the server's side, without channel binding.
//!
//! The life of an exchange: the client's first message names a nonce; ours adds a nonce, the salt
//! and the iteration count of the role's verifier; the client's last message proves that it knows
//! the password; ours proves that we know the verifier. A role without a verifier, or no role at
//! all, goes through the same exchange with made-up values and fails at its end, so that nobody
//! can ask which roles exist.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

pub const MECHANISM: &str = "SCRAM-SHA-256";
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

/// Why an exchange stops. Only `WrongProof` says anything about the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Malformed(&'static str),
    /// `p=...`, or a mechanism with -PLUS.
    ChannelBinding,
    WrongProof,
}

/// After our first message, waiting for the client's proof.
pub struct Exchange {
    verifier: Verifier,
    gs2_header: String,
    nonce: String,
    /// client-first-message-bare and server-first-message, joined as the proof covers them.
    signed: String,
}

impl Exchange {
    /// Takes the client's first message; returns the exchange and our answer.
    pub fn start(verifier: Verifier, client_first: &[u8], server_nonce: &[u8]) -> Result<(Exchange, String), Failure> {
        let text = ascii(client_first)?;
        // gs2-header is `<flag>,[a=<authzid>],`.
        let mut parts = text.splitn(3, ',');
        let (flag, authzid, bare) = match (parts.next(), parts.next(), parts.next()) {
            (Some(flag), Some(authzid), Some(bare)) => (flag, authzid, bare),
            _ => return Err(Failure::Malformed("The client's first message is incomplete.")),
        };
        match flag {
            // `y`: the client could bind channels but believes that we cannot, which is so.
            "n" | "y" => {}
            flag if flag.starts_with("p=") => return Err(Failure::ChannelBinding),
            _ => return Err(Failure::Malformed("The channel-binding flag is none of n, y and p.")),
        }
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
            gs2_header: format!("{flag},{authzid},"),
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
        if binding.as_deref() != Some(self.gs2_header.as_bytes()) {
            return Err(Failure::Malformed("The channel binding of the two messages differs."));
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
            gs2_header: "n,,".into(),
            nonce: "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".into(),
            signed: "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
                .into(),
        };
        let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(exchange.finish(last).unwrap(), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    /// A client's whole side of the exchange.
    fn attempt(verifier: Verifier, password: &str) -> Result<String, Failure> {
        let (exchange, server_first) = Exchange::start(verifier, b"n,,n=,r=abc", b"nonce")?;
        let attributes: Vec<&str> = server_first.split(',').collect();
        let salt = BASE64.decode(&attributes[1][2..]).unwrap();
        let salted = salted(password, &salt, attributes[2][2..].parse().unwrap());
        let client_key = hmac(&salted, b"Client Key");
        let stored: [u8; 32] = Sha256::digest(client_key).into();
        let without_proof = format!("c=biws,{}", attributes[0]);
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
                matches!(Exchange::start(verifier(), first, b"n"), Err(Failure::Malformed(_))),
                "{first:?}"
            );
        }
        assert!(matches!(
            Exchange::start(verifier(), b"p=tls-unique,,n=,r=abc", b"n"),
            Err(Failure::ChannelBinding)
        ));
        for last in [
            &b""[..],
            b"c=biws,r=abcbg==",
            b"c=eSws,r=abcbg==,p=",
            b"c=biws,r=other,p=",
            b"c=biws,r=abcbg==,p=AAAA",
        ] {
            let (exchange, _) = Exchange::start(verifier(), b"n,,n=,r=abc", b"n").unwrap();
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
