//! The anchor: what retention leaves where rows were removed. It says where the log begins now and what it continues, signed
//! with the key of the data folder, so that a beginning that somebody cut off by hand is told from one that was.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format version: 1 |
//! | 8 | the first id that is kept, big-endian |
//! | 32 | the hash of the row before it, the last that was removed |
//! | 8 | how many rows were removed this time, big-endian |
//! | 8 | when, in microseconds since 1970, big-endian, signed |
//! | 2 + length | by whom: the length in bytes, big-endian, and the role's name in UTF-8 |
//! | 32 | the Ed25519 public key |
//! | 64 | the signature over [`CONTEXT`] and all bytes before it |

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::{Chain, Hash};

pub type PublicKey = [u8; 32];

const VERSION: u8 = 1;
/// So that a signature made here can be taken for nothing else.
const CONTEXT: &[u8] = b"parhelion audit anchor\n";
const SIGNATURE_BYTES: usize = 64;

/// What signs anchors.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    pub const SEED_BYTES: usize = 32;

    /// The key of these random bytes; None if there are not as many as it takes.
    pub fn from_seed(seed: &[u8]) -> Option<SigningKey> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(SigningKey)
    }

    pub fn public_key(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        key
    }
}

/// What an anchor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub first_kept: u64,
    pub removed_hash: Hash,
    pub removed_rows: u64,
    /// Microseconds since 1970.
    pub timestamp: i64,
    pub user_name: String,
    pub public_key: PublicKey,
}

/// Why an anchor is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnchorFault {
    Unreadable,
    /// The signature is not of these words and this key.
    Forged,
    /// The key is not the data folder's.
    OtherKey,
    /// No `AuditLogTrimmed` row tells of it.
    Untold,
}

impl std::fmt::Display for AnchorFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AnchorFault::Unreadable => "it cannot be read",
            AnchorFault::Forged => "its signature is wrong",
            AnchorFault::OtherKey => "it is signed by another key than this folder's",
            AnchorFault::Untold => "no AuditLogTrimmed row tells of it",
        })
    }
}

impl Anchor {
    /// The stored bytes.
    pub fn signed(&self, key: &SigningKey) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.first_kept.to_be_bytes());
        out.extend_from_slice(&self.removed_hash);
        out.extend_from_slice(&self.removed_rows.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        let name = &self.user_name[..self.user_name.floor_char_boundary(usize::from(u16::MAX))];
        out.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&key.public_key());
        let signature = key.0.sign(&message(&out));
        out.extend_from_slice(signature.as_ref());
        out
    }

    /// What these bytes say, if their signature holds. Whose key that is, the caller has to ask.
    pub fn read(bytes: &[u8]) -> Result<Anchor, AnchorFault> {
        let words = bytes.len().checked_sub(SIGNATURE_BYTES).ok_or(AnchorFault::Unreadable)?;
        let (words, signature) = bytes.split_at(words);
        let anchor = parsed(words).ok_or(AnchorFault::Unreadable)?;
        let key = UnparsedPublicKey::new(&ED25519, anchor.public_key);
        match key.verify(&message(words), signature) {
            Ok(()) => Ok(anchor),
            Err(_) => Err(AnchorFault::Forged),
        }
    }

    /// What the first kept row continues.
    pub fn chain(&self) -> Chain {
        Chain::after(self.first_kept.saturating_sub(1), self.removed_hash)
    }

    /// The columns of the row that tells of it.
    pub fn details(&self) -> serde_json::Value {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        serde_json::json!({
            "first_kept_id": self.first_kept,
            "removed_rows": self.removed_rows,
            "last_removed_hash": hex(&self.removed_hash),
            "public_key": hex(&self.public_key),
        })
    }
}

fn message(words: &[u8]) -> Vec<u8> {
    [CONTEXT, words].concat()
}

fn parsed(words: &[u8]) -> Option<Anchor> {
    let (version, rest) = words.split_first()?;
    let (first_kept, rest) = rest.split_first_chunk()?;
    let (removed_hash, rest) = rest.split_first_chunk()?;
    let (removed_rows, rest) = rest.split_first_chunk()?;
    let (timestamp, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (name, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let public_key = PublicKey::try_from(rest).ok()?;
    let anchor = Anchor {
        first_kept: u64::from_be_bytes(*first_kept),
        removed_hash: *removed_hash,
        removed_rows: u64::from_be_bytes(*removed_rows),
        timestamp: i64::from_be_bytes(*timestamp),
        user_name: std::str::from_utf8(name).ok()?.to_string(),
        public_key,
    };
    (*version == VERSION && anchor.first_kept > 1).then_some(anchor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_reads_back_and_a_changed_one_does_not() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let anchor = Anchor {
            first_kept: 4711,
            removed_hash: [9; 32],
            removed_rows: 4710,
            timestamp: -5,
            user_name: "postgré".to_string(),
            public_key: key.public_key(),
        };
        let bytes = anchor.signed(&key);
        assert_eq!(Anchor::read(&bytes), Ok(anchor));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(Anchor::read(&changed).is_err(), "byte {at}");
            assert!(Anchor::read(&bytes[..at]).is_err(), "cut at {at}");
        }
        assert!(SigningKey::from_seed(&[7; 31]).is_none());
    }
}
