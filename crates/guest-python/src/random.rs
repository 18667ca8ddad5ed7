//! Random bytes: seeded by the host when a program first asks, then a stream of our own.

use std::cell::Cell;

use sha2::{Digest, Sha256};

thread_local! {
    static STREAM: Cell<Option<Stream>> = const { Cell::new(None) };
}

/// SHA-256 of a secret seed and a counter, block after block.
#[derive(Clone, Copy)]
struct Stream {
    seed: [u8; 32],
    blocks: u64,
}

/// `count` bytes; `seed` is asked once in a sandbox, and may refuse.
pub fn bytes<E>(count: usize, seed: impl FnOnce() -> Result<[u8; 32], E>) -> Result<Vec<u8>, E> {
    let mut stream = match STREAM.get() {
        Some(stream) => stream,
        None => Stream { seed: seed()?, blocks: 0 },
    };
    let mut bytes = Vec::with_capacity(count);
    while bytes.len() < count {
        let block = Sha256::new()
            .chain_update(stream.seed)
            .chain_update(stream.blocks.to_le_bytes())
            .finalize();
        stream.blocks += 1;
        bytes.extend_from_slice(&block[..block.len().min(count - bytes.len())]);
    }
    STREAM.set(Some(stream));
    Ok(bytes)
}
