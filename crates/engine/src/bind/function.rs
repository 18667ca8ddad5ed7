//! Function calls: special forms, aggregates, window functions, set-returning functions,
//! built-ins and users' functions.

use std::sync::Arc;

use functions::resolve::Target;
use query::ir::{
    AggregateCall, AggregateTarget, Expr, Frame, FrameBound, FrameUnit, SetCall, SortKey, UserAggregate, WindowCall, WindowTarget,
};
use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments};
use types::{Datum, Result, SqlError, SqlState, Type};

use super::from::outputs;
use super::{Binder, NO_META, Place, Scope, cannot_cast};
use crate::parse::{fold, object_name};

/// A call's arguments as written, bound.
pub(super) struct Arguments {
    pub exprs: Vec<Expr>,
    /// The name of each argument given as `name => value`.
    pub names: Vec<Option<String>>,
    star: bool,
    distinct: bool,
    order_by: Vec<ast::OrderByExpr>,
}

impl Binder<'_> {
    pub(super) fn function(&mut self, call: &ast::Function, scope: &Scope<'_>) -> Result<Expr> {
        let (schema, name) = object_name(&call.name)?;
        let builtin = schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
        if let FunctionArguments::Subquery(query) = &call.args {
            if name == "array" && schema.is_none() {
                return self.array_subquery(query, scope);
            }
            return Err(SqlError::new(
                SqlState::SyntaxError,
                "a subquery as an argument needs parentheses of its own",
            ));
        }
        if builtin && matches!(call.args, FunctionArguments::None) {
            return self.keyword_function(&name, vec![]);
        }
        let is_aggregate = builtin && !functions::registry::aggregates_named(&name).is_empty();
        let is_aggregate = is_aggregate || self.means_aggregate(schema.as_deref(), &name, call, scope)?;
        if let Some(over) = &call.over {
            return self.window(schema.as_deref(), &name, call, over, scope);
        }
        if is_aggregate || (schema.is_none() && name == "grouping") {
            return self.aggregate(schema.as_deref(), &name, call, scope);
        }
        if call.filter.is_some() || !call.within_group.is_empty() {
            return Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("FILTER specified, but {name} is not an aggregate function"),
            ));
        }
        if builtin && functions::registry::is_window_function(&name) {
            return Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("window function {name} requires an OVER clause"),
            ));
        }
        let args = self.arguments(call, scope)?;
        if args.distinct {
            return Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("DISTINCT specified, but {name} is not an aggregate function"),
            ));
        }
        if args.star {
            return Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("{name}(*) specified, but {name} is not an aggregate function"),
            ));
        }
        if schema.is_none() {
            if let Some(clock) = self.clock_with_precision(&name, &args.exprs)? {
                return Ok(clock);
            }
            match name.as_str() {
                "coalesce" => return self.coalesce(args.exprs),
                "nullif" => return self.nullif(args.exprs),
                "greatest" | "least" => return self.extreme(&name, args.exprs),
                "row" => {
                    let items = args.exprs.into_iter().map(|arg| self.unknown_to_text(arg)).collect::<Result<_>>()?;
                    return Ok(Expr::Row(items, None));
                }
                // PostgreSQL's grammar turns position(a in b) round; the function itself takes (string, substring).
                "current_schema" | "current_user" | "session_user" if args.exprs.is_empty() => return self.keyword_function(&name, vec![]),
                _ => {}
            }
        }
        self.call(schema.as_deref(), &name, args.exprs, &args.names)
    }

    /// Whether a call is of a user's aggregate. Where aggregates and functions share the name, the arguments decide.
    fn means_aggregate(&mut self, schema: Option<&str>, name: &str, call: &ast::Function, scope: &Scope<'_>) -> Result<bool> {
        let candidates = self.names.functions(schema, name);
        let aggregates = candidates.iter().filter(|function| function.aggregate.is_some()).count();
        if aggregates == 0 || aggregates == candidates.len() {
            return Ok(aggregates > 0);
        }
        let arguments = self.arguments(call, scope)?;
        let (chosen, _) = self.user_arguments(schema, name, &candidates, arguments.exprs, &arguments.names)?;
        Ok(chosen.aggregate.is_some())
    }

    /// The functions that a user's aggregate is made of.
    fn user_aggregate(&mut self, function: &Arc<catalog::Function>, aggregate: &catalog::Aggregate) -> Result<Arc<UserAggregate>> {
        let find = |oid: u32| {
            let found = self.names.snapshot.function_by_oid(oid).cloned();
            found.ok_or_else(|| SqlError::internal(format!("a function that aggregate {} is made of is gone", function.name)))
        };
        let initial = match &aggregate.initial {
            None => Datum::Null,
            Some(text) => functions::cast::cast(self.env, Datum::text(text), Type::Unknown, aggregate.state, types::NO_TYPMOD, false)?,
        };
        Ok(Arc::new(UserAggregate {
            transition: find(aggregate.transition)?,
            finalizer: aggregate.finalizer.map(find).transpose()?,
            initial,
        }))
    }

    pub(super) fn arguments(&mut self, call: &ast::Function, scope: &Scope<'_>) -> Result<Arguments> {
        let mut arguments = Arguments {
            exprs: vec![],
            names: vec![],
            star: false,
            distinct: false,
            order_by: vec![],
        };
        let FunctionArguments::List(list) = &call.args else {
            return Ok(arguments);
        };
        arguments.distinct = matches!(list.duplicate_treatment, Some(ast::DuplicateTreatment::Distinct));
        for clause in &list.clauses {
            match clause {
                ast::FunctionArgumentClause::OrderBy(keys) => arguments.order_by = keys.clone(),
                other => return Err(SqlError::unsupported(format!("{other} in a function call"))),
            }
        }
        for arg in &list.args {
            let (name, value) = match arg {
                FunctionArg::Unnamed(value) if arguments.names.iter().any(Option::is_some) => {
                    let refused = SqlError::new(SqlState::SyntaxError, "positional argument cannot follow named argument");
                    return self.at(value, Err(refused));
                }
                FunctionArg::Unnamed(value) => (None, value),
                FunctionArg::Named { name, arg, .. } => (Some(fold(name)), arg),
                FunctionArg::ExprNamed {
                    name: ast::Expr::Identifier(name),
                    arg,
                    ..
                } => (Some(fold(name)), arg),
                FunctionArg::ExprNamed { .. } => {
                    return Err(SqlError::new(SqlState::SyntaxError, "an argument's name must be an identifier"));
                }
            };
            if name.is_some() && arguments.names.contains(&name) {
                return Err(SqlError::new(
                    SqlState::SyntaxError,
                    format!("argument name \"{}\" used more than once", name.unwrap_or_default()),
                ));
            }
            match value {
                FunctionArgExpr::Expr(expr) => {
                    arguments.exprs.push(self.expr(expr, scope)?);
                    arguments.names.push(name);
                }
                FunctionArgExpr::Wildcard => arguments.star = true,
                FunctionArgExpr::QualifiedWildcard(table) => {
                    let (_, alias) = object_name(table)?;
                    let row = self.whole_row(&alias, scope).ok_or_else(|| {
                        SqlError::new(SqlState::UndefinedTable, format!("missing FROM-clause entry for table \"{alias}\""))
                    })?;
                    arguments.exprs.push(row);
                    arguments.names.push(None);
                }
                FunctionArgExpr::WildcardWithOptions(_) => return Err(SqlError::unsupported("* with options")),
            }
        }
        Ok(arguments)
    }

    /// A call of a built-in that the binder itself makes, or that has no other meaning.
    pub(super) fn call_builtin(&mut self, name: &str, args: Vec<Expr>) -> Result<Expr> {
        let names = vec![None; args.len()];
        self.call(Some("pg_catalog"), name, args, &names)
    }

    fn call(&mut self, schema: Option<&str>, name: &str, args: Vec<Expr>, names: &[Option<String>]) -> Result<Expr> {
        let types: Vec<Type> = args.iter().map(Expr::ty).collect();
        let mut missing = None;
        let candidates = self.names.functions(schema, name);
        let own;
        let builtin = match schema {
            None | Some("pg_catalog") => Some(name),
            Some("information_schema") if name == "_pg_expandarray" => Some(name),
            Some("heliosdb") => {
                own = format!("heliosdb.{name}");
                Some(own.as_str())
            }
            Some(_) => None,
        };
        if let Some(builtin) = builtin
            && names.iter().any(Option::is_some)
            && candidates.is_empty()
        {
            return self.named_builtin(builtin, args, names);
        }
        if let Some(builtin) = builtin
            && names.iter().all(Option::is_none)
        {
            // A user's function with just these types beats a built-in that needs a conversion.
            let exact = candidates.iter().any(|function| function.arg_types() == types);
            match functions::resolve::resolve_call(builtin, &types) {
                Ok(resolved) if exact && resolved.args != types => {}
                Ok(resolved) => {
                    let mut exprs = args
                        .into_iter()
                        .zip(&resolved.args)
                        .map(|(arg, ty)| self.coerce_resolved(arg, *ty))
                        .collect::<Result<Vec<_>>>()?;
                    if let Some(types) = resolved.types_argument {
                        exprs.push(self.types_argument(types, &exprs));
                    }
                    return match resolved.target {
                        Target::Scalar(function) => Ok(Expr::Call {
                            function,
                            args: exprs,
                            ty: resolved.ret,
                        }),
                        Target::Set(function) => self.set_call(resolved.ret, SetCall::Builtin { function, args: exprs }),
                        Target::Cast(ty) => {
                            let arg = exprs.pop().ok_or_else(|| undefined_function(schema, name, &types))?;
                            self.coerce(arg, ty, types::NO_TYPMOD, functions::cast::Context::Explicit, |from| {
                                cannot_cast(from, ty)
                            })
                        }
                        Target::Aggregate(_) => Err(SqlError::internal("an aggregate is bound elsewhere")),
                    };
                }
                Err(error) if error.state() == SqlState::UndefinedFunction && schema.is_none() => missing = Some(error),
                Err(error) => return Err(error),
            }
        }
        if candidates.is_empty() {
            return Err(missing.unwrap_or_else(|| undefined_function(schema, name, &types)));
        }
        let (function, args) = self.user_arguments(schema, name, &candidates, args, names)?;
        if function.is_procedure {
            return Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("{} is a procedure", signature(schema, name, &types, names)),
            )
            .hint("To call a procedure, use CALL."));
        }
        self.touch_call(&function);
        let ty = function.returns.ty();
        match &function.returns {
            catalog::Returns::Scalar(_) | catalog::Returns::Void => Ok(self.folded(Expr::UserCall { ty, function, args })),
            catalog::Returns::SetOf(_) | catalog::Returns::Table(_) => self.set_call(ty, SetCall::User { function, args }),
            catalog::Returns::Trigger => Err(trigger_call()),
        }
    }

    /// CALL: the procedure and its arguments.
    pub fn call_procedure(&mut self, call: &ast::Function) -> Result<crate::plan::Call> {
        let (schema, name) = object_name(&call.name)?;
        let schema = schema.as_deref();
        let Arguments { exprs, names, .. } = self.in_place(Place::CallArgument, |binder| binder.arguments(call, &Scope::default()))?;
        let types: Vec<Type> = exprs.iter().map(Expr::ty).collect();
        let of_procedure = |error: SqlError| match error.state() {
            SqlState::UndefinedFunction => SqlError::new(
                SqlState::UndefinedFunction,
                format!("procedure {} does not exist", signature(schema, &name, &types, &names)),
            )
            .hint("No procedure matches the given name and argument types. You might need to add explicit type casts."),
            SqlState::AmbiguousFunction => SqlError::new(
                SqlState::AmbiguousFunction,
                format!("procedure {} is not unique", signature(schema, &name, &types, &names)),
            )
            .hint("Could not choose a best candidate procedure. You might need to add explicit type casts."),
            _ => error,
        };
        let candidates = self.names.functions(schema, &name);
        let chosen = self.user_arguments(schema, &name, &candidates, exprs, &names).map_err(of_procedure);
        let (procedure, args) = self.at(&call.name, chosen)?;
        if !procedure.is_procedure {
            return Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("{} is not a procedure", signature(schema, &name, &types, &names)),
            )
            .hint("To call a function, use SELECT."));
        }
        self.touch_call(&procedure);
        Ok(crate::plan::Call {
            procedure,
            args,
            touched: std::mem::take(&mut self.touched),
        })
    }

    /// An IMMUTABLE function of constants is called once in a statement, when its value is first wanted.
    fn folded(&mut self, call: Expr) -> Expr {
        let ty = call.ty();
        let Expr::UserCall { function, args, .. } = &call else {
            return call;
        };
        if function.volatility != catalog::Volatility::Immutable || !args.iter().all(is_constant) {
            return call;
        }
        let id = self.new_column(NO_META);
        Expr::Scalar {
            query: Box::new(query::ir::Rel::Project {
                input: Box::new(query::ir::Rel::OneRow),
                exprs: vec![(id, call)],
            }),
            ty,
        }
    }

    /// A set-returning call in a select list.
    fn set_call(&mut self, ty: Type, call: SetCall) -> Result<Expr> {
        let place = self.level().place;
        if place != Place::SelectList {
            return Err(SqlError::new(
                SqlState::FeatureNotSupported,
                format!("set-returning functions are not allowed in {}", place.name()),
            ));
        }
        let id = self.new_column(NO_META);
        if let SetCall::Builtin { function, args } = &call {
            match function.columns.len() {
                1 => self.keep_result_fields(id, ty, args),
                _ => self.keep_columns(id, outputs(function, args)),
            }
        }
        self.level().sets.push((id, ty, call));
        Ok(Expr::Column { id, ty })
    }

    fn coalesce(&mut self, args: Vec<Expr>) -> Result<Expr> {
        let all: Vec<Type> = args.iter().map(Expr::ty).collect();
        let ty = functions::resolve::common_type(&all, "COALESCE")?;
        let args = args.into_iter().map(|arg| self.coerce_resolved(arg, ty)).collect::<Result<_>>()?;
        Ok(Expr::Coalesce(args, ty))
    }

    fn nullif(&mut self, args: Vec<Expr>) -> Result<Expr> {
        let Ok([left, right]) = <[Expr; 2]>::try_from(args) else {
            return Err(SqlError::new(SqlState::SyntaxError, "NULLIF takes two arguments"));
        };
        let equal = self.operator("=", Some(left.clone()), right)?;
        let left = self.unknown_to_text(left)?;
        let ty = left.ty();
        Ok(Expr::Case {
            branches: vec![(equal, Expr::Const(Datum::Null, ty))],
            otherwise: Some(Box::new(left)),
            ty,
        })
    }

    /// GREATEST and LEAST: NULLs are passed over.
    fn extreme(&mut self, name: &str, args: Vec<Expr>) -> Result<Expr> {
        let all: Vec<Type> = args.iter().map(Expr::ty).collect();
        let ty = functions::resolve::common_type(&all, if name == "greatest" { "GREATEST" } else { "LEAST" })?;
        let symbol = if name == "greatest" { ">=" } else { "<=" };
        let mut args = args
            .into_iter()
            .map(|arg| self.coerce_resolved(arg, ty))
            .collect::<Result<Vec<_>>>()?
            .into_iter();
        let mut best = args
            .next()
            .ok_or_else(|| SqlError::new(SqlState::SyntaxError, format!("{name} takes arguments")))?;
        for next in args {
            let keep = self.operator(symbol, Some(best.clone()), next.clone())?;
            best = Expr::Case {
                branches: vec![
                    (Expr::IsNull(Box::new(next.clone())), best.clone()),
                    (Expr::IsNull(Box::new(best.clone())), next.clone()),
                    (keep, best),
                ],
                otherwise: Some(Box::new(next)),
                ty,
            };
        }
        Ok(best)
    }

    /// `ARRAY(SELECT ...)`: the rows of one column as an array, empty rather than NULL.
    fn array_subquery(&mut self, query: &ast::Query, scope: &Scope<'_>) -> Result<Expr> {
        let bound = self.query(query, Some(scope), false)?;
        let [column] = bound.columns.as_slice() else {
            return Err(SqlError::new(SqlState::SyntaxError, "subquery must return only one column"));
        };
        let resolved = functions::resolve::resolve_call("array_agg", &[column.ty])?;
        let Target::Aggregate(function) = resolved.target else {
            return Err(SqlError::internal("array_agg is an aggregate"));
        };
        let id = self.new_column(NO_META);
        let values = vec![Expr::Column {
            id: column.id,
            ty: column.ty,
        }];
        self.keep_result_fields(id, resolved.ret, &values);
        let call = AggregateCall {
            function: AggregateTarget::Builtin(function),
            args: values,
            distinct: false,
            filter: None,
            order_by: vec![],
            ty: resolved.ret,
        };
        let rel = query::ir::Rel::Aggregate {
            input: Box::new(bound.rel),
            groups: vec![],
            sets: None,
            aggregates: vec![(id, call)],
        };
        let element = resolved.ret.element().unwrap_or(Type::Text);
        let empty = Expr::Const(Datum::array(element, vec![]), resolved.ret);
        Ok(Expr::Coalesce(
            vec![
                Expr::Scalar {
                    query: Box::new(rel),
                    ty: resolved.ret,
                },
                empty,
            ],
            resolved.ret,
        ))
    }

    fn aggregate(&mut self, schema: Option<&str>, name: &str, call: &ast::Function, scope: &Scope<'_>) -> Result<Expr> {
        let place = self.level().place;
        if place == Place::AggregateArgument {
            return Err(SqlError::new(SqlState::GroupingError, "aggregate function calls cannot be nested"));
        }
        if !place.allows_aggregates() {
            return Err(SqlError::new(
                SqlState::GroupingError,
                format!("aggregate functions are not allowed in {}", place.name()),
            ));
        }
        let bound = self.in_place(Place::AggregateArgument, |binder| binder.aggregate_call(schema, name, call, scope))?;
        if scope.only_outer(bound.args.iter().chain(&bound.filter)) {
            return Err(SqlError::unsupported("an aggregate over the columns of an outer query alone"));
        }
        let ty = bound.ty;
        let id = self.new_column(NO_META);
        self.keep_result_fields(id, ty, &bound.args);
        self.level().aggregates.push((id, bound));
        Ok(Expr::Column { id, ty })
    }

    fn aggregate_call(&mut self, schema: Option<&str>, name: &str, call: &ast::Function, scope: &Scope<'_>) -> Result<AggregateCall> {
        let mut args = self.arguments(call, scope)?;
        if name == "grouping" {
            // The indexes are filled in once the groups are known: until then the arguments stand here.
            return Ok(AggregateCall {
                function: AggregateTarget::Grouping(vec![]),
                args: args.exprs,
                distinct: false,
                filter: None,
                order_by: vec![],
                ty: Type::Int4,
            });
        }
        if args.star && !args.exprs.is_empty() {
            return Err(SqlError::new(SqlState::SyntaxError, "* must be the only argument"));
        }
        if !args.star && args.exprs.is_empty() && name == "count" {
            return Err(SqlError::new(
                SqlState::WrongObjectType,
                "count(*) must be used to call a parameterless aggregate function",
            ));
        }
        let mut order_by = self.sort_keys(&args.order_by, scope)?;
        if !call.within_group.is_empty() {
            // percentile_cont(0.5) WITHIN GROUP (ORDER BY x): the sorted value is the last argument.
            order_by = self.sort_keys(&call.within_group, scope)?;
            args.exprs.extend(order_by.iter().map(|key| key.expr.clone()));
        }
        let types: Vec<Type> = args.exprs.iter().map(Expr::ty).collect();
        let filter = call
            .filter
            .as_deref()
            .map(|filter| self.bool_expr(filter, scope, "FILTER"))
            .transpose()?;
        let builtin = schema.is_none_or(|schema| schema == "pg_catalog");
        let resolved = match builtin {
            true => functions::resolve::resolve_call(name, &types),
            false => Err(undefined_function(schema, name, &types)),
        };
        let candidates = self.names.functions(schema, name);
        let resolved = match resolved {
            Err(error) if error.state() == SqlState::UndefinedFunction && candidates.iter().any(|f| f.aggregate.is_some()) => {
                let (function, exprs) = self.user_arguments(schema, name, &candidates, args.exprs, &args.names)?;
                let Some(aggregate) = &function.aggregate else {
                    return Err(undefined_function(schema, name, &types));
                };
                let target = self.user_aggregate(&function, aggregate)?;
                self.touch_call(&function);
                return Ok(AggregateCall {
                    function: AggregateTarget::User(target),
                    args: exprs,
                    distinct: args.distinct,
                    filter,
                    order_by,
                    ty: function.returns.ty(),
                });
            }
            resolved => resolved?,
        };
        let Target::Aggregate(function) = resolved.target else {
            return Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("OVER specified, but {name} is not a window function nor an aggregate function"),
            ));
        };
        let exprs = args
            .exprs
            .into_iter()
            .zip(&resolved.args)
            .map(|(arg, ty)| self.coerce_resolved(arg, *ty))
            .collect::<Result<Vec<_>>>()?;
        if !call.within_group.is_empty() {
            // What is sorted is what the aggregate gets: converted.
            let sorted = exprs.len().saturating_sub(order_by.len());
            for (key, arg) in order_by.iter_mut().zip(&exprs[sorted..]) {
                key.expr = arg.clone();
            }
        }
        let exprs = self.written_records(function, exprs, args.distinct)?;
        Ok(AggregateCall {
            function: AggregateTarget::Builtin(function),
            args: exprs,
            distinct: args.distinct,
            filter,
            order_by,
            ty: resolved.ret,
        })
    }

    pub(super) fn sort_keys(&mut self, keys: &[ast::OrderByExpr], scope: &Scope<'_>) -> Result<Vec<SortKey>> {
        keys.iter()
            .map(|key| {
                let expr = self.expr(&key.expr, scope)?;
                Ok(sort_key(self.unknown_to_text(expr)?, &key.options))
            })
            .collect()
    }

    fn window(
        &mut self,
        schema: Option<&str>,
        name: &str,
        call: &ast::Function,
        over: &ast::WindowType,
        scope: &Scope<'_>,
    ) -> Result<Expr> {
        let place = self.level().place;
        if !place.allows_windows() {
            return Err(SqlError::new(
                SqlState::WindowingError,
                format!("window functions are not allowed in {}", place.name()),
            ));
        }
        let bound = self.in_place(Place::WindowArgument, |binder| binder.window_call(schema, name, call, over, scope))?;
        let ty = bound.ty;
        let id = self.new_column(NO_META);
        self.keep_result_fields(id, ty, &bound.args);
        self.level().windows.push((id, bound));
        Ok(Expr::Column { id, ty })
    }

    fn window_call(
        &mut self,
        schema: Option<&str>,
        name: &str,
        call: &ast::Function,
        over: &ast::WindowType,
        scope: &Scope<'_>,
    ) -> Result<WindowCall> {
        let spec = self.window_spec(over, 0)?;
        let partition_by = spec
            .partition_by
            .iter()
            .map(|node| {
                let expr = self.expr(node, scope)?;
                self.unknown_to_text(expr)
            })
            .collect::<Result<_>>()?;
        let order_by = self.sort_keys(&spec.order_by, scope)?;
        let frame = spec.window_frame.as_ref().map(|frame| self.frame(frame, scope)).transpose()?;
        let (function, args, filter, ty) = match window_function(name) {
            None => {
                let aggregate = self.aggregate_call(schema, name, call, scope)?;
                let target = match aggregate.function {
                    AggregateTarget::Builtin(function) => WindowTarget::Aggregate(function),
                    AggregateTarget::User(user) => WindowTarget::UserAggregate(user),
                    AggregateTarget::Grouping(_) => {
                        return Err(SqlError::new(SqlState::SyntaxError, "GROUPING is not a window function"));
                    }
                };
                if aggregate.distinct {
                    return Err(SqlError::new(
                        SqlState::FeatureNotSupported,
                        "DISTINCT is not implemented for window functions",
                    ));
                }
                (target, aggregate.args, aggregate.filter, aggregate.ty)
            }
            Some(target) => {
                let mut args = self.arguments(call, scope)?.exprs;
                let first = match args.first_mut() {
                    Some(first) => {
                        let taken = std::mem::replace(first, Expr::Const(Datum::Null, Type::Unknown));
                        *first = self.unknown_to_text(taken)?;
                        Some(first.ty())
                    }
                    None => None,
                };
                let ty = match target {
                    WindowTarget::RowNumber | WindowTarget::Rank | WindowTarget::DenseRank => Type::Int8,
                    WindowTarget::PercentRank | WindowTarget::CumeDist => Type::Float8,
                    WindowTarget::Ntile => Type::Int4,
                    _ => first.ok_or_else(|| undefined_function(None, name, &[]))?,
                };
                // The offsets of lag and lead, and nth_value's number, are integers; a default has the value's type.
                let wanted: Vec<Type> = match target {
                    WindowTarget::Ntile => vec![Type::Int4],
                    WindowTarget::Lag | WindowTarget::Lead => vec![ty, Type::Int4, ty],
                    WindowTarget::NthValue => vec![ty, Type::Int4],
                    WindowTarget::FirstValue | WindowTarget::LastValue => vec![ty],
                    _ => vec![],
                };
                let types: Vec<Type> = args.iter().map(Expr::ty).collect();
                if args.len() > wanted.len() {
                    return Err(undefined_function(None, name, &types));
                }
                let args = args
                    .into_iter()
                    .zip(wanted)
                    .map(|(arg, ty)| {
                        self.coerce(arg, ty, types::NO_TYPMOD, functions::cast::Context::Implicit, |_| {
                            undefined_function(None, name, &types)
                        })
                    })
                    .collect::<Result<_>>()?;
                (target, args, None, ty)
            }
        };
        Ok(WindowCall {
            function,
            args,
            filter,
            partition_by,
            order_by,
            frame,
            ty,
        })
    }

    /// The window's definition, with a named window it builds on filled in.
    fn window_spec(&mut self, over: &ast::WindowType, depth: usize) -> Result<ast::WindowSpec> {
        if depth > 16 {
            return Err(SqlError::new(SqlState::WindowingError, "window definitions refer to each other"));
        }
        match over {
            ast::WindowType::NamedWindow(name) => self.named_window(name, depth),
            ast::WindowType::WindowSpec(spec) => {
                let Some(base) = &spec.window_name else { return Ok(spec.clone()) };
                let mut base = self.named_window(base, depth)?;
                if !spec.order_by.is_empty() {
                    base.order_by = spec.order_by.clone();
                }
                base.window_frame = spec.window_frame.clone().or(base.window_frame);
                Ok(base)
            }
        }
    }

    fn named_window(&mut self, name: &ast::Ident, depth: usize) -> Result<ast::WindowSpec> {
        let wanted = fold(name);
        let found = self
            .level()
            .named_windows
            .iter()
            .find(|window| fold(&window.0) == wanted)
            .map(|window| window.1.clone());
        match found {
            Some(ast::NamedWindowExpr::WindowSpec(spec)) => self.window_spec(&ast::WindowType::WindowSpec(spec), depth + 1),
            Some(ast::NamedWindowExpr::NamedWindow(other)) => self.window_spec(&ast::WindowType::NamedWindow(other), depth + 1),
            None => Err(SqlError::new(
                SqlState::UndefinedObject,
                format!("window \"{wanted}\" does not exist"),
            )),
        }
    }

    fn frame(&mut self, frame: &ast::WindowFrame, scope: &Scope<'_>) -> Result<Frame> {
        let unit = match frame.units {
            ast::WindowFrameUnits::Rows => FrameUnit::Rows,
            ast::WindowFrameUnits::Range => FrameUnit::Range,
            ast::WindowFrameUnits::Groups => FrameUnit::Groups,
        };
        let mut bound = |bound: &ast::WindowFrameBound| -> Result<FrameBound> {
            Ok(match bound {
                ast::WindowFrameBound::CurrentRow => FrameBound::CurrentRow,
                ast::WindowFrameBound::Preceding(None) => FrameBound::UnboundedPreceding,
                ast::WindowFrameBound::Following(None) => FrameBound::UnboundedFollowing,
                ast::WindowFrameBound::Preceding(Some(offset)) => FrameBound::Preceding(Box::new(self.frame_offset(offset, unit, scope)?)),
                ast::WindowFrameBound::Following(Some(offset)) => FrameBound::Following(Box::new(self.frame_offset(offset, unit, scope)?)),
            })
        };
        let start = bound(&frame.start_bound)?;
        let end = match &frame.end_bound {
            Some(end) => bound(end)?,
            None => FrameBound::CurrentRow,
        };
        if matches!(start, FrameBound::UnboundedFollowing) {
            return Err(SqlError::new(SqlState::WindowingError, "frame start cannot be UNBOUNDED FOLLOWING"));
        }
        if matches!(end, FrameBound::UnboundedPreceding) {
            return Err(SqlError::new(SqlState::WindowingError, "frame end cannot be UNBOUNDED PRECEDING"));
        }
        Ok(Frame { unit, start, end })
    }

    fn frame_offset(&mut self, offset: &ast::Expr, unit: FrameUnit, scope: &Scope<'_>) -> Result<Expr> {
        let bound = self.expr(offset, scope)?;
        match unit {
            FrameUnit::Rows | FrameUnit::Groups => {
                self.coerce(bound, Type::Int8, types::NO_TYPMOD, functions::cast::Context::Implicit, |from| {
                    SqlError::new(
                        SqlState::DatatypeMismatch,
                        format!("argument of ROWS must be type bigint, not type {from}"),
                    )
                })
            }
            FrameUnit::Range => Ok(bound),
        }
    }
}

