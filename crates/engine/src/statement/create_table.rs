//! `CREATE TABLE`.

use std::sync::Arc;

use catalog::{Change, Column, Constraint, ConstraintKind, Key, Table, TableKind};
use sqlparser::ast;
use types::{Notice, Result, SqlError, SqlState, Type};

use super::{complete, creation_schema};
use crate::bind::{Binder, Names, Scope, type_names};
use crate::context::StatementContext;
use crate::parse::{fold, object_name};
use crate::session::Outcome;

/// PostgreSQL's MaxHeapAttributeNumber.
const MAX_COLUMNS: usize = 1600;

pub fn run(context: &Arc<StatementContext>, create: &ast::CreateTable) -> Result<Outcome> {
    let (schema, name) = object_name(&create.name)?;
    creation_schema(context, schema.as_deref())?;
    context.lock_catalog()?;
    let context = &context.renewed();
    let schema = creation_schema(context, schema.as_deref())?;
    refuse_options(create)?;
    if context.catalog.relation(&schema, &name).is_some() {
        if create.if_not_exists {
            context.notice(Notice {
                state: SqlState::DuplicateTable,
                ..Notice::notice(format!("relation \"{name}\" already exists, skipping"))
            });
            return Ok(complete("CREATE TABLE"));
        }
        return Err(SqlError::new(
            SqlState::DuplicateTable,
            format!("relation \"{name}\" already exists"),
        ));
    }
    let mut oids = context.catalog.next_oid()..;
    let mut next_oid = || oids.next().ok_or_else(|| SqlError::internal("object identifiers are used up"));
    let mut table = Table {
        oid: next_oid()?,
        schema,
        name,
        owner: context.actor.role,
        kind: TableKind::Table,
        columns: vec![],
        primary_key: None,
        constraints: vec![],
        indexes: vec![],
        triggers: vec![],
        search_path: context.search_path.clone(),
        version: 1,
        acl: None,
        comment: None,
    };
    let mut wanted: Vec<Wanted> = vec![];
    for definition in &create.columns {
        add_column(&mut table, definition, &mut wanted)?;
    }
    if table.columns.len() > MAX_COLUMNS {
        return Err(SqlError::new(
            SqlState::TooManyColumns,
            format!("tables can have at most {MAX_COLUMNS} columns"),
        ));
    }
    for constraint in &create.constraints {
        wanted.push(table_constraint(&table, constraint)?);
    }
    for one in wanted {
        add_constraint(context, &mut table, one, &mut next_oid)?;
    }
    check_defaults(context, &table)?;
    context.change(vec![Change::PutTable(table)])?;
    Ok(complete("CREATE TABLE"))
}

/// A constraint as it was written, its columns resolved.
struct Wanted {
    name: Option<String>,
    kind: WantedKind,
}

enum WantedKind {
    PrimaryKey(Vec<usize>),
    Unique { columns: Vec<usize>, nulls_not_distinct: bool },
    Check(Box<ast::Expr>, Option<usize>),
}

fn refuse_options(create: &ast::CreateTable) -> Result<()> {
    let refused = [
        (create.temporary, "CREATE TEMPORARY TABLE"),
        (create.query.is_some(), "CREATE TABLE AS"),
        (create.inherits.is_some(), "INHERITS"),
        (create.partition_by.is_some() || create.partition_of.is_some(), "table partitioning"),
        (create.like.is_some(), "CREATE TABLE LIKE"),
        (create.or_replace, "CREATE OR REPLACE TABLE"),
    ];
    match refused.iter().find(|(given, _)| *given) {
        Some((_, what)) => Err(SqlError::unsupported(what)),
        None => Ok(()),
    }
}

