//! What built-ins may ask of the session around them.

use types::text::TextStyle;
use types::{Datum, Result};

/// The session, seen by a built-in function. Implemented by the engine.
pub trait Environment: Send + Sync {
    /// Microseconds since 1970-01-01 UTC, as are all times here; `now()`.
    fn transaction_timestamp(&self) -> i64;
    fn statement_timestamp(&self) -> i64;
    fn text_style(&self) -> &TextStyle;
    /// The value of a setting, None where there is no such setting.
    fn setting(&self, name: &str) -> Option<String>;
    /// Sets a setting (`local`: until the end of the transaction); its value as it prints now.
    fn set_setting(&self, name: &str, value: &str, local: bool) -> Result<String>;
    fn current_user(&self) -> &str;
    fn session_user(&self) -> &str;
    fn current_database(&self) -> &str;
    /// The schemas that are searched, in order; `implicit` includes `pg_catalog`.
    fn current_schemas(&self, implicit: bool) -> Vec<String>;
    fn backend_pid(&self) -> i32;
    fn is_superuser(&self) -> bool;
    /// Functions that only the catalog can answer (`pg_get_expr`, `to_regclass`, `nextval`).
    fn catalog_call(&self, name: &'static str, args: &[Datum]) -> Result<Datum>;
    /// The machine's clock, or what whoever asks is shown of it.
    fn clock(&self) -> Result<i64> {
        Ok(crate::system_clock())
    }
    /// An error where whoever asks may not have random numbers.
    fn draw_random(&self) -> Result<()> {
        Ok(())
    }
    /// An error where whoever asks may not determine the session's random numbers.
    fn seed_random(&self) -> Result<()> {
        Ok(())
    }
    /// An error when the statement has been cancelled or has timed out; long loops ask.
    fn check_cancelled(&self) -> Result<()>;
}
