//! `has_*_privilege`, `pg_has_role`, and ACLs as rows.

use std::str::FromStr;

use types::{Datum, Result, SqlError, SqlState, Type};

use super::{Answer, mismatch, oid, reg, text};
use crate::builtin::{DATABASE_OID, SUPERUSER_OID};
use crate::row::acl_items;
use crate::{Acl, AclKind, PUBLIC, Privilege, Relation, SystemContext, Table, name};

pub(super) const ANSWERS: &[(&str, Answer)] = &[
    ("has_table_privilege", |context, args| {
        relation("has_table_privilege", context, args, AclKind::Table)
    }),
    ("has_any_column_privilege", |context, args| {
        relation("has_any_column_privilege", context, args, AclKind::Table)
    }),
    ("has_sequence_privilege", |context, args| {
        relation("has_sequence_privilege", context, args, AclKind::Sequence)
    }),
    ("has_column_privilege", column),
    ("has_function_privilege", function),
    ("has_schema_privilege", schema),
    ("has_database_privilege", database),
    // Languages, types and tablespaces have no grants: what PostgreSQL gives to everybody holds for everybody.
    ("has_language_privilege", |context, args| {
        usage_of_all("has_language_privilege", context, args)
    }),
    ("has_type_privilege", |context, args| {
        usage_of_all("has_type_privilege", context, args)
    }),
    ("has_tablespace_privilege", |context, args| {
        only_superusers("has_tablespace_privilege", context, args)
    }),
    ("has_foreign_data_wrapper_privilege", |context, args| {
        only_superusers("has_foreign_data_wrapper_privilege", context, args)
    }),
    ("has_server_privilege", |context, args| {
        only_superusers("has_server_privilege", context, args)
    }),
    ("pg_has_role", has_role),
    ("acldefault", acl_default),
    ("aclexplode", acl_explode),
];

/// One privilege of a list such as `SELECT, INSERT WITH GRANT OPTION`.
struct Asked {
    privilege: Privilege,
    grantable: bool,
}

fn asked(list: &str, kind: AclKind) -> Result<Vec<Asked>> {
    let one = |word: &str| {
        let word = word.trim();
        let lower = word.to_ascii_lowercase();
        let (name, grantable) = match lower.strip_suffix(" with grant option") {
            Some(name) => (name.trim(), true),
            None => (lower.as_str(), false),
        };
        let privilege = Privilege::from_name(name).filter(|privilege| kind.privileges().contains(privilege));
        let unknown = || SqlError::new(SqlState::InvalidParameterValue, format!("unrecognized privilege type: \"{word}\""));
        privilege.map(|privilege| Asked { privilege, grantable }).ok_or_else(unknown)
    };
    list.split(',').map(one).collect()
}

/// The role that `with_user` overloads name in their first argument; the arguments after it.
fn user<'a>(name: &str, context: &SystemContext, args: &'a [Datum], without_user: usize) -> Result<(u32, &'a [Datum])> {
    if args.len() == without_user {
        return Ok((context.current_user, args));
    }
    let (first, rest) = args.split_first().ok_or_else(|| mismatch(name))?;
    Ok((role(name, context, first)?, rest))
}

/// A role by name or OID; `public` is one.
fn role(name: &str, context: &SystemContext, value: &Datum) -> Result<u32> {
    match value {
        Datum::Text(role) if role == "public" => Ok(PUBLIC),
        Datum::Text(role) => role_oid(context, role),
        _ => oid(name, std::slice::from_ref(value), 0),
    }
}

fn role_oid(context: &SystemContext, name: &str) -> Result<u32> {
    let missing = || SqlError::new(SqlState::UndefinedObject, format!("role \"{name}\" does not exist"));
    context.snapshot.role(name).map(|role| role.oid).ok_or_else(missing)
}

fn holds(context: &SystemContext, role: u32, asked: &[Asked], kind: AclKind, owner: u32, acl: Option<&Acl>) -> Datum {
    let held = |asked: &Asked| {
        context
            .snapshot
            .has_privilege(role, asked.privilege, asked.grantable, kind, owner, acl)
    };
    Datum::Bool(asked.iter().any(held))
}

/// The table of a text or OID argument; None where the OID has none.
fn table(name: &str, context: &SystemContext, args: &[Datum]) -> Result<Option<std::sync::Arc<Table>>> {
    let relation = match args.first() {
        Some(Datum::Text(text)) => Some(name::relation(context, text)?),
        _ => context.snapshot.relation_by_oid(oid(name, args, 0)?),
    };
    Ok(relation.map(|relation| match relation {
        Relation::Table(table) | Relation::Index(table, _) => table,
    }))
}