fn add_column(table: &mut Table, definition: &ast::ColumnDef, wanted: &mut Vec<Wanted>) -> Result<()> {
    let name = fold(&definition.name);
    if table.column_index(&name).is_some() {
        return Err(SqlError::new(
            SqlState::DuplicateColumn,
            format!("column \"{name}\" specified more than once"),
        ));
    }
    if type_names::serial(&definition.data_type).is_some() {
        return Err(SqlError::new(SqlState::FeatureNotSupported, "serial columns are not supported"));
    }
    let (ty, typmod) = type_names::resolve(&definition.data_type)?;
    if matches!(
        ty,
        Type::Void | Type::Trigger | Type::Record | Type::Unknown | Type::Any | Type::AnyElement | Type::AnyArray
    ) {
        return Err(SqlError::new(
            SqlState::InvalidTableDefinition,
            format!("column \"{name}\" has pseudo-type {ty}"),
        ));
    }
    let index = table.columns.len();
    let attnum = i16::try_from(index + 1).map_err(|_| SqlError::new(SqlState::TooManyColumns, "too many columns"))?;
    let mut column = Column::new(name.clone(), ty, attnum);
    column.typmod = typmod;
    for option in &definition.options {
        let constraint_name = option.name.as_ref().map(fold);
        match &option.option {
            ast::ColumnOption::Null => {}
            ast::ColumnOption::NotNull => column.not_null = true,
            ast::ColumnOption::Default(expr) => {
                if column.default.is_some() {
                    return Err(SqlError::new(
                        SqlState::SyntaxError,
                        format!(
                            "multiple default values specified for column \"{name}\" of table \"{}\"",
                            table.name
                        ),
                    ));
                }
                column.default = default_text(expr, ty);
            }
            ast::ColumnOption::PrimaryKey(_) => wanted.push(Wanted {
                name: constraint_name,
                kind: WantedKind::PrimaryKey(vec![index]),
            }),
            ast::ColumnOption::Unique(unique) => wanted.push(Wanted {
                name: constraint_name,
                kind: WantedKind::Unique {
                    columns: vec![index],
                    nulls_not_distinct: unique.nulls_distinct == ast::NullsDistinctOption::NotDistinct,
                },
            }),
            ast::ColumnOption::Check(check) => wanted.push(Wanted {
                name: constraint_name,
                kind: WantedKind::Check(check.expr.clone(), Some(index)),
            }),
            // One collation: nothing to keep.
            ast::ColumnOption::Collation(_) => {}
            ast::ColumnOption::ForeignKey(_) => return Err(SqlError::unsupported("FOREIGN KEY")),
            ast::ColumnOption::Generated { .. } | ast::ColumnOption::Identity(_) => {
                return Err(SqlError::new(SqlState::FeatureNotSupported, "GENERATED columns are not supported"));
            }
            other => return Err(SqlError::new(SqlState::SyntaxError, format!("syntax error at or near \"{other}\""))),
        }
    }
    table.columns.push(column);
    Ok(())
}

/// A default as the catalog keeps it and psql shows it: PostgreSQL gives a literal its type, and keeps no NULL.
fn default_text(expr: &ast::Expr, ty: Type) -> Option<String> {
    let literal = match expr {
        ast::Expr::Nested(inner) => return default_text(inner, ty),
        ast::Expr::Value(value) => &value.value,
        other => return Some(other.to_string()),
    };
    match literal {
        ast::Value::Null => None,
        ast::Value::SingleQuotedString(text)
        | ast::Value::EscapedStringLiteral(text)
        | ast::Value::UnicodeStringLiteral(text)
        | ast::Value::NationalStringLiteral(text) => Some(typed_text(text, ty)),
        ast::Value::DollarQuotedString(text) => Some(typed_text(&text.value, ty)),
        other => Some(other.to_string()),
    }
}

/// A string as a literal of this type: `'x'::text`, and `5` for an integer.
fn typed_text(text: &str, ty: Type) -> String {
    let quoted = types::ident::quote_literal(text);
    let canonical = |number: &i32| *number >= 0 && number.to_string() == text;
    match (ty, text) {
        (Type::Int4, _) if text.parse().as_ref().is_ok_and(canonical) => text.to_string(),
        (Type::Bool, "true" | "t") => "true".to_string(),
        (Type::Bool, "false" | "f") => "false".to_string(),
        (Type::Bpchar, _) => format!("{quoted}::bpchar"),
        _ => format!("{quoted}::{ty}"),
    }
}

