//! Functions of LANGUAGE sql.
//!
//! The life of a call: the body's statements are bound once for a statement that calls it, with the
//! arguments as parameters; for each row they run in order, in the caller's transaction; what the last one
//! returns is the result. There is no sandbox and nothing to grant: the function may do what its caller
//! may (SECURITY DEFINER: what its owner may), and every function further up the chain is asked as well.

use std::sync::Arc;

use catalog::{Function, Returns};
use functions::cast::{Context, can_cast};
use query::{Host, Row, RowIter};
use types::{Datum, NO_TYPMOD, Result, SqlError, SqlState, Type};

use super::backend::describe;
use super::rights::reference;
use super::sql_run::SqlRun;
use super::{Calls, nested};
use crate::bind::FunctionArguments;
use crate::context::StatementContext;
use crate::parse::{ParsedStatement, Placeholders, Statement, Utility};
use crate::plan::Plan;
use crate::search_path;
use crate::session::{self, AuditedRows};
use crate::write::Written;

/// How deep functions of this language may call each other.
const MAX_SQL_DEPTH: u32 = 50;

/// A body, bound for its arguments.
pub(super) struct Body {
    /// Of the catalog that it was bound to: a function of the same statement may have changed it.
    catalog: Arc<catalog::Snapshot>,
    plans: Vec<Plan>,
    /// For each column of the result: the type that it comes with and the one that was declared.
    casts: Vec<(Type, Type)>,
}

/// Everything that is wrong with a new function's body.
pub fn check_body(context: &StatementContext, function: &Function) -> Result<()> {
    let inside = inner(context, function, Calls::at(&context.calls), vec![])?;
    bind(&inside, function).map(|_| ())
}

fn bind(context: &StatementContext, function: &Function) -> Result<Body> {
    let arguments = FunctionArguments {
        function: function.name.clone(),
        names: function.args.iter().map(|arg| arg.name.clone()).collect(),
    };
    let known: Vec<Option<Type>> = function.args.iter().map(|arg| Some(arg.ty)).collect();
    let mut plans = vec![];
    let parsed =
        crate::parse::parse_while(&function.body, Placeholders::Dollar, &context.cancel).map_err(|error| in_body(error, function, None))?;
    for (index, statement) in parsed.iter().enumerate() {
        let number = index + 1;
        let bound = bind_one(context, statement, &known, &arguments).map_err(|error| in_body(error, function, Some(number)))?;
        plans.push(bound);
    }
    let casts = casts(function, plans.last())?;
    Ok(Body {
        catalog: context.catalog.clone(),
        plans,
        casts,
    })
}

fn bind_one(
    context: &StatementContext,
    statement: &ParsedStatement,
    known: &[Option<Type>],
    arguments: &FunctionArguments,
) -> Result<Plan> {
    let (plan, _) = session::bind_in_function(context, statement, known, arguments)?;
    match plan {
        Plan::Utility(statement) => Err(SqlError::new(
            SqlState::FeatureNotSupported,
            format!("{} is not allowed in an SQL function", first_word(&statement)),
        )),
        Plan::Query(query) if query.explain => Err(SqlError::unsupported("EXPLAIN inside a function")),
        plan => Ok(plan),
    }
}

fn first_word(statement: &Statement) -> String {
    let words = match statement {
        Statement::Sql(sql) => return sql.to_string().split_whitespace().take(2).collect::<Vec<_>>().join(" "),
        Statement::CreateFunction(_) => "CREATE FUNCTION",
        Statement::AlterFunction(_) => "ALTER FUNCTION",
        Statement::DropFunction(_) => "DROP FUNCTION",
        Statement::Do(_) => "DO",
        Statement::CreateAggregate(_) => "CREATE AGGREGATE",
        Statement::CreateTrigger(_) => "CREATE TRIGGER",
        Statement::DropTrigger(_) => "DROP TRIGGER",
        Statement::GrantCapability { .. } => "GRANT CAPABILITY",
        Statement::SecurityPolicy(_) => "SECURITY POLICY",
        Statement::ExplainCapabilities(..) => "EXPLAIN CAPABILITIES",
        Statement::TestFunction(_) => "TEST FUNCTION",
        Statement::Comment(_) => "COMMENT",
        Statement::Access(access) => access.command(),
        Statement::Utility(utility) => match &**utility {
            Utility::Commit => "COMMIT",
            Utility::Rollback => "ROLLBACK",
            Utility::Begin { tag, .. } => tag,
            Utility::Savepoint(_) => "SAVEPOINT",
            Utility::RollbackTo(_) => "ROLLBACK TO SAVEPOINT",
            Utility::Release(_) => "RELEASE SAVEPOINT",
            Utility::SetTransaction { .. } => "SET TRANSACTION",
            Utility::Set { .. } | Utility::SetIdentity { .. } => "SET",
            Utility::Reset(_) | Utility::ResetAll => "RESET",
            Utility::Show(_) | Utility::ShowAll => "SHOW",
            Utility::DiscardAll => "DISCARD ALL",
            Utility::Prepare { .. } => "PREPARE",
            Utility::Execute { .. } => "EXECUTE",
            Utility::Deallocate(_) => "DEALLOCATE",
            Utility::Listen(_) => "LISTEN",
            Utility::Unlisten(_) => "UNLISTEN",
            Utility::CloseCursor(_) => "CLOSE",
            Utility::Notify { .. } => "NOTIFY",
            Utility::TrimAuditLog(_) => "ALTER SYSTEM",
            Utility::CreateRole { .. } => "CREATE ROLE",
            Utility::AlterRole(_) => "ALTER ROLE",
            Utility::DropRole { .. } => "DROP ROLE",
        },
    };
    words.to_string()
}

