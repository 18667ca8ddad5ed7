//! The corpus of a target, and random changes to it, the same ones at each run: what the tests have instead of a fuzzer's instruments.

#![allow(clippy::disallowed_methods, reason = "a test reads its corpus; what is tested reads no file")]

use std::path::Path;

/// Xorshift.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound.max(1)
    }
}

/// The files of `fuzz/corpus/<target>`, in their order.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{}", folder.display());
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Each file as it is, then so many mutants.
pub fn each(target: &str, rounds: usize, mut check: impl FnMut(&[u8])) {
    let rounds = std::env::var("HOSTILE_ROUNDS").map_or(rounds, |rounds| rounds.parse().expect("HOSTILE_ROUNDS is a number"));
    let corpus = corpus(target);
    let mut checked = |bytes: &[u8]| {
        let _shown = ShownInPanics(bytes);
        check(bytes);
    };
    corpus.iter().for_each(|bytes| checked(bytes));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..rounds {
        let mut bytes = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(4) {
            mutate(&mut random, &mut bytes, &corpus);
        }
        checked(&bytes);
    }
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    const TOKENS: &[&[u8]] = &[
        b"(",
        b")",
        b"[",
        b"]",
        b"'",
        b"\"",
        b"$$",
        b"$a$",
        b"--",
        b"/*",
        b"*/",
        b";",
        b",",
        b".",
        b"..",
        b"*",
        b"**",
        b":",
        b"::",
        b"\\",
        b"?",
        b"$1",
        b"\0",
        b"\xff",
        b"\xc3\xa9",
        b"9999999999999999999",
        b"-1",
        b"0",
        b"1e999",
        b"NULL",
        b"NOT",
        b"WITH",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\x7f",
        b"\0\0\0\x80",
        b"\x10\x01\0\0\0",
        b"\x07\0\0\0\0",
        b"\x08",
    ];
    let at = random.below(bytes.len() + 1);
    let end = (at + random.below(12)).min(bytes.len());
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let piece = bytes[at..end].to_vec();
            for _ in 0..=random.below(6) {
                bytes.splice(at..at, piece.iter().copied());
            }
        }
        3 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        4 | 5 => drop(bytes.splice(at..at, TOKENS[random.below(TOKENS.len())].iter().copied())),
        6 => drop(bytes.splice(at..end, TOKENS[random.below(TOKENS.len())].iter().copied())),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.below(256) as u8;
            }
        }
    }
}

/// A test that panics tells what it was given.
struct ShownInPanics<'a>(&'a [u8]);

impl Drop for ShownInPanics<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input: b\"{}\"", self.0.escape_ascii());
        }
    }
}
