//! The names of records' fields, for the functions that make JSON of them.
//!
//! The life of a name here: a table's row as one value ([`query::ir::Expr::Row`]) carries the names of its
//! columns; where such a value becomes a column of a subquery, or an aggregate's result, the binder keeps them
//! beside the column; and a function that writes JSON is told them with the types of its arguments. Values
//! themselves have none: `ROW(a, b)` is written with `f1` and `f2`.

use functions::{Aggregate, Shape};
use query::ir::{ColumnId, Expr};
use types::{Datum, Result, SqlError, SqlState, Type};

use super::from::Outputs;
use super::{Binder, Scope, ScopeColumn};

/// The fields of a record, or of an array's records; empty where they are not known.
pub(super) type Fields = Vec<(String, Shape)>;

impl Binder<'_> {
    /// A table's row as one value; of a function that returns single values, the value.
    pub(super) fn whole_row(&self, alias: &str, scope: &Scope<'_>) -> Option<Expr> {
        let table = scope.table(alias)?;
        if let (true, [column]) = (table.scalar, &table.columns[..]) {
            return Some(Expr::Column {
                id: column.id,
                ty: column.ty,
            });
        }
        let columns = table.columns.iter().map(|column| Expr::Column {
            id: column.id,
            ty: column.ty,
        });
        // Its type is the table's, whose names an alias does not change.
        let own: Vec<&str> = table
            .table
            .iter()
            .flat_map(|table| &table.columns)
            .filter(|column| !column.dropped)
            .map(|column| &*column.name)
            .collect();
        let name = |(index, column): (usize, &ScopeColumn)| match own.get(index) {
            Some(name) if own.len() == table.columns.len() => name.to_string(),
            _ => column.name.clone(),
        };
        let names = table.columns.iter().enumerate().map(name);
        Some(Expr::Row(columns.collect(), Some(names.collect())))
    }

    /// A new column for the value of an expression, with all that is known of that.
    pub(super) fn column_for(&mut self, expr: &Expr) -> ColumnId {
        let meta = self.meta_of(expr);
        let id = self.new_column(meta);
        self.keep_fields(id, expr);
        id
    }

    /// The column holds what the expression gives, or an array of it.
    pub(super) fn keep_fields(&mut self, id: ColumnId, expr: &Expr) {
        let fields = self.fields(expr);
        if !fields.is_empty() {
            self.records.insert(id, fields);
        }
    }

    /// As [`Binder::keep_fields`], for the result of an aggregate or a window function, of this type.
    pub(super) fn keep_result_fields(&mut self, id: ColumnId, ty: Type, args: &[Expr]) {
        if let (Some(first), true) = (args.first(), is_record(ty)) {
            self.keep_fields(id, first);
        }
    }

    fn fields(&self, expr: &Expr) -> Fields {
        let first = |exprs: &mut dyn Iterator<Item = &Expr>| exprs.map(|expr| self.fields(expr)).find(|fields| !fields.is_empty());
        if !is_record(expr.ty()) {
            return vec![];
        }
        match expr {
            Expr::Row(values, names) => {
                let shape = |value: &Expr| Shape {
                    ty: value.ty(),
                    fields: self.fields(value),
                };
                let name = |index: usize| match names.as_ref().and_then(|names| names.get(index)) {
                    Some(name) => name.clone(),
                    None => format!("f{}", index + 1),
                };
                values
                    .iter()
                    .enumerate()
                    .map(|(index, value)| (name(index), shape(value)))
                    .collect()
            }
            Expr::Column { id, .. } => self.records.get(id).cloned().unwrap_or_default(),
            Expr::Scalar { query, .. } => {
                let column = query.columns().first().map(|(id, _)| *id);
                column.and_then(|id| self.records.get(&id).cloned()).unwrap_or_default()
            }
            Expr::Coalesce(values, _) => first(&mut values.iter()).unwrap_or_default(),
            Expr::Array { elements, .. } => first(&mut elements.iter()).unwrap_or_default(),
            Expr::Case { branches, otherwise, .. } => {
                first(&mut branches.iter().map(|(_, value)| value).chain(otherwise.as_deref())).unwrap_or_default()
            }
            // A field of a record that is one itself.
            Expr::Call { function, args, .. } if std::ptr::eq(*function, functions::record_field()) => match &args[..] {
                [record, Expr::Const(Datum::Int4(place), _)] => {
                    let field = usize::try_from(*place)
                        .ok()
                        .and_then(|place| self.fields(record).into_iter().nth(place));
                    field.map(|(_, shape)| shape.fields).unwrap_or_default()
                }
                _ => vec![],
            },
            Expr::Call { .. }
            | Expr::Const(..)
            | Expr::Param { .. }
            | Expr::Cast { .. }
            | Expr::UserCall { .. }
            | Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::InList { .. }
            | Expr::AnyArray { .. }
            | Expr::AnyQuery { .. }
            | Expr::Exists(_) => vec![],
        }
    }

    /// `(value).name`.
    pub(super) fn record_field(&self, value: Expr, name: &str) -> Result<Expr> {
        let fields = self.fields(&value);
        let found = fields.iter().zip(0..).find(|((known, _), _)| known == name);
        let Some(((_, shape), place)) = found else {
            return Err(SqlError::new(
                SqlState::UndefinedColumn,
                format!("could not identify column \"{name}\" in record data type"),
            ));
        };
        Ok(Expr::Call {
            function: functions::record_field(),
            args: vec![value, Expr::Const(Datum::Int4(place), Type::Int4)],
            ty: shape.ty,
        })
    }

    /// The rows of a set-returning function in the select list are records of its columns.
    pub(super) fn keep_columns(&mut self, id: ColumnId, outputs: Outputs) {
        let shape = |(name, ty)| (name, Shape { ty, fields: vec![] });
        self.records.insert(id, outputs.into_iter().map(shape).collect());
    }

    /// Adds the names of records' fields to the types that a function is told of its arguments.
    pub(super) fn types_argument(&self, types: Datum, args: &[Expr]) -> Expr {
        let fields: Vec<Fields> = args.iter().map(|arg| self.fields(arg)).collect();
        Expr::Const(functions::name_fields(types, fields), Type::Record)
    }

    /// The arguments of an aggregate, which is not told of their types: records are written as JSON before it gets them.
    pub(super) fn written_records(&mut self, function: &Aggregate, args: Vec<Expr>, distinct: bool) -> Result<Vec<Expr>> {
        if !matches!(function.name, "json_agg" | "jsonb_agg" | "json_object_agg" | "jsonb_object_agg") {
            return Ok(args);
        }
        let write = |arg: Expr| -> Result<Expr> {
            if self.fields(&arg).is_empty() {
                return Ok(arg);
            }
            let mut fields = vec![Expr::Const(Datum::text(functions::WRITTEN_MARK), Type::Text)];
            // DISTINCT compares, and sorts by, the record itself.
            fields.extend(distinct.then(|| arg.clone()));
            fields.push(self.call_builtin("to_json", vec![arg])?);
            Ok(Expr::Row(fields, None))
        };
        args.into_iter().map(write).collect()
    }
}

fn is_record(ty: Type) -> bool {
    ty == Type::Record || ty.element() == Some(Type::Record)
}
