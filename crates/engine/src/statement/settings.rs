//! `SET`, `RESET`, `SHOW`, `DISCARD ALL`.

use std::sync::Arc;

use functions::Environment;
use types::{Datum, Notice, Result, SqlError, SqlState, Type};

use super::complete;
use crate::context::StatementContext;
use crate::identity::Identity;
use crate::notify::Signal;
use crate::parse::SetValue;
use crate::plan::ColumnDesc;
use crate::session::{Outcome, RowTag, Session};
use crate::settings::{self, check_right, info};

pub fn set(session: &mut Session, context: &Arc<StatementContext>, name: &str, value: &SetValue, local: bool) -> Result<Outcome> {
    check_right(name, context.is_superuser())?;
    if local {
        if !session.in_explicit_transaction() {
            context.notice(Notice::warning(
                SqlState::NoActiveSqlTransaction,
                "SET LOCAL can only be used in transaction blocks",
            ));
            return Ok(complete("SET"));
        }
        session.set_local(name, value)?;
        return Ok(complete("SET"));
    }
    let mut settings = session.shared().settings.lock();
    match value {
        SetValue::Default => settings.reset(name)?,
        SetValue::Text(text) => {
            settings.set(name, text)?;
        }
    }
    Ok(complete("SET"))
}

pub fn reset(session: &mut Session, context: &StatementContext, name: &str) -> Result<Outcome> {
    check_right(name, context.is_superuser())?;
    session.shared().settings.lock().reset(name)?;
    Ok(complete("RESET"))
}

pub fn reset_all(session: &mut Session) -> Result<Outcome> {
    session.shared().settings.lock().reset_all()?;
    Ok(complete("RESET"))
}

pub fn discard_all(session: &mut Session) -> Result<Outcome> {
    if session.in_explicit_transaction() {
        return Err(SqlError::new(
            SqlState::ActiveSqlTransaction,
            "DISCARD ALL cannot run inside a transaction block",
        ));
    }
    session.shared().settings.lock().reset_all()?;
    let authenticated = session.identity().authenticated;
    session.become_identity(Identity::session(authenticated.clone(), authenticated), false)?;
    session.last_function = None;
    session.forget_all_prepared();
    session.shared().signals.lock().push(Signal::UnlistenAll);
    Ok(complete("DISCARD ALL"))
}

/// The setting's own spelling of its name.
pub fn shown_name(name: &str) -> String {
    info(name).map_or_else(|| name.to_string(), |info| info.name.to_string())
}

pub fn show(context: &Arc<StatementContext>, name: &str) -> Result<Outcome> {
    let value = context.setting(name).ok_or_else(|| {
        SqlError::new(
            SqlState::UndefinedObject,
            format!("unrecognized configuration parameter \"{name}\""),
        )
    })?;
    let columns = vec![ColumnDesc::new(shown_name(name), Type::Text)];
    let rows = Box::new(std::iter::once(Ok(vec![Datum::Text(value)])));
    Ok(Outcome::Rows {
        columns,
        rows,
        tag: RowTag::Fixed("SHOW"),
    })
}

pub fn show_all_columns() -> Vec<ColumnDesc> {
    ["name", "setting", "description"]
        .map(|name| ColumnDesc::new(name, Type::Text))
        .to_vec()
}

pub fn show_all(context: &Arc<StatementContext>) -> Result<Outcome> {
    let mut rows: Vec<Vec<Datum>> = settings::all()
        .map(|setting| {
            let value = context.setting(setting.name).unwrap_or_default();
            vec![Datum::text(setting.name), Datum::Text(value), Datum::text(setting.description)]
        })
        .collect();
    rows.sort_by(|left, right| {
        left[0]
            .as_str()
            .map(str::to_ascii_lowercase)
            .cmp(&right[0].as_str().map(str::to_ascii_lowercase))
    });
    Ok(Outcome::Rows {
        columns: show_all_columns(),
        rows: Box::new(rows.into_iter().map(Ok)),
        tag: RowTag::Fixed("SHOW"),
    })
}
