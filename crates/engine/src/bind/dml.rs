//! INSERT, UPDATE and DELETE: our own plans over rows that a query finds.

use std::sync::Arc;

use catalog::{Generated, Table, TableKind};
use functions::cast::Context;
use query::ir::{ColumnId, Expr, JoinKind, Rel};
use sqlparser::ast::{self, SetExpr};
use types::{Datum, NO_TYPMOD, Result, SqlError, SqlState, Type};

use super::{Binder, Bound, ColumnMeta, Level, NO_META, Output, Place, Scope, ScopeColumn, ScopeTable};
use crate::parse::{fold, object_name};
use crate::plan::{ColumnDesc, ConflictAction, Delete, Insert, OnConflict, Returning, Update};

/// The index that stands for a row's storage key in a scan: one past the table's columns.
pub fn row_key_index(table: &Table) -> usize {
    table.columns.len()
}

impl Binder<'_> {
    /// The outputs of a query as RowDescription has them.
    pub fn describe(&self, columns: &[Output]) -> Vec<ColumnDesc> {
        columns
            .iter()
            .map(|column| {
                let meta = self.meta(column.id);
                ColumnDesc {
                    name: column.name.clone(),
                    ty: column.ty,
                    typmod: meta.typmod,
                    table_oid: meta.table_oid,
                    attnum: meta.attnum,
                }
            })
            .collect()
    }

    fn target(&mut self, name: &ast::ObjectName, verb: &str) -> Result<Arc<Table>> {
        let (schema, name_only) = object_name(name)?;
        let result = self.names.table(schema.as_deref(), &name_only);
        let table = self.at(name, result)?;
        self.touch_schema(&table.schema);
        match &table.kind {
            TableKind::Table => Ok(table),
            TableKind::View { .. } => Err(SqlError::new(
                SqlState::ObjectNotInPrerequisiteState,
                format!("cannot {verb} view \"{}\"", table.name),
            )
            .detail("Views are not updatable.")),
            TableKind::Sequence(_) => Err(SqlError::new(
                SqlState::WrongObjectType,
                format!("cannot change sequence \"{}\"", table.name),
            )),
            TableKind::System(_) => Err(system_table_error(&table)),
        }
    }

    /// A scope entry for a table whose row is at hand rather than scanned.
    pub fn row_of(&mut self, table: &Arc<Table>, alias: &str) -> ScopeTable {
        let columns = table
            .columns
            .iter()
            .map(|column| ScopeColumn {
                name: if column.dropped { String::new() } else { column.name.clone() },
                id: self.new_column(ColumnMeta {
                    typmod: column.typmod,
                    table_oid: table.oid,
                    attnum: column.attnum,
                }),
                ty: column.ty,
                merged: column.dropped,
            })
            .collect();
        ScopeTable {
            alias: Some(alias.to_string()),
            scalar: false,
            table: Some(table.clone()),
            columns,
        }
    }

    /// The expression of a column's default: what an INSERT that leaves it out stores.
    pub fn default_of(&mut self, table: &Table, index: usize) -> Result<Expr> {
        let column = &table.columns[index];
        let text = match (&column.default, &column.generated) {
            _ if column.dropped => return Ok(Expr::Const(Datum::Null, column.ty)),
            (Some(text), None) => text.clone(),
            (_, Some(Generated::Identity { sequence, .. })) => format!("pg_catalog.nextval({sequence}::oid::regclass)"),
            (_, Some(Generated::Stored(_))) => return Err(SqlError::unsupported("a generated column")),
            (None, None) => return Ok(Expr::Const(Datum::Null, column.ty)),
        };
        let outer = self.names;
        // A table that is being created is in no catalog: the path is its creator's already.
        self.names = self.names.stored_with(table).unwrap_or(outer);
        // A position in the default's text would be taken for one in the statement.
        let value = crate::parse::parse_expression(&text)
            .and_then(|node| self.assign(&node, &Scope::default(), &column.name, column.ty, column.typmod))
            .map_err(SqlError::without_position);
        self.names = outer;
        value
    }

    pub fn insert(&mut self, insert: &ast::Insert) -> Result<Insert> {
        let ast::TableObject::TableName(name) = &insert.table else {
            return Err(SqlError::new(SqlState::SyntaxError, "INSERT INTO needs a table"));
        };
        let table = self.target(name, "insert into")?;
        let alias = insert
            .table_alias
            .as_ref()
            .map_or_else(|| table.name.clone(), |alias| fold(&alias.alias));
        // Which column each value of the source is for.
        let targets = self.target_columns(&table, &insert.columns)?;
        let explicit = !insert.columns.is_empty();

        let mut given: Vec<Option<Expr>> = vec![None; table.columns.len()];
        let input = match insert.source.as_deref() {
            // DEFAULT VALUES
            None => Rel::OneRow,
            Some(source) => {
                let bound = self.insert_source(source, &table, &targets)?;
                if bound.columns.len() > targets.len() {
                    return Err(SqlError::new(
                        SqlState::SyntaxError,
                        "INSERT has more expressions than target columns",
                    ));
                }
                if bound.columns.len() < targets.len() && explicit {
                    return Err(SqlError::new(
                        SqlState::SyntaxError,
                        "INSERT has more target columns than expressions",
                    ));
                }
                let targets = &targets[..bound.columns.len()];
                let bound = self.convert_unknown(bound, targets, &table)?;
                for (output, index) in bound.columns.iter().zip(targets) {
                    let column = &table.columns[*index];
                    let value = Expr::Column {
                        id: output.id,
                        ty: output.ty,
                    };
                    given[*index] = Some(self.assign_bound(value, &column.name, column.ty, column.typmod)?);
                }
                bound.rel
            }
        };
        let mut exprs = vec![];
        for (index, column) in table.columns.iter().enumerate() {
            let value = match given[index].take() {
                Some(value) => {
                    if let Some(Generated::Identity { always: true, .. }) = &column.generated {
                        return Err(SqlError::new(
                            SqlState::GeneratedAlways,
                            format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name),
                        )
                        .detail(format!(
                            "Column \"{}\" is an identity column defined as GENERATED ALWAYS.",
                            column.name
                        )));
                    }
                    value
                }
                None => self.default_of(&table, index)?,
            };
            exprs.push((self.new_column(NO_META), value));
        }
        let input = Rel::Project {
            input: Box::new(input),
            exprs,
        };

        let entry = self.row_of(&table, &alias);
        let existing: Vec<ColumnId> = entry.columns.iter().map(|column| column.id).collect();
        let on_conflict = match &insert.on {
            None => None,
            Some(ast::OnInsert::OnConflict(conflict)) => Some(self.on_conflict(conflict, &table, &entry)?),
            Some(_) => return Err(SqlError::new(SqlState::SyntaxError, "syntax error at ON DUPLICATE KEY")),
        };
        let returning = match &insert.returning {
            None => None,
            Some(items) => {
                self.touch(&table);
                let scope = Scope {
                    tables: vec![entry],
                    parent: None,
                };
                Some(self.bind_returning(items, &scope, existing)?)
            }
        };
        Ok(Insert {
            table,
            input,
            on_conflict,
            returning,
            touched: std::mem::take(&mut self.touched),
        })
    }

    fn target_columns(&self, table: &Table, names: &[ast::ObjectName]) -> Result<Vec<usize>> {
        if names.is_empty() {
            return Ok(table.live_columns().map(|(index, _)| index).collect());
        }
        let mut targets = vec![];
        for name in names {
            let (_, column) = object_name(name)?;
            let index = self.at(
                name,
                table.column_index(&column).ok_or_else(|| {
                    SqlError::new(
                        SqlState::UndefinedColumn,
                        format!("column \"{column}\" of relation \"{}\" does not exist", table.name),
                    )
                }),
            )?;
            if targets.contains(&index) {
                return Err(SqlError::new(
                    SqlState::DuplicateColumn,
                    format!("column \"{column}\" specified more than once"),
                ));
            }
            targets.push(index);
        }
        Ok(targets)
    }

    /// The source of an INSERT; in VALUES, DEFAULT stands for the column's default.
    fn insert_source(&mut self, source: &ast::Query, table: &Arc<Table>, targets: &[usize]) -> Result<Bound> {
        let SetExpr::Values(values) = &*source.body else {
            return self.query(source, None, true);
        };
        if source.order_by.is_some() || source.limit_clause.is_some() || source.with.is_some() {
            return self.query(source, None, true);
        }
        // VALUES straight into the columns: each value has its column's type, none is compared with another row's.
        self.levels.push(Level {
            place: Place::Values,
            ..Level::default()
        });
        let rows = self.insert_rows(values, table, targets);
        self.levels.pop();
        let rows = rows?;
        let width = rows.first().map_or(0, Vec::len);
        let columns: Vec<Output> = (0..width)
            .map(|index| {
                let column = &table.columns[targets[index]];
                Output {
                    name: column.name.clone(),
                    id: self.new_column(ColumnMeta {
                        typmod: column.typmod,
                        ..NO_META
                    }),
                    ty: column.ty,
                }
            })
            .collect();
        let rel = Rel::Values {
            columns: columns.iter().map(|column| (column.id, column.ty)).collect(),
            rows,
        };
        Ok(Bound { rel, columns })
    }

    fn insert_rows(&mut self, values: &ast::Values, table: &Arc<Table>, targets: &[usize]) -> Result<Vec<Vec<Expr>>> {
        let scope = Scope::default();
        let mut rows: Vec<Vec<Expr>> = vec![];
        for row in &values.rows {
            let nodes = &row.content;
            if nodes.len() > targets.len() {
                return self.at(
                    &nodes[targets.len()],
                    Err(SqlError::new(
                        SqlState::SyntaxError,
                        "INSERT has more expressions than target columns",
                    )),
                );
            }
            if rows.first().is_some_and(|first| first.len() != nodes.len()) {
                return Err(SqlError::new(SqlState::SyntaxError, "VALUES lists must all be the same length"));
            }
            let mut bound = vec![];
            for (node, index) in nodes.iter().zip(targets) {
                let column = &table.columns[*index];
                bound.push(if is_default(node) {
                    self.default_of(table, *index)?
                } else {
                    self.assign(node, &scope, &column.name, column.ty, column.typmod)?
                });
            }
            rows.push(bound);
        }
        Ok(rows)
    }

    /// Gives literals of a SELECT list the types of the columns that they go to.
    fn convert_unknown(&mut self, bound: Bound, targets: &[usize], table: &Table) -> Result<Bound> {
        let wanted: Vec<Type> = bound
            .columns
            .iter()
            .zip(targets)
            .map(|(column, index)| {
                if column.ty == Type::Unknown {
                    table.columns[*index].ty
                } else {
                    column.ty
                }
            })
            .collect();
        self.convert_columns(bound, &wanted)
    }

    fn on_conflict(&mut self, conflict: &ast::OnConflict, table: &Arc<Table>, entry: &ScopeTable) -> Result<OnConflict> {
        let target = match &conflict.conflict_target {
            None => None,
            Some(ast::ConflictTarget::Columns(names)) => {
                let mut columns = vec![];
                for name in names {
                    let name = fold(name);
                    columns.push(
                        table
                            .column_index(&name)
                            .ok_or_else(|| SqlError::new(SqlState::UndefinedColumn, format!("column \"{name}\" does not exist")))?,
                    );
                }
                let mut wanted = columns.clone();
                wanted.sort_unstable();
                let found = crate::table::unique_keys(table).find(|key| {
                    let mut columns = key.columns.clone();
                    columns.sort_unstable();
                    columns == wanted
                });
                let key = found.ok_or_else(|| {
                    SqlError::new(
                        SqlState::InvalidColumnReference,
                        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
                    )
                })?;
                Some(key.columns)
            }
            Some(ast::ConflictTarget::OnConstraint(name)) => {
                let (_, name) = object_name(name)?;
                let key = crate::table::unique_keys(table).find(|key| key.name == name).ok_or_else(|| {
                    SqlError::new(
                        SqlState::UndefinedObject,
                        format!("constraint \"{name}\" for table \"{}\" does not exist", table.name),
                    )
                })?;
                Some(key.columns)
            }
        };
        // The rows that are there are compared by these columns.
        self.touched.target_read |= target.is_some();
        let action = match &conflict.action {
            ast::OnConflictAction::DoNothing => ConflictAction::Nothing,
            ast::OnConflictAction::DoUpdate(update) => {
                if target.is_none() {
                    return Err(SqlError::new(
                        SqlState::SyntaxError,
                        "ON CONFLICT DO UPDATE requires inference specification or constraint name",
                    )
                    .hint("For example, ON CONFLICT (column_name)."));
                }
                let excluded = self.row_of(table, "excluded");
                let excluded_ids = excluded.columns.iter().map(|column| column.id).collect();
                let existing: Vec<ColumnId> = entry.columns.iter().map(|column| column.id).collect();
                let scope = Scope {
                    tables: vec![entry.clone(), excluded],
                    parent: None,
                };
                let assignments = self.assignments(&update.assignments, table, &scope)?;
                let filter = update
                    .selection
                    .as_ref()
                    .map(|filter| self.bool_expr(filter, &scope, "WHERE"))
                    .transpose()?;
                ConflictAction::Update {
                    assignments,
                    filter,
                    existing,
                    excluded: excluded_ids,
                }
            }
        };
        Ok(OnConflict { target, action })
    }

    /// `SET a = x, (b, c) = (y, z)`: (column index, value) each.
    fn assignments(&mut self, assignments: &[ast::Assignment], table: &Arc<Table>, scope: &Scope<'_>) -> Result<Vec<(usize, Expr)>> {
        let mut bound: Vec<(usize, Expr)> = vec![];
        for assignment in assignments {
            let pairs: Vec<(&ast::ObjectName, &ast::Expr)> = match (&assignment.target, &assignment.value) {
                (ast::AssignmentTarget::ColumnName(name), value) => vec![(name, value)],
                (ast::AssignmentTarget::Tuple(names), ast::Expr::Tuple(values)) if names.len() == values.len() => {
                    names.iter().zip(values).collect()
                }
                (ast::AssignmentTarget::Tuple(_), ast::Expr::Tuple(_)) => {
                    return Err(SqlError::new(
                        SqlState::SyntaxError,
                        "number of columns does not match number of values",
                    ));
                }
                (ast::AssignmentTarget::Tuple(names), value) => {
                    return match names.as_slice() {
                        [_] => Err(SqlError::new(
                            SqlState::FeatureNotSupported,
                            format!("source for a multiple-column UPDATE item must be a ROW() expression, not {value}"),
                        )),
                        _ => Err(SqlError::unsupported("UPDATE of several columns from a subquery")),
                    };
                }
            };
            for (name, value) in pairs {
                let (before, column_name) = object_name(name)?;
                // What stands before a dot is a column whose field is meant, as in PostgreSQL, and never the table.
                let (column_name, field) = match before {
                    None => (column_name, None),
                    Some(column) => (column, Some(column_name)),
                };
                let index = self.at(
                    name,
                    table.column_index(&column_name).ok_or_else(|| {
                        SqlError::new(
                            SqlState::UndefinedColumn,
                            format!("column \"{column_name}\" of relation \"{}\" does not exist", table.name),
                        )
                    }),
                )?;
                if bound.iter().any(|(known, _)| *known == index) {
                    return Err(SqlError::new(
                        SqlState::SyntaxError,
                        format!("multiple assignments to same column \"{column_name}\""),
                    ));
                }
                let column = &table.columns[index];
                if let Some(field) = field {
                    return Err(SqlError::new(
                        SqlState::DatatypeMismatch,
                        format!(
                            "cannot assign to field \"{field}\" of column \"{column_name}\" because its type {} is not a composite type",
                            column.ty
                        ),
                    ));
                }
                let default = is_default(value);
                if matches!(column.generated, Some(Generated::Identity { always: true, .. })) && !default {
                    return Err(SqlError::new(
                        SqlState::GeneratedAlways,
                        format!("column \"{column_name}\" can only be updated to DEFAULT"),
                    ));
                }
                let expr = if default {
                    self.default_of(table, index)?
                } else {
                    self.assign(value, scope, &column.name, column.ty, column.typmod)?
                };
                bound.push((index, expr));
            }
        }
        Ok(bound)
    }

    pub fn update(&mut self, update: &ast::Update) -> Result<Update> {
        let from: &[ast::TableWithJoins] = match &update.from {
            None => &[],
            Some(ast::UpdateTableFromKind::AfterSet(from) | ast::UpdateTableFromKind::BeforeSet(from)) => from,
        };
        if !update.table.joins.is_empty() {
            return Err(SqlError::new(SqlState::SyntaxError, "syntax error at or near \"JOIN\""));
        }
        self.levels.push(Level {
            place: Place::Set,
            ..Level::default()
        });
        let result = self.update_inner(update, from);
        self.levels.pop();
        result
    }

    fn update_inner(&mut self, update: &ast::Update, from: &[ast::TableWithJoins]) -> Result<Update> {
        let target = self.modified(&update.table, "update", from)?;
        let assignments = self.assignments(&update.assignments, &target.table, &target.scope)?;
        // The WHERE clause may look at the row, and so may the new values: that needs no right to read.
        let rel = self.restrict(target.rel, update.selection.as_ref(), &target.scope)?;
        let mut exprs = vec![self.pass(target.key, Type::Bytea)];
        exprs.extend(target.old.iter().map(|(id, ty)| self.pass(*id, *ty)));
        let mut assigned = vec![];
        for (index, value) in assignments {
            assigned.push(index);
            exprs.push((self.new_column(NO_META), value));
        }
        exprs.extend(target.others.iter().map(|(id, ty)| self.pass(*id, *ty)));
        self.touched.target_read |= looks_at(&rel, &exprs[1 + target.old.len()..], &target.old);
        let returning = match &update.returning {
            None => None,
            Some(items) => {
                self.touch(&target.table);
                let row = target.old.iter().chain(&target.others).map(|(id, _)| *id).collect();
                Some(self.bind_returning(items, &target.scope, row)?)
            }
        };
        let input = Rel::Project {
            input: Box::new(rel),
            exprs,
        };
        Ok(Update {
            table: target.table,
            input,
            assigned,
            returning,
            touched: std::mem::take(&mut self.touched),
        })
    }

    pub fn delete(&mut self, delete: &ast::Delete) -> Result<Delete> {
        if !delete.tables.is_empty() {
            return Err(SqlError::new(SqlState::SyntaxError, "DELETE takes one table, after FROM"));
        }
        let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) = &delete.from;
        let [table] = from.as_slice() else {
            return Err(SqlError::new(SqlState::SyntaxError, "syntax error at or near \",\""));
        };
        if !table.joins.is_empty() {
            return Err(SqlError::new(SqlState::SyntaxError, "syntax error at or near \"JOIN\""));
        }
        self.levels.push(Level {
            place: Place::Set,
            ..Level::default()
        });
        let result = self.delete_inner(delete, table);
        self.levels.pop();
        result
    }

    fn delete_inner(&mut self, delete: &ast::Delete, table: &ast::TableWithJoins) -> Result<Delete> {
        let target = self.modified(table, "delete from", delete.using.as_deref().unwrap_or(&[]))?;
        let rel = self.restrict(target.rel, delete.selection.as_ref(), &target.scope)?;
        let mut exprs = vec![self.pass(target.key, Type::Bytea)];
        exprs.extend(target.old.iter().chain(&target.others).map(|(id, ty)| self.pass(*id, *ty)));
        self.touched.target_read |= looks_at(&rel, &[], &target.old);
        let returning = match &delete.returning {
            None => None,
            Some(items) => {
                self.touch(&target.table);
                let row = target.old.iter().chain(&target.others).map(|(id, _)| *id).collect();
                Some(self.bind_returning(items, &target.scope, row)?)
            }
        };
        let input = Rel::Project {
            input: Box::new(rel),
            exprs,
        };
        Ok(Delete {
            table: target.table,
            input,
            returning,
            touched: std::mem::take(&mut self.touched),
        })
    }

    fn pass(&self, id: ColumnId, ty: Type) -> (ColumnId, Expr) {
        (id, Expr::Column { id, ty })
    }

    fn restrict(&mut self, rel: Rel, selection: Option<&ast::Expr>, scope: &Scope<'_>) -> Result<Rel> {
        let Some(selection) = selection else { return Ok(rel) };
        let predicate = self.in_place(Place::Where, |binder| binder.bool_expr(selection, scope, "WHERE"))?;
        Ok(Rel::Filter {
            input: Box::new(rel),
            predicate,
        })
    }

    /// The table that is written, joined with FROM or USING.
    fn modified(&mut self, item: &ast::TableWithJoins, verb: &str, from: &[ast::TableWithJoins]) -> Result<Modified> {
        let ast::TableFactor::Table {
            name, alias, args: None, ..
        } = &item.relation
        else {
            return Err(SqlError::new(SqlState::SyntaxError, format!("cannot {verb} this")));
        };
        let table = self.target(name, verb)?;
        let alias = alias.as_ref().map_or_else(|| table.name.clone(), |alias| fold(&alias.name));
        let entry = self.row_of(&table, &alias);
        let key = self.new_column(NO_META);
        let old: Vec<(ColumnId, Type)> = entry.columns.iter().map(|column| (column.id, column.ty)).collect();
        let mut columns: Vec<(ColumnId, Type, usize)> = old.iter().enumerate().map(|(index, (id, ty))| (*id, *ty, index)).collect();
        columns.push((key, Type::Bytea, row_key_index(&table)));
        let mut rel = Rel::Scan {
            table: table.clone(),
            columns,
        };
        let mut scope = Scope::default();
        scope.add(entry)?;
        let mut others = vec![];
        if !from.is_empty() {
            let (right, right_scope) = self.bind_from(from, None)?;
            others = right.columns();
            for entry in right_scope.tables {
                scope.add(entry)?;
            }
            rel = Rel::Join {
                kind: JoinKind::Inner,
                left: Box::new(rel),
                right: Box::new(right),
                on: None,
                lateral: false,
            };
        }
        Ok(Modified {
            table,
            rel,
            scope,
            key,
            old,
            others,
        })
    }

    fn bind_returning(&mut self, items: &[ast::SelectItem], scope: &Scope<'_>, row: Vec<ColumnId>) -> Result<Returning> {
        let mut exprs = vec![];
        let mut columns = vec![];
        for (name, expr) in self.returning(items, scope)? {
            let meta = self.meta_of(&expr);
            columns.push(ColumnDesc {
                name,
                ty: expr.ty(),
                typmod: meta.typmod,
                table_oid: meta.table_oid,
                attnum: meta.attnum,
            });
            exprs.push(expr);
        }
        Ok(Returning { row, exprs, columns })
    }

    /// A value that must have this type without help from a column: a setting, a function's default.
    pub fn value(&mut self, node: &ast::Expr, ty: Type) -> Result<Expr> {
        let bound = self.expr(node, &Scope::default())?;
        self.coerce(bound, ty, NO_TYPMOD, Context::Assignment, |from| super::cannot_cast(from, ty))
    }
}

