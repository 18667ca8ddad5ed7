//! Whatever bytes stand where a policy, a capability or a pattern is expected.

#[path = "../../../../fuzz/src/mutations.rs"]
mod mutations;
mod rights;

#[test]
fn whatever_stands_for_a_right_is_read_or_refused() {
    mutations::each("rights", 60_000, rights::read);
}