/// An error of the body: its positions are not the client's.
fn in_body(error: SqlError, function: &Function, statement: Option<usize>) -> SqlError {
    let error = error.without_position();
    if error.fields().context.is_some() {
        return error;
    }
    error.context(match statement {
        Some(number) => format!("SQL function \"{}\" statement {number}", function.name),
        None => format!("SQL function \"{}\"", function.name),
    })
}

/// What becomes of the last statement's columns; 42P13 where they are not what was declared.
fn casts(function: &Function, last: Option<&Plan>) -> Result<Vec<(Type, Type)>> {
    let ty = function.returns.ty();
    let mismatch = |detail: String| {
        SqlError::new(
            SqlState::InvalidFunctionDefinition,
            format!("return type mismatch in function declared to return {ty}"),
        )
        .detail(detail)
        .context(format!("SQL function \"{}\"", function.name))
    };
    let wanted: Vec<Type> = match &function.returns {
        Returns::Void => return Ok(vec![]),
        Returns::Trigger => {
            return Err(SqlError::new(
                SqlState::InvalidFunctionDefinition,
                "SQL functions cannot return type trigger",
            ));
        }
        Returns::Scalar(ty) | Returns::SetOf(ty) => vec![*ty],
        Returns::Table(columns) => columns.iter().map(|(_, ty)| *ty).collect(),
    };
    let Some(columns) = last.and_then(Plan::columns) else {
        return Err(mismatch(
            "Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING.".into(),
        ));
    };
    if columns.len() != wanted.len() {
        return Err(mismatch(match wanted.len() {
            1 => "Final statement must return exactly one column.".into(),
            count if columns.len() > count => "Final statement returns too many columns.".into(),
            _ => "Final statement returns too few columns.".into(),
        }));
    }
    let mut casts = vec![];
    for (index, (column, to)) in columns.iter().zip(wanted).enumerate() {
        if column.ty != to && !can_cast(column.ty, to, Context::Assignment) {
            return Err(mismatch(match columns.len() {
                1 => format!("Actual return type is {}.", column.ty),
                _ => format!("Final statement returns {} instead of {to} at column {}.", column.ty, index + 1),
            }));
        }
        casts.push((column.ty, to));
    }
    Ok(casts)
}

impl Calls {
    /// One result for each row of arguments.
    pub(super) fn call_sql(
        &self,
        context: &StatementContext,
        function: &Arc<Function>,
        rows: usize,
        args: &[&[Datum]],
    ) -> Result<Vec<Datum>> {
        let at = self.begin_sql(context, function)?;
        let body = at.body().or_else(|error| at.failed(error))?;
        (0..rows)
            .map(|index| {
                context.cancel.check()?;
                let row: Row = args.iter().map(|column| column[index].clone()).collect();
                let mut result = at.run(&body, &row)?;
                match (&function.returns, result.next()) {
                    (Returns::Void, _) => Ok(Datum::Null),
                    (_, None) => Ok(Datum::Null),
                    (_, Some(row)) => Ok(row?.pop().unwrap_or_default()),
                }
            })
            .collect::<Result<_>>()
            .or_else(|error| at.failed(error))
    }

    /// The rows of the last statement, as they are asked for.
    pub(super) fn call_sql_set(&self, context: &StatementContext, function: &Arc<Function>, args: &[Datum]) -> Result<RowIter> {
        let at = self.begin_sql(context, function)?;
        let rows = at.body().and_then(|body| at.run(&body, args));
        let mut rows = rows.or_else(|error| at.failed(error))?;
        let run = at.run.clone();
        Ok(Box::new(std::iter::from_fn(move || {
            let row = rows.next()?;
            Some(row.or_else(|error| {
                run.failed(&error)?;
                Err(error)
            }))
        })))
    }

