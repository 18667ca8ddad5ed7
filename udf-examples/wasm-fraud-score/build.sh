#!/bin/sh
# Compiles the guest to fraud_score.wasm beside this script.
set -eu
cd "$(dirname "$0")"
cargo build --release --locked --target wasm32-wasip1
install -m 644 "${CARGO_TARGET_DIR:-target}/wasm32-wasip1/release/fraud_score.wasm" .