fn table_constraint(table: &Table, constraint: &ast::TableConstraint) -> Result<Wanted> {
    let columns = |list: &[ast::IndexColumn]| -> Result<Vec<usize>> {
        let mut indexes = vec![];
        for column in list {
            let ast::Expr::Identifier(ident) = &column.column.expr else {
                return Err(SqlError::new(SqlState::SyntaxError, "a key is made of columns"));
            };
            let name = fold(ident);
            let index = table
                .column_index(&name)
                .ok_or_else(|| SqlError::new(SqlState::UndefinedColumn, format!("column \"{name}\" named in key does not exist")))?;
            if indexes.contains(&index) {
                return Err(SqlError::new(
                    SqlState::DuplicateColumn,
                    format!("column \"{name}\" appears twice in primary key constraint"),
                ));
            }
            indexes.push(index);
        }
        Ok(indexes)
    };
    Ok(match constraint {
        ast::TableConstraint::PrimaryKey(key) => Wanted {
            name: key.name.as_ref().map(fold),
            kind: WantedKind::PrimaryKey(columns(&key.columns)?),
        },
        ast::TableConstraint::Unique(unique) => Wanted {
            name: unique.name.as_ref().map(fold),
            kind: WantedKind::Unique {
                columns: columns(&unique.columns)?,
                nulls_not_distinct: unique.nulls_distinct == ast::NullsDistinctOption::NotDistinct,
            },
        },
        ast::TableConstraint::Check(check) => Wanted {
            name: check.name.as_ref().map(fold),
            kind: WantedKind::Check(check.expr.clone(), None),
        },
        ast::TableConstraint::ForeignKey(_) => return Err(SqlError::unsupported("FOREIGN KEY")),
        other => return Err(SqlError::new(SqlState::SyntaxError, format!("syntax error at or near \"{other}\""))),
    })
}

fn add_constraint(
    context: &Arc<StatementContext>,
    table: &mut Table,
    wanted: Wanted,
    next_oid: &mut impl FnMut() -> Result<u32>,
) -> Result<()> {
    let column_names = |columns: &[usize]| {
        columns
            .iter()
            .map(|index| table.columns[*index].name.as_str())
            .collect::<Vec<_>>()
            .join("_")
    };
    match wanted.kind {
        WantedKind::PrimaryKey(columns) => {
            if table.primary_key.is_some() {
                return Err(SqlError::new(
                    SqlState::InvalidTableDefinition,
                    format!("multiple primary keys for table \"{}\" are not allowed", table.name),
                ));
            }
            keyable(table, &columns)?;
            let name = free_name(context, table, wanted.name, &Proposed::new(table, None, "pkey"))?;
            columns.iter().for_each(|index| table.columns[*index].not_null = true);
            table.primary_key = Some(Key {
                oid: next_oid()?,
                index_oid: next_oid()?,
                name,
                columns,
            });
        }
        WantedKind::Unique {
            columns,
            nulls_not_distinct,
        } => {
            keyable(table, &columns)?;
            let name = free_name(
                context,
                table,
                wanted.name,
                &Proposed::new(table, Some(&column_names(&columns)), "key"),
            )?;
            let kind = ConstraintKind::Unique {
                index_oid: next_oid()?,
                nulls_not_distinct,
            };
            table.constraints.push(Constraint {
                oid: next_oid()?,
                name,
                columns,
                kind,
                comment: None,
            });
        }
        WantedKind::Check(expr, of_column) => {
            let names = Names {
                snapshot: &context.catalog,
                search_path: &context.search_path,
            };
            let text = expr.to_string();
            let mut binder = Binder::new(names, &**context, crate::parse::Source::new(text.as_str()), &[]);
            let shared = Arc::new(table.clone());
            let entry = binder.row_of(&shared, &table.name);
            let ids: Vec<_> = entry.columns.iter().map(|column| column.id).collect();
            let bound = binder.condition(
                &expr,
                &Scope {
                    tables: vec![entry],
                    parent: None,
                },
            )?;
            let columns = (0..ids.len()).filter(|index| uses(&bound, ids[*index])).collect::<Vec<_>>();
            let only = of_column.or(if let [only] = columns.as_slice() { Some(*only) } else { None });
            let column = only.map(|index| table.columns[index].name.clone());
            let name = free_name(context, table, wanted.name, &Proposed::new(table, column.as_deref(), "check"))?;
            table.constraints.push(Constraint {
                oid: next_oid()?,
                name,
                columns,
                kind: ConstraintKind::Check { expression: text },
                comment: None,
            });
        }
    }
    Ok(())
}

