#!/bin/sh
# Compiles the guest to shipping.wasm beside this script; wasm-tools makes a component of it.
set -eu
cd "$(dirname "$0")"
cargo build --release --locked --target wasm32-unknown-unknown
wasm-tools component new "${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/release/shipping.wasm" -o shipping.wasm
