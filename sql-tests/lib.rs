//! The tests that speak SQL through a socket: `*.slt` files, each on a fresh database. See `tests/suite.rs`.