    /// What a call needs before its first row.
    fn begin_sql<'a>(&self, context: &'a StatementContext, function: &'a Arc<Function>) -> Result<AtWork<'a>> {
        if !function.enabled {
            return Err(SqlError::new(
                SqlState::ObjectNotInPrerequisiteState,
                format!("function {} is disabled", function.name),
            )
            .hint(format!(
                "ALTER FUNCTION {} SET ENABLED = true;",
                reference(function, &context.catalog)
            )));
        }
        crate::stack::check()?;
        if self.sql_depth >= MAX_SQL_DEPTH {
            return Err(SqlError::new(SqlState::StatementTooComplex, "stack depth limit exceeded")
                .detail(format!("SQL functions call each other more than {MAX_SQL_DEPTH} deep.")));
        }
        let run = SqlRun::of(self, context, function)?;
        Ok(AtWork { context, function, run })
    }
}

/// The surroundings of the body's statements.
fn inner(context: &StatementContext, function: &Function, calls: Calls, params: Vec<Datum>) -> Result<Arc<StatementContext>> {
    let actor = match function.security_definer {
        false => context.actor.clone(),
        true => context.acting_as(function.owner)?,
    };
    let path = search_path::within(function, context.function_path.as_ref());
    let inside = context.with(actor, params, calls);
    Ok(Arc::new(inside.along(path)))
}

/// A function at work for a statement.
struct AtWork<'a> {
    context: &'a StatementContext,
    function: &'a Arc<Function>,
    run: Arc<SqlRun>,
}

impl AtWork<'_> {
    fn inner(&self, params: Vec<Datum>) -> Result<Arc<StatementContext>> {
        inner(self.context, self.function, Calls::inside(&self.context.calls, &self.run), params)
    }

    /// Its failure is on record before anybody hears of it.
    fn failed<T>(&self, error: SqlError) -> Result<T> {
        self.run.failed(&error)?;
        Err(error)
    }

    fn body(&self) -> Result<Arc<Body>> {
        let inside = self.inner(vec![])?;
        let known = self.run.body.lock().clone();
        if let Some(body) = known
            && Arc::ptr_eq(&body.catalog, &inside.catalog)
        {
            return Ok(body);
        }
        let body = Arc::new(bind(&inside, self.function)?);
        *self.run.body.lock() = Some(body.clone());
        Ok(body)
    }

    /// Runs every statement of the body; the rows are the last one's, converted.
    fn run(&self, body: &Arc<Body>, args: &[Datum]) -> Result<RowIter> {
        let mut result: RowIter = Box::new(std::iter::empty());
        let count = body.plans.len();
        for (index, plan) in body.plans.iter().enumerate() {
            let last = index + 1 == count;
            result = self
                .run_one(index, plan, last, args)
                .map_err(|error| in_body(error, self.function, Some(index + 1)))?;
        }
        let (body, function) = (body.clone(), self.function.clone());
        let cast_in = self.inner(vec![])?;
        Ok(Box::new(result.map(move |row| {
            let row = row.map_err(|error| in_body(error, &function, Some(count)))?;
            row.into_iter()
                .zip(&body.casts)
                .map(|(value, (from, to))| match from == to {
                    true => Ok(value),
                    false => functions::cast::cast(&*cast_in, value, *from, *to, NO_TYPMOD, false),
                })
                .collect()
        })))
    }

    fn run_one(&self, index: usize, plan: &Plan, last: bool, args: &[Datum]) -> Result<RowIter> {
        let inside = self.inner(args.to_vec())?;
        session::admit(plan, &inside)?;
        if let Some((touched, target)) = nested::touched(plan) {
            if let Some(gate) = inside.calls.gate() {
                nested::permits(&gate, touched, target, &inside)?;
            }
            // What only computes is no operation on the database.
            if target.is_some() || !touched.reads.is_empty() || matches!(plan, Plan::Call(_)) {
                self.run.operates(index, || describe(plan))?;
            }
        }
        match plan {
            Plan::Query(query) if last => {
                let host: Arc<dyn Host> = inside.clone();
                let rows = query.execute(&host).inspect_err(|error| inside.calls.fail(&inside, error))?;
                Ok(match query.touched.calls.is_empty() {
                    true => rows,
                    false => Box::new(AuditedRows::new(rows, inside)),
                })
            }
            _ => {
                let Written { returned, .. } = nested::carry_out(plan, inside, |params| self.inner(params))?;
                Ok(Box::new(returned.into_iter().map(Ok)))
            }
        }
    }
}
