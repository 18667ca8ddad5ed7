//! How large a result may grow, and how much work a loop may do unasked.

use types::{Result, SqlError, SqlState};

use crate::Environment;

/// The largest value a built-in makes, in bytes. PostgreSQL stops at 1 GiB; a hosted server is
/// shared, and a function's own memory limit is smaller by far.
pub(crate) const RESULT_BYTES: usize = 256 * 1024 * 1024;

/// The most elements of an array (PostgreSQL's `MaxArraySize` is of the same order).
pub(crate) const ARRAY_ELEMENTS: usize = 16 * 1024 * 1024;

/// Steps of a loop between two questions whether the statement was cancelled.
const STEPS_PER_CHECK: u32 = 4096;

/// Refuses a result of `bytes` bytes if that is too large: SQLSTATE 54000.
pub(crate) fn check_size(bytes: usize) -> Result<()> {
    if bytes > RESULT_BYTES {
        return Err(too_large(bytes));
    }
    Ok(())
}

#[cold]
fn too_large(bytes: usize) -> SqlError {
    SqlError::new(SqlState::ProgramLimitExceeded, "requested length too large")
        .detail(format!("The result would have {bytes} bytes, the limit is {RESULT_BYTES} bytes."))
}

pub(crate) fn check_elements(count: usize) -> Result<()> {
    if count > ARRAY_ELEMENTS {
        return Err(SqlError::new(
            SqlState::ProgramLimitExceeded,
            format!("array size exceeds the maximum allowed ({ARRAY_ELEMENTS})"),
        ));
    }
    Ok(())
}

/// Asks for cancellation every few thousand steps of a loop.
#[derive(Debug, Default)]
pub(crate) struct Pace(u32);

impl Pace {
    pub(crate) fn step(&mut self, env: &dyn Environment) -> Result<()> {
        self.0 = self.0.wrapping_add(1);
        if self.0.is_multiple_of(STEPS_PER_CHECK) {
            env.check_cancelled()
        } else {
            Ok(())
        }
    }
}