struct Modified {
    table: Arc<Table>,
    rel: Rel,
    scope: Scope<'static>,
    key: ColumnId,
    old: Vec<(ColumnId, Type)>,
    others: Vec<(ColumnId, Type)>,
}

/// Whether a plan over a table, or one of these expressions, looks at the table's columns.
fn looks_at(rel: &Rel, exprs: &[(ColumnId, Expr)], columns: &[(ColumnId, Type)]) -> bool {
    let mut found = false;
    let mut see = |id: ColumnId| found |= columns.iter().any(|(column, _)| *column == id);
    rel.for_each_expr(&mut |expr| crate::trigger::uses(expr, &mut see));
    for (_, expr) in exprs {
        crate::trigger::uses(expr, &mut see);
    }
    found
}

fn is_default(node: &ast::Expr) -> bool {
    matches!(node, ast::Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

/// Why a system table refuses a write: the audit log by its own rule, the others as PostgreSQL does.
pub fn system_table_error(table: &Table) -> SqlError {
    if table.schema == "heliosdb" {
        return SqlError::new(
            SqlState::InsufficientPrivilege,
            format!("permission denied: \"heliosdb.{}\" is written by the server only", table.name),
        )
        .detail("The audit log is append-only for everyone, superusers included.");
    }
    SqlError::new(
        SqlState::InsufficientPrivilege,
        format!("permission denied: \"{}\" is a system catalog", table.name),
    )
}
