//! A statement of a function and its parameters, made to fit each other.
//!
//! The life of a parameter: what brings its type along is bound as that. A text takes the type of its place, as a literal would. Moments
//! and arrays try this too, since what was read must go back unchanged whatever it was; where their place says nothing, or what they
//! cannot be, the statement is bound again with the type that they have by themselves.

use std::sync::Arc;

use sandbox::Param;
use types::text::TextStyle;
use types::{Datum, NO_TYPMOD, Result, SqlError, SqlState, Type};

use super::backend::{SqlBackend, Verb, describe};
use super::plans::{Bound, Kept};
use crate::context::StatementContext;
use crate::parse::{ParsedStatement, Placeholders, Statement, Utility};
use crate::plan::Plan;
use crate::session;

/// A statement that was bound, and the values of its parameters with the types that they have so far.
pub(super) struct Ready {
    pub bound: Arc<Bound>,
    pub params: Vec<(Datum, Type)>,
}

impl SqlBackend {
    /// None: the text ended the transaction, which is all that it asked for.
    pub(super) fn prepare(&self, sql: &str, params: &[Param<'_>], context: &Arc<StatementContext>, verb: Verb) -> Result<Option<Ready>> {
        // What is left to its place has no value yet.
        let mut values: Vec<Option<Datum>> = params
            .iter()
            .map(|param| param.plain().map(own).transpose())
            .collect::<Result<_>>()?;
        let mut statement = None;
        let mut misfit: Option<SqlError> = None;
        loop {
            let known: Vec<Option<Type>> = values.iter().map(|value| value.as_ref().and_then(param_type)).collect();
            let open = values.iter().any(Option::is_none);
            let kept = self.session.plans.lock().find(context, sql, &known);
            let bound = match kept {
                Some(Kept::Plan(bound)) => Ok(bound),
                Some(Kept::Undecided) if open => Err(None),
                Some(Kept::Undecided) | None => {
                    if statement.is_none() {
                        statement = self.statement(sql, verb)?;
                    }
                    let Some(statement) = &statement else { return Ok(None) };
                    let bound = self.bind(sql, statement, &known, context).map_err(Some);
                    if open && bound.is_err() {
                        self.session.plans.lock().keep(context, sql, &known, Kept::Undecided);
                    }
                    bound
                }
            };
            let bound = match bound {
                Ok(bound) => bound,
                Err(_) if open => {
                    for (value, param) in values.iter_mut().zip(params).filter(|(value, _)| value.is_none()) {
                        *value = Some(param.by_itself(None)?);
                    }
                    continue;
                }
                Err(error) => {
                    let error = error.unwrap_or_else(|| SqlError::internal("only an open parameter is undecided"));
                    // That a text is no uuid says more than that there is no uuid = text.
                    let says_more = misfit.filter(|misfit| misfit.state() != SqlState::DatatypeMismatch);
                    return Err(says_more.unwrap_or(error));
                }
            };
            // What fits is looked at anew once others have a type: its place may have become another.
            let mut placed = vec![];
            let mut all_fit = true;
            for (((at, value), param), ty) in values.iter_mut().enumerate().zip(params).zip(&bound.types) {
                if value.is_some() {
                    continue;
                }
                match param.placed(*ty, &context.text_style) {
                    Ok(fit) => placed.push((at, fit, *ty)),
                    Err(error) => {
                        *value = Some(param.by_itself(Some(*ty))?);
                        misfit = misfit.or(Some(error));
                        all_fit = false;
                    }
                }
            }
            if all_fit {
                let own = values.into_iter().map(|value| {
                    let value = value.unwrap_or(Datum::Null);
                    let ty = param_type(&value).unwrap_or(Type::Unknown);
                    (value, ty)
                });
                let mut params: Vec<(Datum, Type)> = own.collect();
                for (at, value, ty) in placed {
                    params[at] = (value, ty);
                }
                return Ok(Some(Ready { bound, params }));
            }
        }
    }

    /// The one statement of a text, if it is not the end of the transaction.
    fn statement(&self, sql: &str, verb: Verb) -> Result<Option<ParsedStatement>> {
        let several = "a function may run one statement per call, not several";
        let statement = crate::parse::parse_single(sql, Placeholders::QuestionMarkToo, &self.cancel, several)?
            .ok_or_else(|| SqlError::new(SqlState::SyntaxError, "there is no statement"))?;
        if let Some(commit) = transaction_end(&statement.kind) {
            self.end_transaction(commit, verb)?;
            return Ok(None);
        }
        self.refuse_administration(&statement.kind)?;
        Ok(Some(statement))
    }

    fn bind(&self, sql: &str, statement: &ParsedStatement, known: &[Option<Type>], context: &Arc<StatementContext>) -> Result<Arc<Bound>> {
        let (plan, types) = session::bind(context, statement, Some(known))?;
        let placeholders = crate::parse::count_placeholders(&statement.text);
        if placeholders != known.len() {
            return Err(SqlError::new(
                SqlState::ProtocolViolation,
                format!(
                    "the statement has {placeholders} placeholders but {} parameters were given",
                    known.len()
                ),
            ));
        }
        let resource = describe(&plan);
        let bound = Arc::new(Bound { plan, types, resource });
        match &bound.plan {
            Plan::Query(_) | Plan::Insert(_) | Plan::Update(_) | Plan::Delete(_) => {
                self.session.plans.lock().keep(context, sql, known, Kept::Plan(bound.clone()));
            }
            Plan::Call(_) | Plan::Utility(_) => {}
        }
        Ok(bound)
    }
}

/// Whether a statement commits (true) or rolls back.
fn transaction_end(statement: &Statement) -> Option<bool> {
    let Statement::Utility(utility) = statement else { return None };
    match **utility {
        Utility::Commit => Some(true),
        Utility::Rollback => Some(false),
        _ => None,
    }
}

/// JSON is jsonb, in the form that PostgreSQL keeps it in; a guest may have written anything.
fn own(value: &Datum) -> Result<Datum> {
    match value {
        Datum::Json(text) => types::text::parse(Type::Jsonb, NO_TYPMOD, text, &TextStyle::default()),
        other => Ok(other.clone()),
    }
}

/// The type that a value brings with it; None for text and null, which take what their place wants.
fn param_type(value: &Datum) -> Option<Type> {
    match value {
        Datum::Null | Datum::Text(_) => None,
        Datum::Bool(_) => Some(Type::Bool),
        Datum::Int2(_) => Some(Type::Int2),
        Datum::Int4(_) => Some(Type::Int4),
        Datum::Int8(_) => Some(Type::Int8),
        Datum::Float4(_) => Some(Type::Float4),
        Datum::Float8(_) => Some(Type::Float8),
        Datum::Numeric(_) => Some(Type::Numeric),
        Datum::Bytea(_) => Some(Type::Bytea),
        Datum::Date(_) => Some(Type::Date),
        Datum::Time(_) => Some(Type::Time),
        Datum::Timestamp(_) => Some(Type::Timestamp),
        Datum::Timestamptz(_) => Some(Type::Timestamptz),
        Datum::Interval(_) => Some(Type::Interval),
        Datum::Uuid(_) => Some(Type::Uuid),
        Datum::Json(_) => Some(Type::Jsonb),
        Datum::Oid(_) => Some(Type::Oid),
        Datum::Array(array) => array.element.array_of(),
        Datum::Record(_) => Some(Type::Record),
    }
}
