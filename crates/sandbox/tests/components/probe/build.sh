#!/bin/sh
# Compiles the guest to ../probe.wasm; wasm-tools makes a component of it.
set -eu
cd "$(dirname "$0")"
cargo build --release --locked --target wasm32-unknown-unknown
wasm-tools component new "${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/release/probe.wasm" -o ../probe.wasm
