//! Random numbers and UUIDs.

use std::cell::Cell;

use types::Type::*;
use types::{Datum, Result, SqlError, SqlState};

use crate::argument::float8;
use crate::scalar::math::general;
use crate::{Environment, Scalar};

pub(crate) static SCALARS: &[Scalar] = &[
    Scalar::new("random", &[], Float8, |env, _| random(env).map(Datum::Float8)).volatile(),
    Scalar::new("setseed", &[Float8], Void, |env, a| set_seed(env, float8(a, 0)?)).volatile(),
    Scalar::new("gen_random_uuid", &[], Uuid, |env, _| uuid(env).map(Datum::Uuid)).volatile(),
];

thread_local! {
    /// The generator after `setseed`, which a session's thread calls for itself. Without it, random
    /// numbers come from the operating system.
    static SEEDED: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
}

fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| SqlError::internal(format!("no random bytes: {error}")))?;
    Ok(bytes)
}

/// 0 <= x < 1, of 52 random bits.
fn random(env: &dyn Environment) -> Result<f64> {
    env.draw_random()?;
    let bits = match SEEDED.get() {
        Some(state) => {
            let (bits, state) = next(state);
            SEEDED.set(Some(state));
            bits
        }
        None => u64::from_le_bytes(bytes()?),
    };
    Ok((bits >> 12) as f64 / (1_u64 << 52) as f64)
}

/// xoroshiro128**, PostgreSQL 15's generator: the same seed gives the same numbers there.
fn next((s0, s1): (u64, u64)) -> (u64, (u64, u64)) {
    let mixed = s0 ^ s1;
    let value = s0.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
    (value, (s0.rotate_left(24) ^ mixed ^ (mixed << 16), mixed.rotate_left(37)))
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn set_seed(env: &dyn Environment, seed: f64) -> Result<Datum> {
    env.seed_random()?;
    if seed.is_nan() || !(-1.0..=1.0).contains(&seed) {
        let message = format!("setseed parameter {} is out of allowed range [-1,1]", general(seed));
        return Err(SqlError::new(SqlState::InvalidParameterValue, message));
    }
    let mut state = (((1_u64 << 52) - 1) as f64 * seed) as i64 as u64;
    SEEDED.set(Some((split_mix(&mut state), split_mix(&mut state))));
    Ok(Datum::text(""))
}

/// Version 4, variant 1.
fn uuid(env: &dyn Environment) -> Result<[u8; 16]> {
    env.draw_random()?;
    let mut uuid: [u8; 16] = bytes()?;
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    Ok(uuid)
}