fn uses(expr: &query::ir::Expr, column: query::ir::ColumnId) -> bool {
    let mut found = matches!(expr, query::ir::Expr::Column { id, .. } if *id == column);
    expr.for_each_child(&mut |child| found |= uses(child, column));
    found
}

/// Types that a key can be made of: those with an order that storage can keep.
fn keyable(table: &Table, columns: &[usize]) -> Result<()> {
    for index in columns {
        let column = &table.columns[*index];
        if matches!(column.ty, Type::Json) {
            return Err(SqlError::new(
                SqlState::UndefinedObject,
                format!("data type {} has no default operator class for access method \"btree\"", column.ty),
            )
            .hint("You must specify an operator class for the index or define a default operator class for the data type."));
        }
    }
    Ok(())
}

/// The given name, or the proposed one made free by a number.
fn free_name(context: &StatementContext, table: &Table, given: Option<String>, proposed: &Proposed) -> Result<String> {
    let taken = |name: &str| {
        context.catalog.relation(&table.schema, name).is_some()
            || table.name == name
            || table.index_names().any(|(_, known)| known == name)
            || table.constraints.iter().any(|constraint| constraint.name == name)
    };
    if let Some(name) = given {
        if taken(&name) {
            return Err(SqlError::new(
                SqlState::DuplicateObject,
                format!("constraint \"{name}\" for relation \"{}\" already exists", table.name),
            ));
        }
        return Ok(name);
    }
    let mut name = proposed.name("");
    for number in 1.. {
        if !taken(&name) {
            break;
        }
        name = proposed.name(&number.to_string());
    }
    Ok(name)
}

/// Defaults are bound once now, so that a bad one shows at CREATE.
fn check_defaults(context: &Arc<StatementContext>, table: &Table) -> Result<()> {
    let names = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    };
    let mut binder = Binder::new(names, &**context, crate::parse::Source::new(""), &[]);
    for index in 0..table.columns.len() {
        binder.default_of(table, index)?;
    }
    Ok(())
}

/// The parts of a name that is made up: `table_column_key`.
struct Proposed {
    table: String,
    column: Option<String>,
    label: &'static str,
}

impl Proposed {
    fn new(table: &Table, column: Option<&str>, label: &'static str) -> Proposed {
        Proposed {
            table: table.name.clone(),
            column: column.map(|column| types::ident::truncate(column).to_string()),
            label,
        }
    }

    /// Where it would be too long, the longer one of table and column is cut, as PostgreSQL does.
    fn name(&self, number: &str) -> String {
        let (mut table, mut column) = (self.table.as_str(), self.column.as_deref());
        let rest = 1 + self.label.len() + number.len() + usize::from(column.is_some());
        while table.len() + column.map_or(0, str::len) + rest > types::ident::MAX_IDENTIFIER_BYTES {
            let longer = match &mut column {
                Some(column) if column.len() >= table.len() => column,
                _ => &mut table,
            };
            *longer = &longer[..longer.floor_char_boundary(longer.len().saturating_sub(1))];
        }
        match column {
            Some(column) => format!("{table}_{column}_{}{number}", self.label),
            None => format!("{table}_{}{number}", self.label),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_made_up_fit() {
        let check = |table: usize, column: Option<usize>, number: &str, expect: (usize, Option<usize>)| {
            let proposed = |table: usize, column: Option<usize>| Proposed {
                table: "t".repeat(table),
                column: column.map(|length| "c".repeat(length)),
                label: "key",
            };
            let whole = proposed(expect.0, expect.1).name(number);
            assert!(whole.len() <= types::ident::MAX_IDENTIFIER_BYTES);
            assert_eq!(proposed(table, column).name(number), whole);
        };
        check(5, Some(5), "", (5, Some(5)));
        check(63, None, "", (59, None));
        check(63, None, "1", (58, None));
        check(60, Some(10), "", (48, Some(10)));
        check(63, Some(63), "", (29, Some(29)));
    }
}