fn relation(name: &str, context: &SystemContext, args: &[Datum], kind: AclKind) -> Result<Datum> {
    let (role, args) = user(name, context, args, 2)?;
    let asked = asked(text(name, args, 1)?, kind)?;
    Ok(match table(name, context, args)? {
        Some(table) => holds(context, role, &asked, kind, table.owner, table.acl.as_ref()),
        None => Datum::Null,
    })
}

/// Columns have no grants of their own: a table's privilege is each column's.
fn column(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    const NAME: &str = "has_column_privilege";
    let (role, args) = user(NAME, context, args, 3)?;
    let asked = asked(text(NAME, args, 2)?, AclKind::Table)?;
    let Some(table) = table(NAME, context, args)? else {
        return Ok(Datum::Null);
    };
    match args.get(1) {
        Some(Datum::Text(column)) if table.column(column).is_none() => {
            let message = format!("column \"{column}\" of relation \"{}\" does not exist", table.name);
            return Err(SqlError::new(SqlState::UndefinedColumn, message));
        }
        Some(Datum::Text(_)) => {}
        Some(number) => {
            let number = number.as_i64();
            if !table.live_columns().any(|(_, column)| Some(i64::from(column.attnum)) == number) {
                return Ok(Datum::Null);
            }
        }
        None => return Err(mismatch(NAME)),
    }
    Ok(holds(context, role, &asked, AclKind::Table, table.owner, table.acl.as_ref()))
}

fn function(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    const NAME: &str = "has_function_privilege";
    let (role, args) = user(NAME, context, args, 2)?;
    let asked = asked(text(NAME, args, 1)?, AclKind::Function)?;
    let wanted = match args.first() {
        Some(Datum::Text(text)) => reg::procedure(context, text)?,
        _ => oid(NAME, args, 0)?,
    };
    if let Some(function) = context.snapshot.function_by_oid(wanted) {
        return Ok(holds(
            context,
            role,
            &asked,
            AclKind::Function,
            function.owner,
            function.acl.as_ref(),
        ));
    }
    let builtin = context.live.builtin_functions().iter().any(|function| function.oid == wanted);
    Ok(if builtin {
        holds(context, role, &asked, AclKind::Function, SUPERUSER_OID, None)
    } else {
        Datum::Null
    })
}

fn schema(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    const NAME: &str = "has_schema_privilege";
    let (role, args) = user(NAME, context, args, 2)?;
    let asked = asked(text(NAME, args, 1)?, AclKind::Schema)?;
    let schema = match args.first() {
        Some(Datum::Text(schema)) => {
            name::require_schema(context, schema)?;
            context.snapshot.schema(schema)
        }
        _ => context.snapshot.schema_by_oid(oid(NAME, args, 0)?),
    };
    Ok(schema.map_or(Datum::Null, |schema| {
        holds(context, role, &asked, AclKind::Schema, schema.owner, schema.acl.as_ref())
    }))
}

fn database(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    const NAME: &str = "has_database_privilege";
    let (role, args) = user(NAME, context, args, 2)?;
    let asked = asked(text(NAME, args, 1)?, AclKind::Database)?;
    match args.first() {
        Some(Datum::Text(database)) if database != context.database => Err(SqlError::new(
            SqlState::InvalidCatalogName,
            format!("database \"{database}\" does not exist"),
        )),
        Some(Datum::Oid(database)) if *database != DATABASE_OID => Ok(Datum::Null),
        _ => {
            let database = context.snapshot.database();
            Ok(holds(
                context,
                role,
                &asked,
                AclKind::Database,
                database.owner,
                database.acl.as_ref(),
            ))
        }
    }
}

fn usage_of_all(name: &str, context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let (role, args) = user(name, context, args, 2)?;
    let asked = asked(text(name, args, 1)?, AclKind::Schema)?;
    let held = |asked: &Asked| asked.privilege == Privilege::Usage && !asked.grantable;
    Ok(Datum::Bool(context.snapshot.is_superuser(role) || asked.iter().any(held)))
}

fn only_superusers(name: &str, context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let (role, args) = user(name, context, args, 2)?;
    asked(text(name, args, 1)?, AclKind::Schema)?;
    Ok(Datum::Bool(context.snapshot.is_superuser(role)))
}

/// ([user,] role, `MEMBER` | `USAGE` [`WITH ADMIN OPTION`]).
fn has_role(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    const NAME: &str = "pg_has_role";
    let (member, args) = user(NAME, context, args, 2)?;
    let role = role(NAME, context, args.first().ok_or_else(|| mismatch(NAME))?)?;
    let kind = text(NAME, args, 1)?;
    let lower = kind.trim().to_ascii_lowercase();
    let (word, admin) = match lower.split_once(" with ") {
        Some((word, "admin option" | "grant option")) => (word.trim(), true),
        Some(_) | None => (lower.as_str(), false),
    };
    if word != "member" && word != "usage" {
        return Err(SqlError::new(
            SqlState::InvalidParameterValue,
            format!("unrecognized privilege type: \"{kind}\""),
        ));
    }
    let snapshot = context.snapshot;
    Ok(Datum::Bool(match word {
        _ if admin => snapshot.is_admin(member, role),
        // By SET ROLE.
        "member" => snapshot.is_superuser(member) || snapshot.is_member(member, role),
        _ => snapshot.acts_as(member, role),
    }))
}

