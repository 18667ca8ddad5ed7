//! FROM: tables, views, functions, subqueries and joins.

use functions::resolve::Target;
use query::ir::{Expr, JoinKind, Rel, SetCall};
use sqlparser::ast::{self, TableFactor};
use types::{NO_TYPMOD, Result, SqlError, SqlState, Type};

use super::function::Arguments;
use super::select::join_kind;
use super::{Binder, Bound, ColumnMeta, CteBody, NO_META, Place, Scope, ScopeColumn, ScopeTable};
use crate::parse::{fold, object_name};

/// The columns that a function gives.
pub(super) type Outputs = Vec<(String, Type)>;

impl<'b> Binder<'b> {
    pub(super) fn bind_from<'p>(&mut self, from: &[ast::TableWithJoins], parent: Option<&'p Scope<'p>>) -> Result<(Rel, Scope<'p>)> {
        let mut rel = Rel::OneRow;
        let mut scope = Scope::child(parent);
        for (index, item) in from.iter().enumerate() {
            // A later item may be LATERAL over the earlier ones.
            let (right, right_scope, lateral) = self.table_with_joins(item, &scope)?;
            for table in right_scope {
                scope.add(table)?;
            }
            rel = match index {
                0 => right,
                _ => Rel::Join {
                    kind: JoinKind::Inner,
                    left: Box::new(rel),
                    right: Box::new(right),
                    on: None,
                    lateral,
                },
            };
        }
        Ok((rel, scope))
    }

    /// One comma-separated item: its relation, its range-table entries, and whether it looks left.
    fn table_with_joins(&mut self, item: &ast::TableWithJoins, around: &Scope<'_>) -> Result<(Rel, Vec<ScopeTable>, bool)> {
        let (mut rel, mut tables, mut lateral) = self.factor(&item.relation, around)?;
        for join in &item.joins {
            let mut here = Scope {
                tables: around.tables.clone(),
                parent: around.parent,
            };
            for table in &tables {
                here.add(table.clone())?;
            }
            let (right, right_tables, right_lateral) = self.factor(&join.relation, &here)?;
            // A lateral right side may look at this join's left or at what stands before the comma.
            lateral |= right_lateral;
            let (kind, constraint) = join_kind(&join.join_operator)?;
            let (on, merged) = match constraint {
                ast::JoinConstraint::On(node) => {
                    let mut both = Scope {
                        tables: around.tables.clone(),
                        parent: around.parent,
                    };
                    for table in tables.iter().chain(&right_tables) {
                        both.add(table.clone())?;
                    }
                    let on = self.in_place(Place::JoinOn, |binder| binder.bool_expr(node, &both, "JOIN/ON"))?;
                    (Some(on), vec![])
                }
                ast::JoinConstraint::Using(names) => {
                    let names = names
                        .iter()
                        .map(|name| object_name(name).map(|(_, name)| name))
                        .collect::<Result<Vec<_>>>()?;
                    self.using(&names, &tables, &right_tables)?
                }
                ast::JoinConstraint::Natural => {
                    let visible = |tables: &[ScopeTable]| -> Vec<String> {
                        tables
                            .iter()
                            .flat_map(|t| t.columns.iter().filter(|c| !c.merged).map(|c| c.name.clone()))
                            .collect()
                    };
                    let of_right = visible(&right_tables);
                    let names: Vec<String> = visible(&tables).into_iter().filter(|name| of_right.contains(name)).collect();
                    self.using(&names, &tables, &right_tables)?
                }
                ast::JoinConstraint::None => (None, vec![]),
            };
            rel = Rel::Join {
                kind,
                left: Box::new(rel),
                right: Box::new(right),
                on,
                lateral: right_lateral,
            };
            tables.extend(right_tables);
            if !merged.is_empty() {
                rel = self.merge(rel, kind, merged, &mut tables)?;
            }
        }
        Ok((rel, tables, lateral))
    }

    /// The condition of USING, and for each name its two columns.
    #[allow(clippy::type_complexity)] // pairs of columns under a name
    fn using(
        &mut self,
        names: &[String],
        left: &[ScopeTable],
        right: &[ScopeTable],
    ) -> Result<(Option<Expr>, Vec<(String, ScopeColumn, ScopeColumn)>)> {
        let find = |tables: &[ScopeTable], name: &str, side: &str| -> Result<ScopeColumn> {
            let mut found = tables
                .iter()
                .flat_map(|table| table.columns.iter().filter(|column| column.name == name && !column.merged));
            let first = found.next().cloned().ok_or_else(|| {
                SqlError::new(
                    SqlState::UndefinedColumn,
                    format!("column \"{name}\" specified in USING clause does not exist in {side} table"),
                )
            })?;
            if found.next().is_some() {
                return Err(SqlError::new(
                    SqlState::AmbiguousColumn,
                    format!("common column name \"{name}\" appears more than once in {side} table"),
                ));
            }
            Ok(first)
        };
        let mut equal = vec![];
        let mut merged = vec![];
        for name in names {
            let (left, right) = (find(left, name, "left")?, find(right, name, "right")?);
            equal.push(self.operator(
                "=",
                Some(Expr::Column { id: left.id, ty: left.ty }),
                Expr::Column {
                    id: right.id,
                    ty: right.ty,
                },
            )?);
            merged.push((name.clone(), left, right));
        }
        let on = match equal.len() {
            0 => None,
            1 => equal.pop(),
            _ => Some(Expr::And(equal)),
        };
        Ok((on, merged))
    }

    /// Puts the merged columns of USING in front; the two originals answer only to their table's name.
    fn merge(
        &mut self,
        rel: Rel,
        kind: JoinKind,
        merged: Vec<(String, ScopeColumn, ScopeColumn)>,
        tables: &mut Vec<ScopeTable>,
    ) -> Result<Rel> {
        let mut exprs: Vec<_> = rel.columns().into_iter().map(|(id, ty)| (id, Expr::Column { id, ty })).collect();
        let mut entry = ScopeTable {
            alias: None,
            scalar: false,
            table: None,
            columns: vec![],
        };
        for (name, left, right) in merged {
            let ty = functions::resolve::common_type(&[left.ty, right.ty], "JOIN/USING")?;
            let of_left = self.coerce_resolved(Expr::Column { id: left.id, ty: left.ty }, ty)?;
            let of_right = self.coerce_resolved(
                Expr::Column {
                    id: right.id,
                    ty: right.ty,
                },
                ty,
            )?;
            let value = match kind {
                JoinKind::Inner | JoinKind::Left => of_left,
                JoinKind::Right => of_right,
                JoinKind::Full => Expr::Coalesce(vec![of_left, of_right], ty),
            };
            let id = self.column_for(&value);
            exprs.push((id, value));
            entry.columns.push(ScopeColumn {
                name,
                id,
                ty,
                merged: false,
            });
            for column in tables.iter_mut().flat_map(|table| &mut table.columns) {
                column.merged |= column.id == left.id || column.id == right.id;
            }
        }
        tables.insert(0, entry);
        Ok(Rel::Project {
            input: Box::new(rel),
            exprs,
        })
    }

    fn factor(&mut self, factor: &TableFactor, around: &Scope<'_>) -> Result<(Rel, Vec<ScopeTable>, bool)> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                sample: None,
                ..
            } => {
                let result = self.table(name, alias.as_ref());
                let (rel, table) = self.at(name, result)?;
                Ok((rel, vec![table], false))
            }
            TableFactor::Table {
                name,
                alias,
                args: Some(args),
                with_ordinality,
                ..
            } => {
                let (rel, table) = self.table_function(name, &args.args, *with_ordinality, alias.as_ref(), around)?;
                Ok((rel, vec![table], true))
            }
            TableFactor::Function {
                name,
                args,
                alias,
                with_ordinality,
                ..
            } => {
                let (rel, table) = self.table_function(name, args, *with_ordinality, alias.as_ref(), around)?;
                Ok((rel, vec![table], true))
            }
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_ordinality,
                with_offset: false,
                ..
            } => {
                let args: Vec<ast::FunctionArg> = array_exprs
                    .iter()
                    .map(|expr| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr.clone())))
                    .collect();
                let name = ast::ObjectName(vec![ast::ObjectNamePart::Identifier(ast::Ident::new("unnest"))]);
                let (rel, table) = self.table_function(&name, &args, *with_ordinality, alias.as_ref(), around)?;
                Ok((rel, vec![table], true))
            }
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                sample: None,
            } => {
                let bound = match lateral {
                    true => self.query(subquery, Some(around), false)?,
                    // Not LATERAL: it sees the queries around, not its neighbours.
                    false => self.query(subquery, around.parent, false)?,
                };
                let Some(alias) = alias else {
                    return Err(SqlError::new(SqlState::SyntaxError, "subquery in FROM must have an alias")
                        .hint("For example, FROM (SELECT ...) [AS] foo."));
                };
                let table = self.derived(&bound, alias)?;
                Ok((bound.rel, vec![table], *lateral))
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let (rel, tables, lateral) = self.table_with_joins(table_with_joins, around)?;
                match alias {
                    None => Ok((rel, tables, lateral)),
                    Some(alias) => {
                        let columns = tables
                            .into_iter()
                            .flat_map(|table| table.columns)
                            .filter(|column| !column.merged)
                            .collect();
                        let mut entry = ScopeTable {
                            alias: Some(fold(&alias.name)),
                            scalar: false,
                            table: None,
                            columns,
                        };
                        rename_columns(&mut entry, alias)?;
                        Ok((rel, vec![entry], lateral))
                    }
                }
            }
            other => Err(SqlError::unsupported(format!("the FROM item {other}"))),
        }
    }

    fn derived(&mut self, bound: &Bound, alias: &ast::TableAlias) -> Result<ScopeTable> {
        let columns = bound
            .columns
            .iter()
            .map(|column| ScopeColumn {
                name: column.name.clone(),
                id: column.id,
                ty: column.ty,
                merged: false,
            })
            .collect();
        let mut entry = ScopeTable {
            alias: Some(fold(&alias.name)),
            scalar: false,
            table: None,
            columns,
        };
        rename_columns(&mut entry, alias)?;
        Ok(entry)
    }

    fn table(&mut self, name: &ast::ObjectName, alias: Option<&ast::TableAlias>) -> Result<(Rel, ScopeTable)> {
        let (schema, name) = object_name(name)?;
        if schema.is_none()
            && let Some(place) = self.ctes.iter().rposition(|cte| cte.name == name)
        {
            let shown = self.ctes[place].columns.clone();
            let columns: Vec<ScopeColumn> = shown
                .iter()
                .map(|(name, ty, typmod)| ScopeColumn {
                    name: name.clone(),
                    id: self.new_column(ColumnMeta {
                        typmod: *typmod,
                        ..NO_META
                    }),
                    ty: *ty,
                    merged: false,
                })
                .collect();
            let made = columns.iter().map(|column| (column.id, column.ty)).collect();
            let (rel, inner) = match &mut self.ctes[place].body {
                CteBody::WorkTable(name) => (
                    Rel::WorkTable {
                        name: name.clone(),
                        columns: made,
                    },
                    vec![],
                ),
                CteBody::Query(query) => (query.scan(&name, made), query.columns()),
            };
            for (column, (id, ty)) in columns.iter().zip(inner) {
                self.keep_fields(column.id, &Expr::Column { id, ty });
            }
            let mut entry = ScopeTable {
                alias: Some(name),
                scalar: false,
                table: None,
                columns,
            };
            if let Some(alias) = alias {
                entry.alias = Some(fold(&alias.name));
                rename_columns(&mut entry, alias)?;
            }
            return Ok((rel, entry));
        }
        let table = self.names.table(schema.as_deref(), &name)?;
        self.scan(table, alias)
    }

    /// Counts copies of queries that the statement did not spell out; too many are refused.
    pub(super) fn expand(&mut self, copies: usize) -> Result<()> {
        self.expansions = self.expansions.saturating_add(copies);
        if self.expansions > super::MAX_EXPANSIONS {
            return Err(
                SqlError::new(SqlState::StatementTooComplex, "statement too complex").detail(format!(
                    "Its views and WITH queries expand to more than {} queries.",
                    super::MAX_EXPANSIONS
                )),
            );
        }
        Ok(())
    }

    /// A scan of a table, or a view's query in its place.
    pub(super) fn scan(&mut self, table: std::sync::Arc<catalog::Table>, alias: Option<&ast::TableAlias>) -> Result<(Rel, ScopeTable)> {
        self.touch(&table);
        let mut columns = vec![];
        let mut scanned = vec![];
        for (index, column) in table.columns.iter().enumerate().filter(|(_, column)| !column.dropped) {
            let id = self.new_column(ColumnMeta {
                typmod: column.typmod,
                table_oid: table.oid,
                attnum: column.attnum,
            });
            columns.push(ScopeColumn {
                name: column.name.clone(),
                id,
                ty: column.ty,
                merged: false,
            });
            scanned.push((id, column.ty, index));
        }
        let rel = match &table.kind {
            catalog::TableKind::View { definition } => {
                self.expand(1)?;
                let outer = (self.names, self.view_owner.replace(table.owner));
                self.names = self.names.stored_with(&table).unwrap_or_else(|| self.names.without_path());
                let bound = self.stored_query(definition, None);
                (self.names, self.view_owner) = outer;
                let bound = bound?;
                let exprs = scanned
                    .iter()
                    .zip(&bound.columns)
                    .map(|((id, _, _), column)| {
                        (
                            *id,
                            Expr::Column {
                                id: column.id,
                                ty: column.ty,
                            },
                        )
                    })
                    .collect();
                Rel::Project {
                    input: Box::new(bound.rel),
                    exprs,
                }
            }
            _ => Rel::Scan {
                table: table.clone(),
                columns: scanned,
            },
        };
        let mut entry = ScopeTable {
            alias: Some(table.name.clone()),
            scalar: false,
            table: Some(table),
            columns,
        };
        if let Some(alias) = alias {
            entry.alias = Some(fold(&alias.name));
            rename_columns(&mut entry, alias)?;
        }
        Ok((rel, entry))
    }

    /// The OIDs of everything that a stored query reads. Its names are the binder's.
    pub fn view_reads(&mut self, definition: &str) -> Result<Vec<u32>> {
        self.stored_query(definition, None)?;
        Ok(self.touched.reads.iter().map(|table| table.oid).collect())
    }

    fn table_function(
        &mut self,
        name: &ast::ObjectName,
        args: &[ast::FunctionArg],
        ordinality: bool,
        alias: Option<&ast::TableAlias>,
        around: &Scope<'_>,
    ) -> Result<(Rel, ScopeTable)> {
        let (schema, function_name) = object_name(name)?;
        let call = ast::Function {
            name: name.clone(),
            uses_odbc_syntax: false,
            parameters: ast::FunctionArguments::None,
            args: ast::FunctionArguments::List(ast::FunctionArgumentList {
                duplicate_treatment: None,
                args: args.to_vec(),
                clauses: vec![],
            }),
            filter: None,
            null_treatment: None,
            over: None,
            within_group: vec![],
        };
        if alias.is_some_and(|alias| alias.columns.iter().any(|column| column.data_type.is_some())) {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                "a column definition list is only allowed for functions returning \"record\"",
            ));
        }
        let Arguments { exprs, names, .. } = self.in_place(Place::From, |binder| binder.arguments(&call, around))?;
        let alias_name = alias.map(|alias| fold(&alias.name));
        let default_name = alias_name.clone().unwrap_or_else(|| function_name.clone());
        let types: Vec<Type> = exprs.iter().map(Expr::ty).collect();
        let builtin = schema
            .as_deref()
            .is_none_or(|schema| schema == "pg_catalog" || schema == "information_schema" || schema == "heliosdb");
        let is_set = builtin && !functions::registry::set_functions_named(&function_name).is_empty();
        let (set, outputs): (Option<SetCall>, Outputs) = if is_set && function_name == "unnest" && exprs.len() > 1 {
            let (args, outputs) = self.unnest_together(exprs)?;
            let function = functions::unnest_together();
            (Some(SetCall::Builtin { function, args }), outputs)
        } else if is_set {
            let resolved = functions::resolve::resolve_call(&function_name, &types)?;
            let Target::Set(function) = resolved.target else {
                return Err(SqlError::internal("a set-returning function resolves to one"));
            };
            let args: Vec<Expr> = exprs
                .iter()
                .cloned()
                .zip(&resolved.args)
                .map(|(arg, ty)| self.coerce_resolved(arg, *ty))
                .collect::<Result<_>>()?;
            let outputs = match function.columns {
                // Its own name says nothing; the name of its result does.
                [(name, _)] if *name == function.name => vec![(default_name.clone(), resolved.ret)],
                [(name, _)] => vec![(name.to_string(), resolved.ret)],
                _ => outputs(function, &args),
            };
            (Some(SetCall::Builtin { function, args }), outputs)
        } else {
            let candidates = self.names.functions(schema.as_deref(), &function_name);
            let chosen = match candidates.iter().any(|function| function.returns.is_set()) {
                false => None,
                true => Some(self.user_arguments(schema.as_deref(), &function_name, &candidates, exprs, &names)?),
            };
            let outputs = chosen.as_ref().and_then(|(function, _)| match &function.returns {
                catalog::Returns::Table(columns) => Some(columns.clone()),
                catalog::Returns::SetOf(ty) => Some(vec![(default_name.clone(), *ty)]),
                catalog::Returns::Scalar(_) | catalog::Returns::Void | catalog::Returns::Trigger => None,
            });
            match (chosen, outputs) {
                (Some((function, args)), Some(outputs)) => {
                    self.touch_call(&function);
                    (Some(SetCall::User { function, args }), outputs)
                }
                _ => (None, vec![]),
            }
        };
        let (rel, mut columns) = match set {
            Some(call) => {
                let columns: Vec<ScopeColumn> = outputs
                    .into_iter()
                    .map(|(name, ty)| ScopeColumn {
                        name,
                        id: self.new_column(NO_META),
                        ty,
                        merged: false,
                    })
                    .collect();
                let ordinality = ordinality.then(|| self.new_column(NO_META));
                let rel = Rel::Function {
                    call,
                    columns: columns.iter().map(|column| (column.id, column.ty)).collect(),
                    ordinality,
                };
                let mut columns = columns;
                if let Some(id) = ordinality {
                    columns.push(ScopeColumn {
                        name: "ordinality".into(),
                        id,
                        ty: Type::Int8,
                        merged: false,
                    });
                }
                (rel, columns)
            }
            None => {
                // A scalar function in FROM is a table of one row.
                let node = ast::Expr::Function(call);
                let expr = self.in_place(Place::From, |binder| binder.expr(&node, around))?;
                let id = self.new_column(ColumnMeta {
                    typmod: NO_TYPMOD,
                    ..NO_META
                });
                let ty = expr.ty();
                let mut exprs = vec![(id, expr)];
                let mut columns = vec![ScopeColumn {
                    name: default_name,
                    id,
                    ty,
                    merged: false,
                }];
                if ordinality {
                    let id = self.new_column(NO_META);
                    exprs.push((id, Expr::Const(types::Datum::Int8(1), Type::Int8)));
                    columns.push(ScopeColumn {
                        name: "ordinality".into(),
                        id,
                        ty: Type::Int8,
                        merged: false,
                    });
                }
                let input = Box::new(Rel::OneRow);
                (Rel::Project { input, exprs }, columns)
            }
        };
        // FROM f() AS x(a, b) renames; AS x alone renames the single column too.
        let mut entry = ScopeTable {
            alias: Some(alias_name.unwrap_or(function_name)),
            scalar: columns.len() == 1,
            table: None,
            columns: std::mem::take(&mut columns),
        };
        if let Some(alias) = alias {
            rename_columns(&mut entry, alias)?;
        }
        Ok((rel, entry))
    }
}

