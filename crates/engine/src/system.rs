//! What the system catalogs ask of the running server, and the functions that only it can answer.

use catalog::{Live, SessionInfo, Setting};
use types::{Datum, Result, SqlError, SqlState, Type};

use crate::context::StatementContext;
use crate::notify::Signal;
use crate::settings::{self, Kind};

/// The running server, seen by the catalog.
pub struct LiveServer<'a> {
    pub context: &'a StatementContext,
}

impl Live for LiveServer<'_> {
    fn settings(&self) -> Vec<Setting> {
        use functions::Environment;
        settings::all()
            .map(|setting| Setting {
                name: setting.name.to_string(),
                value: settings::in_units(setting.kind, self.context.setting(setting.name).unwrap_or_default()),
                unit: match setting.kind {
                    Kind::Milliseconds => Some("ms"),
                    Kind::Kilobytes { .. } => Some("kB"),
                    Kind::Bool | Kind::Text | Kind::Integer { .. } | Kind::Enum(_) | Kind::ReadOnly => None,
                },
                category: "Settings",
                description: setting.description,
                context: match setting.kind {
                    Kind::ReadOnly => "internal",
                    _ if setting.superuser_only => "superuser",
                    Kind::Bool | Kind::Text | Kind::Integer { .. } | Kind::Milliseconds | Kind::Kilobytes { .. } | Kind::Enum(_) => "user",
                },
                vartype: match setting.kind {
                    Kind::Bool => "bool",
                    Kind::Integer { .. } | Kind::Milliseconds | Kind::Kilobytes { .. } => "integer",
                    Kind::Enum(_) => "enum",
                    Kind::Text | Kind::ReadOnly => "string",
                },
                boot_value: Some(settings::in_units(setting.kind, setting.default.to_string())),
                reset_value: Some(settings::in_units(setting.kind, setting.default.to_string())),
                source: "default",
                enum_values: match setting.kind {
                    Kind::Enum(values) => values.to_vec(),
                    Kind::Bool | Kind::Integer { .. } | Kind::Milliseconds | Kind::Kilobytes { .. } | Kind::Text | Kind::ReadOnly => vec![],
                },
            })
            .collect()
    }

    fn prepared_statements(&self) -> Vec<catalog::PreparedStatement> {
        // Their texts are the client's: functions, whoever wrote them, do not read them.
        match self.context.calls.depth() {
            0 => self.context.session.prepared.lock().values().cloned().collect(),
            _ => vec![],
        }
    }

    fn violations(&self, function: u32) -> u32 {
        self.context.db.violations.total(function)
    }

    fn function_stats(&self, oid: u32) -> catalog::FunctionStats {
        self.context.db.statistics.of(oid)
    }

    fn sessions(&self) -> Vec<SessionInfo> {
        // Collected first: describing one locks its settings.
        let sessions = self.context.db.sessions();
        sessions.iter().map(|session| crate::activity::describe(session)).collect()
    }
}

/// A function that is the server's own; None where the catalog answers.
pub fn own_call(context: &StatementContext, name: &str, args: &[Datum]) -> Option<Result<Datum>> {
    Some(match name {
        "pg_cancel_backend" | "pg_terminate_backend" => signal(context, args, name == "pg_terminate_backend"),
        // One session's advisory locks never meet another's here: they are granted, and released at its end.
        "pg_advisory_unlock_all" => Ok(Datum::Null),
        "pg_notify" => notify(context, args),
        "pg_listening_channels" => Ok(channels(context)),
        "heliosdb.alert" => crate::alerts::raise(context, args),
        "verify_audit_log" => crate::audit_log::verify_for(context, args),
        "heliosdb.forget" => crate::forget::forget(context, args),
        "heliosdb.suggest_policy" => crate::suggest::policy_for(context, args),
        "nextval" | "currval" | "setval" | "lastval" => Err(SqlError::new(SqlState::FeatureNotSupported, "sequences are not supported")),
        _ => return None,
    })
}

fn signal(context: &StatementContext, args: &[Datum], terminate: bool) -> Result<Datum> {
    use functions::Environment;
    refuse_in_function(context, "end other sessions' work")?;
    if !context.is_superuser() {
        return Err(SqlError::new(
            SqlState::InsufficientPrivilege,
            "must be a superuser to cancel another session's query",
        ));
    }
    let pid = args.first().and_then(Datum::as_i64).and_then(|pid| i32::try_from(pid).ok());
    Ok(Datum::Bool(pid.is_some_and(|pid| context.db.signal(pid, terminate))))
}

/// A function acts with its caller's privileges, a superuser's among them: what no capability grants stays out of its reach.
pub fn refuse_in_function(context: &StatementContext, what: &str) -> Result<()> {
    if context.calls.depth() == 0 {
        return Ok(());
    }
    Err(SqlError::new(SqlState::InsufficientPrivilege, format!("a function cannot {what}")))
}

/// `pg_notify(channel, payload)`.
fn notify(context: &StatementContext, args: &[Datum]) -> Result<Datum> {
    refuse_in_function(context, "send notifications")?;
    let text = |at: usize| args.get(at).and_then(Datum::as_str).unwrap_or_default();
    crate::alerts::refuse_to_speak(text(0))?;
    let signal = Signal::notify(text(0), text(1))?;
    crate::notify::leave(&context.session.signals, signal)?;
    Ok(Datum::Null)
}

fn channels(context: &StatementContext) -> Datum {
    let rows = context.session.inbox.channels();
    Datum::Array(Box::new(types::Array::from_values(
        Type::Text,
        rows.iter().map(Datum::text).collect(),
    )))
}
