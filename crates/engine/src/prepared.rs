//! Prepared statements by name: of the extended protocol, and of `PREPARE`, `EXECUTE`, `DEALLOCATE`. One name means the
//! same to both, as in PostgreSQL.

use std::sync::Arc;

use types::{Datum, Result, SqlError, SqlState, Type};

use crate::bind::type_names;
use crate::parse::{PrepareText, Utility};
use crate::session::{Outcome, Prepared, Session};

impl Session {
    /// Keeps a statement under a name that is not taken.
    pub fn keep_prepared(&mut self, name: &str, prepared: Arc<Prepared>) -> Result<()> {
        let text = prepared.text().to_string();
        self.keep(name, prepared, text, false)
    }

    fn keep(&mut self, name: &str, prepared: Arc<Prepared>, text: String, from_sql: bool) -> Result<()> {
        if self.statements.contains_key(name) {
            return Err(SqlError::new(
                SqlState::DuplicatePstatement,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        let shown = catalog::PreparedStatement {
            name: name.to_string(),
            text,
            prepared_at: crate::session::now(),
            parameters: prepared.param_types().to_vec(),
            from_sql,
        };
        self.shared().prepared.lock().insert(name.to_string(), shown);
        self.statements.insert(name.to_string(), prepared);
        Ok(())
    }

    pub fn prepared(&self, name: &str) -> Result<&Arc<Prepared>> {
        self.statements.get(name).ok_or_else(|| {
            SqlError::new(
                SqlState::InvalidSqlStatementName,
                format!("prepared statement \"{name}\" does not exist"),
            )
        })
    }

    /// False where there was none.
    pub fn forget_prepared(&mut self, name: &str) -> bool {
        self.shared().prepared.lock().remove(name);
        self.statements.remove(name).is_some()
    }

    pub(crate) fn forget_all_prepared(&mut self) {
        self.shared().prepared.lock().clear();
        self.statements.clear();
    }

    /// `PREPARE`, `EXECUTE`, `DEALLOCATE`; None for other statements.
    pub(crate) fn by_name(&mut self, utility: &Utility) -> Option<Result<Outcome>> {
        match utility {
            Utility::Prepare { name, types, sql } => Some(self.prepare_as(name, types, sql)),
            Utility::Execute { name, args } => Some(self.execute_named(name, args)),
            Utility::Deallocate(name) => Some(self.deallocate(name.as_deref())),
            _ => None,
        }
    }

    fn prepare_as(&mut self, name: &str, types: &[sqlparser::ast::DataType], sql: &PrepareText) -> Result<Outcome> {
        let types = types
            .iter()
            .map(|ty| Ok(Some(type_names::resolve(ty)?.0)))
            .collect::<Result<Vec<Option<Type>>>>()?;
        // The error's place counts from the statement that is prepared; the client sees the whole.
        let prepared = self
            .prepare_inner(&sql.text, &types)
            .map_err(|error| match (error.fields().position, sql.position) {
                (Some(within), Some(start)) => error.position(start + within - 1),
                _ => error,
            })?;
        if !prepared.is_plannable() {
            return Err(SqlError::new(
                SqlState::InvalidPstatementDefinition,
                "utility statements cannot be prepared",
            ));
        }
        let list: Vec<String> = prepared.param_types().iter().map(Type::to_string).collect();
        let list = if list.is_empty() {
            String::new()
        } else {
            format!(" ({})", list.join(", "))
        };
        let text = format!("PREPARE {}{list} AS {}", types::ident::quote_ident(name), sql.text);
        self.keep(name, prepared, text, true)?;
        Ok(Outcome::Complete { tag: "PREPARE".into() })
    }

    fn execute_named(&mut self, name: &str, args: &[String]) -> Result<Outcome> {
        let prepared = self.prepared(name)?.clone();
        let types = prepared.param_types();
        if args.len() != types.len() {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                format!("wrong number of parameters for prepared statement \"{name}\""),
            )
            .detail(format!("Expected {} parameters but got {}.", types.len(), args.len())));
        }
        let params = match args.is_empty() {
            true => vec![],
            false => self.evaluate(args, types)?,
        };
        self.execute_within(&prepared, params)
    }

    /// The arguments' values, converted to the parameters' types.
    fn evaluate(&mut self, args: &[String], types: &[Type]) -> Result<Vec<Datum>> {
        let casts: Vec<String> = args.iter().zip(types).map(|(arg, ty)| format!("CAST(({arg}) AS {ty})")).collect();
        let values = self.prepare_inner(&format!("SELECT {}", casts.join(", ")), &[])?;
        match self.execute_within(&values, vec![])? {
            Outcome::Rows { mut rows, .. } => rows
                .next()
                .unwrap_or_else(|| Err(SqlError::internal("a SELECT without FROM has one row"))),
            Outcome::Complete { .. } | Outcome::Empty => Err(SqlError::internal("a SELECT has rows")),
        }
    }

    fn deallocate(&mut self, name: Option<&str>) -> Result<Outcome> {
        let Some(name) = name else {
            self.forget_all_prepared();
            return Ok(Outcome::Complete {
                tag: "DEALLOCATE ALL".into(),
            });
        };
        self.prepared(name)?;
        self.forget_prepared(name);
        Ok(Outcome::Complete { tag: "DEALLOCATE".into() })
    }
}
