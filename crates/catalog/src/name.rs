//! Qualified names in text: read as `'public."T"'::regclass` reads them, written as short as the search path allows.

use types::ident::{quote_ident, truncate};
use types::{Result, SqlError, SqlState};

use crate::{Function, Relation, SystemContext, Table};

/// The parts of a dotted name, folded or unquoted.
pub(crate) fn parse(text: &str) -> Result<Vec<String>> {
    let invalid = || SqlError::new(SqlState::InvalidName, "invalid name syntax");
    let mut parts = vec![];
    let mut rest = text.trim();
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(quoted).ok_or_else(invalid)?,
            None => {
                let end = rest.find(|c: char| c == '.' || c == '"' || c.is_whitespace()).unwrap_or(rest.len());
                (rest[..end].to_lowercase(), &rest[end..])
            }
        };
        if part.is_empty() {
            return Err(invalid());
        }
        parts.push(truncate(&part).to_string());
        rest = after.trim_start();
        match rest.strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None if rest.is_empty() => return Ok(parts),
            None => return Err(invalid()),
        }
    }
}

/// What stands between the quotes, and what comes after the closing one.
pub(crate) fn quoted_part(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let quote = rest.find('"')?;
        part.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                part.push('"');
                rest = next;
            }
            None => return Some((part, rest)),
        }
    }
}

/// A name of one or two parts as (schema, name); the database's name may stand before both.
pub(crate) fn schema_and_name(context: &SystemContext, parts: Vec<String>) -> Result<(Option<String>, String)> {
    let dotted = parts.join(".");
    let mut parts = parts.into_iter().rev();
    let (name, schema, database, more) = (parts.next(), parts.next(), parts.next(), parts.next());
    if more.is_some() {
        return Err(SqlError::new(
            SqlState::SyntaxError,
            format!("improper relation name (too many dotted names): {dotted}"),
        ));
    }
    if database.is_some_and(|database| database != context.database) {
        return Err(SqlError::unsupported(format!("cross-database reference \"{dotted}\"")));
    }
    Ok((schema, name.unwrap_or_default()))
}

/// The relation of a name as text, or PostgreSQL's error.
pub(crate) fn relation(context: &SystemContext, text: &str) -> Result<Relation> {
    let (schema, name) = schema_and_name(context, parse(text)?)?;
    let missing = |shown: String| SqlError::new(SqlState::UndefinedTable, format!("relation \"{shown}\" does not exist"));
    match schema {
        None => context
            .snapshot
            .relation_on_path(context.search_path, &name)
            .ok_or_else(|| missing(name)),
        Some(schema) => {
            require_schema(context, &schema)?;
            context
                .snapshot
                .relation(&schema, &name)
                .ok_or_else(|| missing(format!("{schema}.{name}")))
        }
    }
}

pub(crate) fn require_schema(context: &SystemContext, schema: &str) -> Result<()> {
    match context.snapshot.schema(schema) {
        Some(_) => Ok(()),
        None => Err(SqlError::new(
            SqlState::InvalidSchemaName,
            format!("schema \"{schema}\" does not exist"),
        )),
    }
}

/// A relation's schema, name and OID.
pub(crate) fn of_relation(relation: &Relation) -> (&str, &str, u32) {
    match relation {
        Relation::Table(table) => (&table.schema, &table.name, table.oid),
        Relation::Index(table, oid) => {
            let name = table.index_names().find(|(index, _)| index == oid).map_or("", |(_, name)| name);
            (&table.schema, name, *oid)
        }
    }
}

/// Whether the bare name finds this relation.
pub(crate) fn is_visible(context: &SystemContext, relation: &Relation) -> bool {
    let (_, name, oid) = of_relation(relation);
    context
        .snapshot
        .relation_on_path(context.search_path, name)
        .is_some_and(|found| of_relation(&found).2 == oid)
}

/// The relation's name as it must stand in SQL text in this session.
pub(crate) fn shown(context: &SystemContext, relation: &Relation) -> String {
    let (schema, name, _) = of_relation(relation);
    if is_visible(context, relation) {
        quote_ident(name)
    } else {
        qualified(schema, name)
    }
}

pub(crate) fn shown_table(context: &SystemContext, table: &Table) -> String {
    let visible = context
        .snapshot
        .relation_on_path(context.search_path, &table.name)
        .is_some_and(|found| of_relation(&found).2 == table.oid);
    if visible {
        quote_ident(&table.name)
    } else {
        qualified(&table.schema, &table.name)
    }
}

pub(crate) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_ident(schema), quote_ident(name))
}

/// Whether a call with the bare name and these argument types finds this function.
pub(crate) fn is_function_visible(context: &SystemContext, function: &Function) -> bool {
    let types = function.arg_types();
    let found = context
        .search_path
        .iter()
        .find_map(|schema| context.snapshot.function(schema, &function.name, &types));
    found.is_some_and(|found| found.oid == function.oid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[&str]>) {
        let expected = expected.map(|parts| parts.iter().map(|part| part.to_string()).collect::<Vec<_>>());
        assert_eq!(parse(text).ok(), expected, "{text:?}");
    }

    #[test]
    fn names_are_read_as_sql_reads_them() {
        check("Users", Some(&["users"]));
        check(" public . \"My \"\"T\"\"\" ", Some(&["public", "My \"T\""]));
        check("\"\"", None);
        check("", None);
        check("a.", None);
        check("a b", None);
        check("\"a", None);
    }
}