/// PostgreSQL's default order of NULLs: last when ascending, first when descending.
pub(super) fn sort_key(expr: Expr, options: &ast::OrderByOptions) -> SortKey {
    let descending = options.asc == Some(false);
    SortKey {
        expr,
        descending,
        nulls_first: options.nulls_first.unwrap_or(descending),
    }
}

fn window_function(name: &str) -> Option<WindowTarget> {
    Some(match name {
        "row_number" => WindowTarget::RowNumber,
        "rank" => WindowTarget::Rank,
        "dense_rank" => WindowTarget::DenseRank,
        "percent_rank" => WindowTarget::PercentRank,
        "cume_dist" => WindowTarget::CumeDist,
        "ntile" => WindowTarget::Ntile,
        "lag" => WindowTarget::Lag,
        "lead" => WindowTarget::Lead,
        "first_value" => WindowTarget::FirstValue,
        "last_value" => WindowTarget::LastValue,
        "nth_value" => WindowTarget::NthValue,
        _ => return None,
    })
}

/// No column, no subquery, nothing volatile: the value is the same for the whole statement.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Const(..) | Expr::Param { .. } => true,
        Expr::Column { .. } | Expr::Exists(_) | Expr::AnyQuery { .. } => false,
        Expr::UserCall { function, args, .. } => function.volatility == catalog::Volatility::Immutable && args.iter().all(is_constant),
        Expr::Call { function, args, .. } => function.volatility == functions::Volatility::Immutable && args.iter().all(is_constant),
        // What `folded` made of a call.
        Expr::Scalar { query, .. } => match &**query {
            query::ir::Rel::Project { input, exprs } => {
                matches!(**input, query::ir::Rel::OneRow) && exprs.iter().all(|(_, expr)| is_constant(expr))
            }
            _ => false,
        },
        Expr::Cast { .. }
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::Case { .. }
        | Expr::Coalesce(..)
        | Expr::Array { .. }
        | Expr::Row(..)
        | Expr::InList { .. }
        | Expr::AnyArray { .. } => {
            let mut constant = true;
            expr.for_each_child(&mut |child| constant &= is_constant(child));
            constant
        }
    }
}

