//! Nothing: this package is its `[[bench]]` targets. Each prints its figures and the ratio to a peer in the same run.
