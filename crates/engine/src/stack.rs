//! How much of its thread's stack a statement has used.
//!
//! Functions run statements that call functions, all on one stack. Their number is bounded and so is the nesting of each
//! statement, but not the product of the two: before a function starts, what is used already is measured, as PostgreSQL does
//! with `max_stack_depth`.

use std::cell::Cell;

use types::Result;

/// Half of a session's 64 MiB: the other half holds what one more function and its statement may need.
const MAX_USED_BYTES: usize = 32 << 20;

thread_local! {
    /// The highest address at which this thread was seen: near the stack's beginning, as stacks grow downwards.
    static BEGINNING: Cell<usize> = const { Cell::new(0) };
}

/// SQLSTATE 54001 where too little of the stack is left to start a function.
pub(crate) fn check() -> Result<()> {
    let marker = 0_u8;
    let here = std::ptr::from_ref(&marker).addr();
    let beginning = BEGINNING.get().max(here);
    BEGINNING.set(beginning);
    if beginning - here > MAX_USED_BYTES {
        return Err(crate::parse::too_complex());
    }
    Ok(())
}
