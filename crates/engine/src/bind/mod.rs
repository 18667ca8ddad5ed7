//! Names, types and operators: from the parser's tree to the typed plan.
//!
//! The life of a query here: FROM makes relations and a [`scope::Scope`] of their columns; WHERE,
//! GROUP BY, HAVING, the select list and ORDER BY are bound in that scope ([`expr`]), while
//! aggregates, window calls and set-returning calls that turn up are collected in the query's
//! [`Level`]; [`select`] then stacks the relations. Every coercion that PostgreSQL would insert is
//! inserted here, so that what comes out needs none.

mod after_sort;
mod cte;
mod cte_place;
pub mod dml;
mod expr;
mod from;
mod function;
mod grouping;
pub mod names;
mod operator;
mod record;
mod scope;
mod select;
mod special_call;
pub mod type_names;
mod user_arguments;
mod whole_query;

use std::collections::HashMap;
use std::sync::Arc;

use functions::Environment;
use functions::cast::Context;
use query::ir::{AggregateCall, ColumnId, Expr, Rel, SetCall, WindowCall};
use sqlparser::ast;
use sqlparser::ast::Spanned;
use types::{Datum, NO_TYPMOD, Result, SqlError, SqlState, Type};

pub use function::undefined_function;
pub use names::Names;
pub use scope::{Scope, ScopeColumn, ScopeTable};

/// How deep a statement of a function may nest, each operator of a chain included: sixteen functions that
/// call each other from within such statements have one stack of 64 MiB between them.
const MAX_NESTING_WITHIN: usize = 200;

/// How many copies of views and of WITH queries that are NOT MATERIALIZED one statement may expand to. A chain of
/// queries that each read the one before twice doubles at every link, so their number is bounded and not only their depth.
const MAX_EXPANSIONS: usize = 4_000;

/// A column of a query's result.
#[derive(Clone, Debug)]
pub struct Output {
    pub name: String,
    pub id: ColumnId,
    pub ty: Type,
}

/// A query and the names of its columns; `rel` produces exactly these columns in this order.
#[derive(Clone, Debug)]
pub struct Bound {
    pub rel: Rel,
    pub columns: Vec<Output>,
}

/// What is known of a column besides its type: for RowDescription.
#[derive(Clone, Copy, Debug)]
pub struct ColumnMeta {
    pub typmod: i32,
    pub table_oid: u32,
    pub attnum: i16,
}

const NO_META: ColumnMeta = ColumnMeta {
    typmod: NO_TYPMOD,
    table_oid: 0,
    attnum: 0,
};

/// What a statement touches: the input of authorization, collected while names are resolved.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    /// Tables, views and system tables that are read. A view's own tables are read too.
    pub reads: Vec<Read>,
    pub calls: Vec<Arc<catalog::Function>>,
    /// The schemas of what the statement itself names, views' insides left out.
    pub schemas: Vec<String>,
    /// The table that is written is looked at, too: by WHERE, the new values or ON CONFLICT. SQL asks for SELECT then;
    /// to a capability a write is a write.
    pub target_read: bool,
}

/// A relation that is read, and with whose privileges.
#[derive(Clone, Debug)]
pub struct Read {
    pub table: Arc<catalog::Table>,
    /// The owner of the view that reads it; None: who runs the statement.
    pub role: Option<u32>,
}

impl std::ops::Deref for Read {
    type Target = Arc<catalog::Table>;

    fn deref(&self) -> &Arc<catalog::Table> {
        &self.table
    }
}

/// Binds one statement.
pub struct Binder<'a> {
    pub names: Names<'a>,
    pub env: &'a dyn Environment,
    source: crate::parse::Source,
    /// The type of each `$n`; None where nothing has decided it yet.
    params: Vec<Option<Type>>,
    /// Whether the statement may ask for more parameters than those: it is being prepared.
    more_params: bool,
    /// Whether chains of operators may be as long as the parser lets them.
    long_chains: bool,
    columns: Vec<ColumnMeta>,
    /// The fields of columns that are records.
    records: HashMap<ColumnId, record::Fields>,
    levels: Vec<Level>,
    ctes: Vec<Cte>,
    /// How many WITH queries there were so far.
    cte_count: u32,
    depth: usize,
    /// Copies of views and WITH queries made so far.
    expansions: usize,
    pub touched: Touched,
    /// The owner of the view that is being bound.
    view_owner: Option<u32>,
    /// The function that the statement stands in.
    pub function_arguments: Option<FunctionArguments>,
}

/// The names that mean `$1`, `$2`, ... in the body of a function of LANGUAGE sql.
#[derive(Clone, Debug)]
pub struct FunctionArguments {
    /// The function's name, which may qualify them.
    pub function: String,
    pub names: Vec<Option<String>>,
}

/// A name of a WITH clause.
struct Cte {
    name: String,
    columns: Vec<(String, Type, i32)>,
    body: CteBody,
}

enum CteBody {
    Query(cte_place::Query),
    /// Inside its own recursive part.
    WorkTable(String),
}