/// `f(integer, b => text)`.
fn signature(schema: Option<&str>, name: &str, types: &[Type], names: &[Option<String>]) -> String {
    let args: Vec<String> = types
        .iter()
        .enumerate()
        .map(|(index, ty)| match names.get(index).and_then(Option::as_ref) {
            Some(name) => format!("{name} => {ty}"),
            None => ty.to_string(),
        })
        .collect();
    match schema {
        Some(schema) => format!("{schema}.{name}({})", args.join(", ")),
        None => format!("{name}({})", args.join(", ")),
    }
}

pub fn undefined_function(schema: Option<&str>, name: &str, types: &[Type]) -> SqlError {
    undefined_call(schema, name, types, &[])
}

pub(super) fn undefined_call(schema: Option<&str>, name: &str, types: &[Type], names: &[Option<String>]) -> SqlError {
    SqlError::new(
        SqlState::UndefinedFunction,
        format!("function {} does not exist", signature(schema, name, types, names)),
    )
    .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

pub(super) fn ambiguous(schema: Option<&str>, name: &str, types: &[Type], names: &[Option<String>]) -> SqlError {
    SqlError::new(
        SqlState::AmbiguousFunction,
        format!("function {} is not unique", signature(schema, name, types, names)),
    )
    .hint("Could not choose a best candidate function. You might need to add explicit type casts.")
}

pub(super) fn trigger_call() -> SqlError {
    SqlError::new(SqlState::FeatureNotSupported, "trigger functions can only be called as triggers")
}