impl Binder<'_> {
    /// `unnest(a, b, ...)`: the arrays side by side, a column each.
    fn unnest_together(&mut self, arrays: Vec<Expr>) -> Result<(Vec<Expr>, Outputs)> {
        let mut args = vec![];
        let mut outputs = vec![];
        for array in arrays {
            let resolved = functions::resolve::resolve_call("unnest", &[array.ty()])?;
            let [ty] = resolved.args[..] else {
                return Err(SqlError::internal("unnest takes one array"));
            };
            args.push(self.coerce_resolved(array, ty)?);
            outputs.push(("unnest".to_string(), resolved.ret));
        }
        Ok((args, outputs))
    }
}

/// The columns of a built-in function that returns several, given its arguments: what is polymorphic is as they are.
pub(super) fn outputs(function: &functions::SetFunction, args: &[Expr]) -> Outputs {
    let element = function.args.iter().zip(args).find_map(|(declared, arg)| match declared {
        Type::AnyArray => arg.ty().element(),
        Type::AnyElement => Some(arg.ty()),
        _ => None,
    });
    let concrete = |ty: Type| match (ty, element) {
        (Type::AnyElement | Type::Any, Some(element)) => element,
        (Type::AnyArray, Some(element)) => element.array_of().unwrap_or(ty),
        (ty, _) => ty,
    };
    function
        .columns
        .iter()
        .map(|(name, ty)| (name.to_string(), concrete(*ty)))
        .collect()
}

fn rename_columns(entry: &mut ScopeTable, alias: &ast::TableAlias) -> Result<()> {
    if alias.columns.len() > entry.columns.len() {
        return Err(SqlError::new(
            SqlState::InvalidColumnReference,
            format!(
                "table \"{}\" has {} columns available but {} columns specified",
                fold(&alias.name),
                entry.columns.len(),
                alias.columns.len()
            ),
        ));
    }
    for (column, name) in entry.columns.iter_mut().zip(&alias.columns) {
        column.name = fold(&name.name);
    }
    Ok(())
}
