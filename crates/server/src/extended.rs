//! The extended query protocol: Parse makes a prepared statement, Bind a portal of it, Execute
//! runs the portal, wholly or some rows at a time. Answers gather until Sync or Flush.

use std::collections::HashMap;
use std::sync::Arc;

use pgwire::messages::extendedquery::{Bind, Execute, Parse};
use types::{Datum, Result, SqlError, SqlState, Type};

use crate::connection::{Connection, End};
use crate::frontend::Target;
use crate::rows::{self, Format};
use crate::structure::violation;
use engine::{ColumnDesc, Outcome, Prepared, RowIter, RowTag, TransactionStatus};

/// The prepared statements and portals of a session.
#[derive(Default)]
pub struct Extended {
    /// The prepared statement without a name; the session has the others.
    unnamed: Option<Arc<Prepared>>,
    portals: Named<Portal>,
}

struct Portal {
    prepared: Arc<Prepared>,
    formats: Vec<Format>,
    state: PortalState,
}

enum PortalState {
    Bound(Vec<Datum>),
    /// Part of the rows went out; the rest waits here.
    Suspended {
        columns: Vec<ColumnDesc>,
        rows: RowIter,
        tag: RowTag,
    },
    /// All rows went out: another Execute finds none.
    Exhausted {
        tag: RowTag,
    },
    /// It had no rows, and runs only once.
    Completed,
}

/// Things by name, the unnamed one apart because it is nearly always the one.
struct Named<T> {
    unnamed: Option<T>,
    named: HashMap<String, T>,
}

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named {
            unnamed: None,
            named: HashMap::new(),
        }
    }
}

impl<T> Named<T> {
    fn get(&self, name: &str) -> Option<&T> {
        if name.is_empty() {
            self.unnamed.as_ref()
        } else {
            self.named.get(name)
        }
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        if name.is_empty() {
            self.unnamed.as_mut()
        } else {
            self.named.get_mut(name)
        }
    }

    fn put(&mut self, name: &str, thing: T) {
        if name.is_empty() {
            self.unnamed = Some(thing);
        } else {
            self.named.insert(name.to_string(), thing);
        }
    }

    fn remove(&mut self, name: &str) -> Option<T> {
        if name.is_empty() {
            self.unnamed.take()
        } else {
            self.named.remove(name)
        }
    }

    fn has_named(&self, name: &str) -> bool {
        !name.is_empty() && self.named.contains_key(name)
    }
}

impl Connection {
    pub fn parse(&mut self, parse: Parse) -> Result<()> {
        let name = parse.name.as_deref().unwrap_or_default();
        if name.is_empty() {
            // Gone even if this Parse fails.
            self.extended.unnamed = None;
        }
        let types = parse.type_oids.iter().map(|oid| parameter_type(*oid)).collect::<Result<Vec<_>>>()?;
        let prepared = self.session.prepare(&parse.query, &types)?;
        match name.is_empty() {
            true => self.extended.unnamed = Some(prepared),
            false => self.session.keep_prepared(name, prepared)?,
        }
        self.out.parse_complete();
        Ok(())
    }

    pub fn bind(&mut self, bind: Bind) -> Result<()> {
        let portal = bind.portal_name.as_deref().unwrap_or_default();
        let statement = bind.statement_name.as_deref().unwrap_or_default();
        let prepared = self.statement(statement)?.clone();
        let types = prepared.param_types();
        if bind.parameters.len() != types.len() {
            let message = format!(
                "bind message supplies {} parameters, but prepared statement \"{statement}\" requires {}",
                bind.parameters.len(),
                types.len()
            );
            return Err(violation(message));
        }
        if self.extended.portals.has_named(portal) {
            return Err(SqlError::new(
                SqlState::DuplicateCursor,
                format!("cursor \"{portal}\" already exists"),
            ));
        }
        let text_io = self.session.text_io(types.iter().copied())?;
        let parameters = rows::parameters(&text_io, types, &bind.parameter_format_codes, &bind.parameters)?;
        let columns = prepared.columns().map_or(0, <[_]>::len);
        let formats = match prepared.columns() {
            // Format codes for a statement without rows say nothing.
            None => vec![],
            Some(_) => Format::expand(&bind.result_column_format_codes, columns)?.ok_or_else(|| {
                violation(format!(
                    "bind message has {} result formats but query has {columns} columns",
                    bind.result_column_format_codes.len()
                ))
            })?,
        };
        self.close_portal(portal);
        self.extended.portals.put(
            portal,
            Portal {
                prepared,
                formats,
                state: PortalState::Bound(parameters),
            },
        );
        self.out.bind_complete();
        Ok(())
    }

    pub fn describe(&mut self, target: Target) -> Result<()> {
        let (prepared, formats) = match target {
            Target::Statement(name) => {
                let prepared = self.statement(&name)?.clone();
                self.out
                    .parameter_description(prepared.param_types().iter().map(|ty| ty.oid()).collect());
                (prepared, &[][..])
            }
            Target::Portal(name) => {
                let portal = self.extended.portals.get(&name).ok_or_else(|| no_portal(&name))?;
                (portal.prepared.clone(), &portal.formats[..])
            }
        };
        match prepared.columns() {
            Some(columns) => self.out.row_description(columns, formats),
            None => self.out.no_data(),
        }
        Ok(())
    }

