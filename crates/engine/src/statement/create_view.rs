//! `CREATE VIEW`.

use std::ops::ControlFlow;
use std::sync::Arc;

use catalog::{Change, Column, Table, TableKind};
use sqlparser::ast;
use types::{Result, SqlError, SqlState};

use super::{complete, creation_schema, must_be_owner};
use crate::bind::{Binder, Names};
use crate::catalog_lock::Lockable;
use crate::context::StatementContext;
use crate::parse::{fold, object_name};
use crate::session::Outcome;

pub fn run(context: &Arc<StatementContext>, create: &ast::CreateView) -> Result<Outcome> {
    if create.materialized || create.temporary {
        return Err(SqlError::new(
            SqlState::FeatureNotSupported,
            "materialized and temporary views are not supported",
        ));
    }
    let (schema, name) = object_name(&create.name)?;
    creation_schema(context, schema.as_deref())?;
    context.lock_catalog()?;
    let context = &context.renewed();
    let schema = creation_schema(context, schema.as_deref())?;
    let names = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    };
    let mut query = (*create.query).clone();
    qualify(&mut query, names);
    let definition = query.to_string();
    // Bound as it will be read: from its own text.
    let mut binder = Binder::new(names, &**context, crate::parse::Source::new(definition.as_str()), &[]);
    let bound = binder.query(&create.query, None, false)?;
    if !binder.param_types().is_empty() {
        return Err(SqlError::new(SqlState::UndefinedParameter, "there is no parameter $1"));
    }
    let aliases: Vec<String> = create.columns.iter().map(|column| fold(&column.name)).collect();
    if aliases.len() > bound.columns.len() {
        return Err(SqlError::new(
            SqlState::SyntaxError,
            "CREATE VIEW specifies more column names than columns",
        ));
    }
    let mut columns: Vec<Column> = vec![];
    for (index, output) in bound.columns.iter().enumerate() {
        let name = aliases.get(index).unwrap_or(&output.name).clone();
        if columns.iter().any(|column| column.name == name) {
            return Err(SqlError::new(
                SqlState::DuplicateColumn,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        let attnum = i16::try_from(index + 1).map_err(|_| SqlError::new(SqlState::TooManyColumns, "too many columns"))?;
        let mut column = Column::new(name, output.ty, attnum);
        column.typmod = binder.meta(output.id).typmod;
        columns.push(column);
    }
    let existing = match context.catalog.table(&schema, &name) {
        None => None,
        Some(old) => {
            if create.or_replace && !context.catalog.owns(context.actor.role, old.owner) {
                return Err(must_be_owner(old.kind.word(), &name));
            }
            context.lock_object(Lockable::Relation(old.oid))?;
            context.newest_catalog().table_by_oid(old.oid).cloned()
        }
    };
    let (oid, version, owner) = match &existing {
        None if context.catalog.relation(&schema, &name).is_some() => {
            return Err(SqlError::new(
                SqlState::DuplicateTable,
                format!("relation \"{name}\" already exists"),
            ));
        }
        None => (context.catalog.next_oid(), 1, context.actor.role),
        Some(old) if create.or_replace && matches!(old.kind, TableKind::View { .. }) => {
            if !context.catalog.owns(context.actor.role, old.owner) {
                return Err(must_be_owner("view", &name));
            }
            if old.columns.len() > columns.len() {
                return Err(SqlError::new(SqlState::InvalidTableDefinition, "cannot drop columns from view"));
            }
            if let Some((before, after)) = old.columns.iter().zip(&columns).find(|(a, b)| a.name != b.name || a.ty != b.ty) {
                return Err(SqlError::new(
                    SqlState::InvalidTableDefinition,
                    if before.name != after.name {
                        format!("cannot change name of view column \"{}\" to \"{}\"", before.name, after.name)
                    } else {
                        format!(
                            "cannot change data type of view column \"{}\" from {} to {}",
                            before.name, before.ty, after.ty
                        )
                    },
                ));
            }
            (old.oid, old.version + 1, old.owner)
        }
        Some(old) if create.or_replace => {
            return Err(SqlError::new(SqlState::WrongObjectType, format!("\"{}\" is not a view", old.name)));
        }
        Some(_) => {
            return Err(SqlError::new(
                SqlState::DuplicateTable,
                format!("relation \"{name}\" already exists"),
            ));
        }
    };
    let view = Table {
        oid,
        schema,
        name,
        owner,
        kind: TableKind::View { definition },
        columns,
        primary_key: None,
        constraints: vec![],
        indexes: vec![],
        triggers: vec![],
        search_path: context.search_path.clone(),
        version,
        acl: existing.as_ref().and_then(|old| old.acl.clone()),
        comment: existing.and_then(|old| old.comment.clone()),
    };
    context.change(vec![Change::PutTable(view)])?;
    Ok(complete("CREATE VIEW"))
}

/// Writes the schema before each table name, so that the view means the same under any search path.
fn qualify(query: &mut ast::Query, names: Names<'_>) {
    let mut with = vec![];
    let _: ControlFlow<()> = ast::visit_expressions(query, |_| ControlFlow::Continue(()));
    collect_ctes(query, &mut with);
    let _: ControlFlow<()> = ast::visit_relations_mut(query, |relation| {
        if let [ast::ObjectNamePart::Identifier(ident)] = relation.0.as_slice() {
            let name = fold(ident);
            if !with.contains(&name)
                && let Some(table) = names.find_table(None, &name)
            {
                let quoted = |name: &str| ast::ObjectNamePart::Identifier(ast::Ident::with_quote('"', name));
                relation.0 = vec![quoted(&table.schema), quoted(&table.name)];
            }
        }
        ControlFlow::Continue(())
    });
}

/// The names that WITH clauses anywhere in the query define.
fn collect_ctes(query: &ast::Query, names: &mut Vec<String>) {
    struct Ctes<'n>(&'n mut Vec<String>);
    impl ast::Visitor for Ctes<'_> {
        type Break = ();
        fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<()> {
            self.0.extend(
                query
                    .with
                    .iter()
                    .flat_map(|with| with.cte_tables.iter().map(|cte| fold(&cte.alias.name))),
            );
            ControlFlow::Continue(())
        }
    }
    let _ = ast::Visit::visit(query, &mut Ctes(names));
}
