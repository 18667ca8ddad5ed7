//! The one error that reaches a client: PostgreSQL's error fields. Crates keep error enums of
//! their own and turn into this where their answer becomes a user's.

use crate::SqlState;

/// An error as PostgreSQL reports it. Style: `message` is lower case without a final period;
/// `detail` and `hint` are whole sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError(Box<Fields>);

/// The fields of an `ErrorResponse` (PostgreSQL's protocol, "Error and Notice Message Fields").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    pub state: SqlState,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// 1-based character offset into the statement's text.
    pub position: Option<usize>,
    /// Where it happened inside a function: "JavaScript function f, line 3" and the guest's stack.
    pub context: Option<String>,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
    pub constraint: Option<String>,
    /// FATAL instead of ERROR: the session ends after it.
    pub fatal: bool,
}

/// The result of everything that a user can see fail.
pub type Result<T, E = SqlError> = std::result::Result<T, E>;

impl SqlError {
    pub fn new(state: SqlState, message: impl Into<String>) -> SqlError {
        SqlError(Box::new(Fields {
            state,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
            schema: None,
            table: None,
            column: None,
            constraint: None,
            fatal: false,
        }))
    }

    /// A named feature that is absent: SQLSTATE 0A000.
    pub fn unsupported(what: impl std::fmt::Display) -> SqlError {
        SqlError::new(SqlState::FeatureNotSupported, format!("{what} is not supported"))
    }

    /// A broken invariant of ours, never the user's fault: SQLSTATE XX000.
    pub fn internal(what: impl std::fmt::Display) -> SqlError {
        SqlError::new(SqlState::InternalError, what.to_string())
    }

    pub fn detail(mut self, detail: impl Into<String>) -> SqlError {
        self.0.detail = Some(detail.into());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> SqlError {
        self.0.hint = Some(hint.into());
        self
    }

    /// `position` is a 1-based character offset into the statement's text.
    pub fn position(mut self, position: usize) -> SqlError {
        self.0.position = Some(position);
        self
    }

    /// Sets the position unless a deeper place already did.
    pub fn position_if_absent(mut self, position: Option<usize>) -> SqlError {
        if self.0.position.is_none() {
            self.0.position = position;
        }
        self
    }

    /// For an error whose advice does not fit where it is told.
    pub fn without_hint(mut self) -> SqlError {
        self.0.hint = None;
        self
    }

    /// For an error in a text that the client did not send.
    pub fn without_position(mut self) -> SqlError {
        self.0.position = None;
        self
    }

    pub fn context(mut self, context: impl Into<String>) -> SqlError {
        self.0.context = Some(context.into());
        self
    }

    pub fn table(mut self, schema: impl Into<String>, table: impl Into<String>) -> SqlError {
        self.0.schema = Some(schema.into());
        self.0.table = Some(table.into());
        self
    }

    pub fn column(mut self, column: impl Into<String>) -> SqlError {
        self.0.column = Some(column.into());
        self
    }

    pub fn constraint(mut self, constraint: impl Into<String>) -> SqlError {
        self.0.constraint = Some(constraint.into());
        self
    }

    pub fn fatal(mut self) -> SqlError {
        self.0.fatal = true;
        self
    }

    pub fn state(&self) -> SqlState {
        self.0.state
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn fields(&self) -> &Fields {
        &self.0
    }
}

impl std::fmt::Display for SqlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.0.message, self.0.state)
    }
}

impl std::error::Error for SqlError {}

/// A NOTICE, WARNING, INFO, LOG or DEBUG message on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub severity: Severity,
    pub state: SqlState,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Debug,
    Log,
    Info,
    Notice,
    Warning,
}

impl Severity {
    /// As the protocol spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Debug => "DEBUG",
            Severity::Log => "LOG",
            Severity::Info => "INFO",
            Severity::Notice => "NOTICE",
            Severity::Warning => "WARNING",
        }
    }
}

impl Notice {
    #[allow(clippy::self_named_constructors)] // one constructor per severity; this one is NOTICE's
    pub fn notice(message: impl Into<String>) -> Notice {
        Notice {
            severity: Severity::Notice,
            state: SqlState::SuccessfulCompletion,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    pub fn warning(state: SqlState, message: impl Into<String>) -> Notice {
        Notice {
            severity: Severity::Warning,
            state,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }
}
