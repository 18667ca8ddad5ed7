//! `heliosdb.crypto`: hashes, message authentication and randomness, behind CRYPTO_ACCESS.

use hmac::{Hmac, Mac};
use policy::{Permit, UseCrypto};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use types::{Datum, SqlError, SqlState};

use super::arguments::Arguments;
use super::{Answer, Failure, State};
use crate::meter::Meter;

/// What one call of `randomBytes` gives at most, as in browsers.
const MAX_RANDOM_BYTES: i64 = 65_536;
/// Between two looks at the limits while a long text is hashed.
const PIECE_BYTES: usize = 1 << 20;

pub fn sha256(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let data = arguments.bytes()?;
    arguments.end()?;
    let permit = state.rights()?.gate.check(UseCrypto("sha256"))?;
    let digest = digest(&permit, Sha256::new(), &data, &mut state.meter)?;
    Ok(hexadecimal(&digest))
}

pub fn sha512(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let data = arguments.bytes()?;
    arguments.end()?;
    let permit = state.rights()?.gate.check(UseCrypto("sha512"))?;
    let digest = digest(&permit, Sha512::new(), &data, &mut state.meter)?;
    Ok(hexadecimal(&digest))
}

pub fn hmac(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let algorithm = arguments.text("the algorithm's name")?;
    let key = arguments.bytes()?;
    let data = arguments.bytes()?;
    arguments.end()?;
    let algorithm = match algorithm.to_ascii_lowercase().as_str() {
        "sha256" | "sha-256" => Algorithm::Sha256,
        "sha512" | "sha-512" => Algorithm::Sha512,
        _ => return Err(arguments.refuse("the algorithm sha256 or sha512").into()),
    };
    let permit = state.rights()?.gate.check(UseCrypto("hmac"))?;
    let code = match algorithm {
        Algorithm::Sha256 => authenticate(&permit, keyed::<Hmac<Sha256>>(&key)?, &data, &mut state.meter)?,
        Algorithm::Sha512 => authenticate(&permit, keyed::<Hmac<Sha512>>(&key)?, &data, &mut state.meter)?,
    };
    Ok(hexadecimal(&code))
}

pub fn random_bytes(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    const EXPECTED: &str = "a number of bytes from 0 to 65536";
    let count = arguments.integer(EXPECTED)?;
    arguments.end()?;
    let count = match usize::try_from(count) {
        Ok(length) if count <= MAX_RANDOM_BYTES => length,
        Ok(_) | Err(_) => return Err(arguments.refuse(EXPECTED).into()),
    };
    let permit = state.rights()?.gate.check(UseCrypto("randomBytes"))?;
    let mut bytes = vec![0; count];
    draw(&permit, &mut bytes)?;
    Ok(Answer::Value(Datum::Bytea(bytes)))
}

/// A random UUID, version 4.
pub fn uuid(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    arguments.end()?;
    let permit = state.rights()?.gate.check(UseCrypto("uuid"))?;
    let mut bytes = [0; 16];
    draw(&permit, &mut bytes)?;
    let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
    Ok(Answer::Value(Datum::Text(uuid.to_string())))
}

/// Whether two secrets are the same, in a time that tells nothing but their lengths.
pub fn timing_safe_equal(state: &mut State, mut arguments: Arguments) -> Result<Answer, Failure> {
    let (one, other) = (arguments.bytes()?, arguments.bytes()?);
    arguments.end()?;
    let permit = state.rights()?.gate.check(UseCrypto("timingSafeEqual"))?;
    Ok(Answer::Value(Datum::Bool(equal(&permit, &one, &other))))
}

#[derive(Clone, Copy)]
enum Algorithm {
    Sha256,
    Sha512,
}

fn digest(_permit: &Permit<UseCrypto>, mut hasher: impl Digest, data: &[u8], meter: &mut Meter) -> Result<Vec<u8>, Failure> {
    for piece in data.chunks(PIECE_BYTES) {
        hasher.update(piece);
        if data.len() > PIECE_BYTES {
            meter.check()?;
        }
    }
    Ok(hasher.finalize().to_vec())
}

fn keyed<M: Mac + hmac::digest::KeyInit>(key: &[u8]) -> Result<M, SqlError> {
    <M as Mac>::new_from_slice(key).map_err(|_| SqlError::new(SqlState::InvalidParameterValue, "the key does not fit the algorithm"))
}

fn authenticate(_permit: &Permit<UseCrypto>, mut code: impl Mac, data: &[u8], meter: &mut Meter) -> Result<Vec<u8>, Failure> {
    for piece in data.chunks(PIECE_BYTES) {
        code.update(piece);
        if data.len() > PIECE_BYTES {
            meter.check()?;
        }
    }
    Ok(code.finalize().into_bytes().to_vec())
}

fn draw(_permit: &Permit<UseCrypto>, bytes: &mut [u8]) -> Result<(), SqlError> {
    getrandom::fill(bytes).map_err(|error| SqlError::internal(format!("the system gives no randomness: {error}")))
}

fn equal(_permit: &Permit<UseCrypto>, one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

fn hexadecimal(bytes: &[u8]) -> Answer {
    Answer::Value(Datum::Text(hex::encode(bytes)))
}
