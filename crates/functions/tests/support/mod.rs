//! A session for tests: nothing is set, the catalog knows nothing, the time stands still.

use functions::Environment;
use types::text::TextStyle;
use types::{Datum, Result, SqlError};

#[derive(Default)]
pub struct Session {
    pub style: TextStyle,
}

impl Environment for Session {
    /// 2020-02-29 12:34:56 UTC.
    fn transaction_timestamp(&self) -> i64 {
        1_582_979_696_000_000
    }
    fn statement_timestamp(&self) -> i64 {
        self.transaction_timestamp()
    }
    fn text_style(&self) -> &TextStyle {
        &self.style
    }
    fn setting(&self, name: &str) -> Option<String> {
        (name == "server_encoding").then(|| "UTF8".to_string())
    }
    fn set_setting(&self, _: &str, value: &str, _: bool) -> Result<String> {
        Ok(value.to_string())
    }
    fn current_user(&self) -> &str {
        "postgres"
    }
    fn session_user(&self) -> &str {
        "postgres"
    }
    fn current_database(&self) -> &str {
        "postgres"
    }
    fn current_schemas(&self, _: bool) -> Vec<String> {
        vec!["public".to_string()]
    }
    fn backend_pid(&self) -> i32 {
        1
    }
    fn is_superuser(&self) -> bool {
        true
    }
    fn catalog_call(&self, name: &'static str, _: &[Datum]) -> Result<Datum> {
        Err(SqlError::unsupported(name))
    }
    fn check_cancelled(&self) -> Result<()> {
        Ok(())
    }
}