    pub fn execute(&mut self, execute: Execute) -> Result<Result<()>, End> {
        let name = execute.name.as_deref().unwrap_or_default();
        // 0 means all; a negative limit too, as in PostgreSQL.
        let max_rows = u32::try_from(execute.max_rows).unwrap_or(0);
        let Some(portal) = self.extended.portals.get_mut(name) else {
            return Ok(Err(no_portal(name)));
        };
        // While it runs, the portal counts as completed: after an error it stays that.
        let state = std::mem::replace(&mut portal.state, PortalState::Completed);
        let (prepared, formats) = (portal.prepared.clone(), portal.formats.clone());
        let before = self.session.transaction_status();
        let (columns, mut rows, tag) = match state {
            PortalState::Bound(parameters) => match self.session.execute(&prepared, parameters) {
                Ok(Outcome::Rows { columns, rows, tag }) => (columns, rows, tag),
                Ok(Outcome::Complete { tag }) => {
                    self.complete(before, Some(tag));
                    return Ok(Ok(()));
                }
                Ok(Outcome::Empty) => {
                    self.complete(before, None);
                    return Ok(Ok(()));
                }
                Err(error) => return Ok(Err(error)),
            },
            PortalState::Suspended { columns, rows, tag } => (columns, rows, tag),
            PortalState::Exhausted { tag } => {
                self.out.command_complete(tag.text(0));
                self.keep_portal(name, PortalState::Exhausted { tag });
                return Ok(Ok(()));
            }
            PortalState::Completed => {
                let message = format!("portal \"{name}\" cannot be run");
                return Ok(Err(SqlError::new(SqlState::ObjectNotInPrerequisiteState, message)));
            }
        };
        let sent = match self.send_rows(&columns, &formats, &mut rows, max_rows)? {
            Ok(sent) => sent,
            Err(error) => return Ok(Err(error)),
        };
        if !sent.finished {
            self.report_notices();
            self.out.portal_suspended();
            self.keep_portal(name, PortalState::Suspended { columns, rows, tag });
            return Ok(Ok(()));
        }
        drop(rows);
        self.complete(before, Some(tag.text(sent.rows)));
        self.keep_portal(name, PortalState::Exhausted { tag });
        Ok(Ok(()))
    }

    pub fn close(&mut self, target: Target) -> Result<()> {
        match target {
            Target::Statement(name) if name.is_empty() => self.extended.unnamed = None,
            // Closing what is not there is no error.
            Target::Statement(name) => drop(self.session.forget_prepared(&name)),
            Target::Portal(name) => self.close_portal(&name),
        }
        self.out.close_complete();
        Ok(())
    }

    /// All portals end with the transaction.
    pub fn close_portals(&mut self) {
        if self.extended.portals.unnamed.is_some() || !self.extended.portals.named.is_empty() {
            self.extended.portals = Named::default();
            self.session.statement_done(Ok(()));
        }
    }

    pub fn forget_unnamed(&mut self) {
        self.extended.unnamed = None;
        self.extended.portals.unnamed = None;
    }

    fn complete(&mut self, before: TransactionStatus, tag: Option<String>) {
        self.session.statement_done(Ok(()));
        self.after_statement(before);
        self.report_notices();
        match tag {
            Some(tag) => self.out.command_complete(tag),
            None => self.out.empty_query_response(),
        }
    }

    /// Puts a portal's new state back, unless its transaction ended and took the portal with it.
    fn keep_portal(&mut self, name: &str, state: PortalState) {
        if let Some(portal) = self.extended.portals.get_mut(name) {
            portal.state = state;
        }
    }

    /// A statement whose rows nobody wants any more is done.
    fn close_portal(&mut self, name: &str) {
        match self.extended.portals.remove(name) {
            Some(Portal {
                state: PortalState::Suspended { rows, .. },
                ..
            }) => {
                drop(rows);
                self.session.statement_done(Ok(()));
            }
            Some(Portal {
                state: PortalState::Bound(_) | PortalState::Exhausted { .. } | PortalState::Completed,
                ..
            })
            | None => {}
        }
    }

    fn statement(&self, name: &str) -> Result<&Arc<Prepared>> {
        if !name.is_empty() {
            return self.session.prepared(name);
        }
        self.extended
            .unnamed
            .as_ref()
            .ok_or_else(|| SqlError::new(SqlState::InvalidSqlStatementName, "unnamed prepared statement does not exist"))
    }
}

fn no_portal(name: &str) -> SqlError {
    SqlError::new(SqlState::InvalidCursorName, format!("portal \"{name}\" does not exist"))
}

/// 0 leaves the type to the statement.
fn parameter_type(oid: u32) -> Result<Option<Type>> {
    match oid {
        0 => Ok(None),
        oid => match Type::from_oid(oid) {
            Some(Type::Unknown) => Ok(None),
            Some(ty) => Ok(Some(ty)),
            None => Err(SqlError::new(
                SqlState::UndefinedObject,
                format!("type with OID {oid} does not exist"),
            )),
        },
    }
}