/// (kind, owner): the ACL of an object that nobody granted anything on.
fn acl_default(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let owner = oid("acldefault", args, 1)?;
    let kind = match text("acldefault", args, 0)? {
        "r" => AclKind::Table,
        "s" => AclKind::Sequence,
        "f" => AclKind::Function,
        "n" => AclKind::Schema,
        "d" => AclKind::Database,
        // Columns, languages, types, tablespaces and foreign objects have no grants here.
        _ => return Ok(Datum::array(Type::Text, vec![])),
    };
    let items = acl_items(context.snapshot, &Acl::default_for(kind, owner));
    Ok(Datum::array(Type::Text, items.into_iter().map(Datum::Text).collect()))
}

/// `{grantee=privileges/grantor}` as records of (grantor, grantee, privilege, grantable).
fn acl_explode(context: &SystemContext, args: &[Datum]) -> Result<Datum> {
    let Some(Datum::Array(items)) = args.first() else {
        return Err(mismatch("aclexplode"));
    };
    let mut records = vec![];
    for item in items.values.iter().filter_map(Datum::as_str) {
        let ParsedItem {
            grantee,
            privileges,
            grantor,
        } = item.parse()?;
        let grantor = role_in_item(context, &grantor)?;
        let grantee = if grantee.is_empty() {
            PUBLIC
        } else {
            role_in_item(context, &grantee)?
        };
        for (privilege, grantable) in privileges {
            records.push(Datum::Record(vec![
                Datum::Oid(grantor),
                Datum::Oid(grantee),
                Datum::text(privilege.sql()),
                Datum::Bool(grantable),
            ]));
        }
    }
    Ok(Datum::array(Type::Record, records))
}

/// A name that `aclitem` printed, which for a dropped role is its OID in words.
fn role_in_item(context: &SystemContext, name: &str) -> Result<u32> {
    let dropped = name
        .strip_prefix("unknown (OID=")
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(|oid| oid.parse().ok());
    dropped.map_or_else(|| role_oid(context, name), Ok)
}

#[derive(Debug, PartialEq)]
struct ParsedItem {
    grantee: String,
    privileges: Vec<(Privilege, bool)>,
    grantor: String,
}

impl FromStr for ParsedItem {
    type Err = SqlError;

    fn from_str(item: &str) -> Result<ParsedItem> {
        let bad = || SqlError::new(SqlState::InvalidTextRepresentation, format!("invalid aclitem: \"{item}\""));
        let (grantee, rest) = role_name(item, '=').ok_or_else(bad)?;
        let (letters, rest) = rest.strip_prefix('=').and_then(|rest| rest.split_once('/')).ok_or_else(bad)?;
        let (grantor, rest) = role_name(rest, '\0').ok_or_else(bad)?;
        if !rest.is_empty() {
            return Err(bad());
        }
        let mut privileges: Vec<(Privilege, bool)> = vec![];
        for c in letters.chars() {
            match (c, privileges.last_mut()) {
                ('*', Some(last)) => last.1 = true,
                _ => privileges.push((Privilege::ALL.into_iter().find(|p| p.letter() == c).ok_or_else(bad)?, false)),
            }
        }
        Ok(ParsedItem {
            grantee,
            privileges,
            grantor,
        })
    }
}

/// A quoted or bare role name at the start, bare ones ending before `end`; and what follows it.
fn role_name(text: &str, end: char) -> Option<(String, &str)> {
    match text.strip_prefix('"') {
        Some(quoted) => name::quoted_part(quoted),
        None => {
            let (name, rest) = text.split_at(text.find(end).unwrap_or(text.len()));
            Some((name.to_string(), rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acl_items_are_read_as_they_are_printed() {
        let item: ParsedItem = "\"a=b/c\"=r*w/postgres".parse().unwrap();
        let privileges = vec![(Privilege::Select, true), (Privilege::Update, false)];
        assert_eq!(
            item,
            ParsedItem {
                grantee: "a=b/c".to_string(),
                privileges,
                grantor: "postgres".to_string()
            }
        );
        assert_eq!("=X/p".parse::<ParsedItem>().unwrap().grantee, "");
        assert!("nonsense".parse::<ParsedItem>().is_err());
        assert!("a=*/p".parse::<ParsedItem>().is_err());
    }
}