/// What one SELECT collects while its expressions are bound.
#[derive(Default)]
struct Level {
    aggregates: Vec<(ColumnId, AggregateCall)>,
    windows: Vec<(ColumnId, WindowCall)>,
    sets: Vec<(ColumnId, Type, SetCall)>,
    named_windows: Vec<ast::NamedWindowDefinition>,
    place: Place,
}

/// Which clause is being bound: decides where aggregates, window calls and sets are allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Place {
    #[default]
    SelectList,
    Having,
    OrderBy,
    Where,
    GroupBy,
    JoinOn,
    From,
    Values,
    AggregateArgument,
    WindowArgument,
    Limit,
    Check,
    Returning,
    Set,
    CallArgument,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Place::SelectList => "SELECT",
            Place::Having => "HAVING",
            Place::OrderBy => "ORDER BY",
            Place::Where => "WHERE",
            Place::GroupBy => "GROUP BY",
            Place::JoinOn => "JOIN conditions",
            Place::From => "functions in FROM",
            Place::Values => "VALUES",
            Place::AggregateArgument => "aggregate function calls",
            Place::WindowArgument => "window definitions",
            Place::Limit => "LIMIT",
            Place::Check => "check constraints",
            Place::Returning => "RETURNING",
            Place::Set => "UPDATE",
            Place::CallArgument => "CALL arguments",
        }
    }

    fn allows_aggregates(self) -> bool {
        matches!(self, Place::SelectList | Place::Having | Place::OrderBy | Place::WindowArgument)
    }

    fn allows_windows(self) -> bool {
        matches!(self, Place::SelectList | Place::OrderBy)
    }
}

impl<'a> Binder<'a> {
    /// `params`: the types that the client gave for `$1`, `$2`, ...
    pub fn new(names: Names<'a>, env: &'a dyn Environment, source: crate::parse::Source, params: &[Option<Type>]) -> Binder<'a> {
        Binder {
            names,
            env,
            source,
            params: params.to_vec(),
            more_params: false,
            long_chains: false,
            columns: vec![],
            records: HashMap::new(),
            levels: vec![],
            ctes: vec![],
            cte_count: 0,
            depth: 0,
            expansions: 0,
            touched: Touched::default(),
            view_owner: None,
            function_arguments: None,
        }
    }

    /// A relation is read here.
    fn touch(&mut self, table: &Arc<catalog::Table>) {
        self.touch_schema(&table.schema);
        self.touched.reads.push(Read {
            table: table.clone(),
            role: self.view_owner,
        });
    }

    /// A user's function is called here. It is always the caller who has to have the right to it, in views too.
    fn touch_call(&mut self, function: &Arc<catalog::Function>) {
        self.touch_schema(&function.schema);
        self.touched.calls.push(function.clone());
    }

    /// Something of this schema is named here.
    fn touch_schema(&mut self, schema: &str) {
        if self.view_owner.is_none() && !self.touched.schemas.iter().any(|known| known == schema) {
            self.touched.schemas.push(schema.to_string());
        }
    }

    /// Lets the statement ask for parameters that nobody has spoken of yet.
    pub fn with_more_params(mut self) -> Binder<'a> {
        self.more_params = true;
        self
    }

    /// For a client's own statement: only one of them is on a stack at a time.
    pub fn with_long_chains(mut self) -> Binder<'a> {
        self.long_chains = true;
        self
    }

    /// The types of the parameters once the statement is bound; what nothing decided is text.
    pub fn param_types(&self) -> Vec<Type> {
        self.params.iter().map(|ty| ty.unwrap_or(Type::Text)).collect()
    }

    pub fn meta(&self, id: ColumnId) -> ColumnMeta {
        self.columns.get(id.0 as usize).copied().unwrap_or(NO_META)
    }

    pub fn new_column(&mut self, meta: ColumnMeta) -> ColumnId {
        self.columns.push(meta);
        ColumnId(u32::try_from(self.columns.len() - 1).unwrap_or(u32::MAX))
    }

    pub fn position(&self, span: sqlparser::tokenizer::Span) -> Option<usize> {
        crate::parse::position(&self.source, span.start)
    }

    /// Puts the node's position on an error that has none yet.
    fn at<T>(&self, node: &dyn Spanned, result: Result<T>) -> Result<T> {
        result.map_err(|error| match error.fields().position {
            Some(_) => error,
            None => error.position_if_absent(self.position(node.span())),
        })
    }

    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.deeper_by(1, f)
    }

    fn deeper_by<T>(&mut self, levels: usize, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let most = if self.long_chains {
            crate::parse::MAX_NESTING
        } else {
            MAX_NESTING_WITHIN
        };
        if self.depth + levels > most {
            return Err(crate::parse::too_complex());
        }
        self.depth += levels;
        let result = f(self);
        self.depth -= levels;
        result
    }

    fn level(&mut self) -> &mut Level {
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        self.levels.last_mut().expect("a level was just pushed if there was none")
    }

    fn in_place<T>(&mut self, place: Place, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = std::mem::replace(&mut self.level().place, place);
        let result = f(self);
        self.level().place = before;
        result
    }

    /// The typmod of an expression's value, where it has one.
    pub fn typmod(&self, expr: &Expr) -> i32 {
        match expr {
            Expr::Column { id, .. } => self.meta(*id).typmod,
            Expr::Cast { typmod, .. } => *typmod,
            _ => NO_TYPMOD,
        }
    }

    fn meta_of(&self, expr: &Expr) -> ColumnMeta {
        match expr {
            Expr::Column { id, .. } => self.meta(*id),
            other => ColumnMeta {
                typmod: self.typmod(other),
                ..NO_META
            },
        }
    }

    /// Converts to exactly this type, or says why not: 42804 with PostgreSQL's words.
    pub fn coerce(&mut self, expr: Expr, to: Type, typmod: i32, context: Context, refuse: impl FnOnce(Type) -> SqlError) -> Result<Expr> {
        let from = expr.ty();
        if from == Type::Unknown {
            return self.coerce_unknown(expr, to, typmod, context);
        }
        let is_vector = types::vector_oid(from, self.typmod(&expr)).is_some();
        // A vector that is asked for as an array is none any more.
        let stays = !(is_vector && context == Context::Explicit);
        if from == to && stays && (typmod == NO_TYPMOD || typmod == self.typmod(&expr)) {
            return Ok(expr);
        }
        if from != to && !functions::cast::can_cast(from, to, context) {
            return Err(refuse(from));
        }
        if is_vector && to.element().is_none() {
            let blank = Expr::Const(Datum::text(" "), Type::Text);
            let text = self.call_builtin("array_to_string", vec![expr, blank])?;
            return self.coerce(text, to, typmod, context, refuse);
        }
        Ok(Expr::Cast {
            arg: Box::new(expr),
            to,
            typmod,
            explicit: context == Context::Explicit,
        })
    }

    /// An implicit coercion that resolution has already allowed.
    fn coerce_resolved(&mut self, expr: Expr, to: Type) -> Result<Expr> {
        if matches!(to, Type::Any | Type::AnyElement | Type::AnyArray) {
            return self.unknown_to_text(expr);
        }
        // `text || anynonarray` takes any value as text: resolution allows what an implicit cast would not.
        self.coerce(expr, to, NO_TYPMOD, Context::Assignment, |from| cannot_cast(from, to))
    }

    fn coerce_unknown(&mut self, expr: Expr, to: Type, typmod: i32, context: Context) -> Result<Expr> {
        match expr {
            Expr::Const(Datum::Null, _) => Ok(Expr::Const(Datum::Null, to)),
            Expr::Const(Datum::Text(text), _) => {
                if to == Type::Unknown {
                    return Ok(Expr::Const(Datum::Text(text), to));
                }
                // The reg* types read names in the catalog: only the environment can.
                let datum = functions::cast::cast(self.env, Datum::Text(text), Type::Unknown, to, typmod, context == Context::Explicit)?;
                Ok(match typmod {
                    NO_TYPMOD => Expr::Const(datum, to),
                    _ => Expr::Cast {
                        arg: Box::new(Expr::Const(datum, to)),
                        to,
                        typmod,
                        explicit: context == Context::Explicit,
                    },
                })
            }
            Expr::Param { index, .. } => {
                let ty = match self.params.get(index).copied().flatten() {
                    Some(known) => known,
                    None => {
                        self.params[index] = Some(to);
                        to
                    }
                };
                let param = Expr::Param { index, ty };
                if ty != to || typmod != NO_TYPMOD {
                    return self.coerce(param, to, typmod, context, |from| {
                        SqlError::new(
                            SqlState::AmbiguousParameter,
                            format!("inconsistent types deduced for parameter ${}", index + 1),
                        )
                        .detail(format!("{from} versus {to}"))
                    });
                }
                Ok(param)
            }
            // A NULL that came through CASE or the like without any type.
            other => Ok(Expr::Cast {
                arg: Box::new(other),
                to,
                typmod,
                explicit: context == Context::Explicit,
            }),
        }
    }

    /// What is still untyped where a value leaves the query is text.
    fn unknown_to_text(&mut self, expr: Expr) -> Result<Expr> {
        if expr.ty() == Type::Unknown {
            return self.coerce_unknown(expr, Type::Text, NO_TYPMOD, Context::Implicit);
        }
        Ok(expr)
    }

    /// A condition: `what` is WHERE, HAVING, CASE/WHEN and so on.
    fn coerce_bool(&mut self, expr: Expr, what: &str) -> Result<Expr> {
        let what = what.to_string();
        self.coerce(expr, Type::Bool, NO_TYPMOD, Context::Implicit, |from| {
            SqlError::new(
                SqlState::DatatypeMismatch,
                format!("argument of {what} must be type boolean, not type {from}"),
            )
        })
    }
}

pub fn cannot_cast(from: Type, to: Type) -> SqlError {
    SqlError::new(SqlState::CannotCoerce, format!("cannot cast type {from} to {to}"))
}
