//! Statements that are not queries or writes, one file each. The match in [`execute`] is their list.

mod alter_function;
pub mod audit_trigger;
mod call;
mod comment;
mod create_aggregate;
mod create_function;
mod create_schema;
mod create_table;
mod create_view;
mod do_block;
mod drop_callers;
mod drop_function;
mod drop_object;
mod explain_capabilities;
mod grant;
mod identity;
mod membership;
mod module_file;
mod notify;
mod owner;
mod role;
mod security_policy;
mod settings;
mod test_function;
mod trigger;
mod trim_audit_log;
mod truncate;

use std::sync::Arc;

use sqlparser::ast;
use types::{Result, SqlError, SqlState, Type};

pub use self::call::run as call;
pub use self::drop_function::find as find_function;
use crate::authorize::denied as permission_denied;
use crate::context::StatementContext;
use crate::parse::{Access, ParsedStatement, PolicyStatement, Statement, Utility};
use crate::plan::ColumnDesc;
use crate::session::{Outcome, Session};

pub fn execute(session: &mut Session, context: &Arc<StatementContext>, kind: &Statement, statement: &ParsedStatement) -> Result<Outcome> {
    refuse_read_only(context, kind)?;
    match kind {
        Statement::Sql(sql) => execute_sql(session, context, sql, statement),
        Statement::CreateFunction(create) => create_function::run(session, context, create),
        Statement::AlterFunction(alter) => alter_function::run(session, context, alter),
        Statement::DropFunction(drop) => drop_function::run(session, context, drop),
        Statement::CreateAggregate(create) => create_aggregate::run(session, context, create),
        Statement::CreateTrigger(create) => trigger::create(session, context, create),
        Statement::DropTrigger(drop) => trigger::drop(session, context, drop),
        Statement::Do(block) => do_block::run(session, context, block, statement.siblings == 1),
        Statement::GrantCapability { list, revoke } => alter_function::run_bare_grant(session, context, list, *revoke),
        Statement::SecurityPolicy(policy) => security_policy::run(session, context, policy),
        Statement::ExplainCapabilities(kind, name) => explain_capabilities::run(context, *kind, name),
        Statement::TestFunction(test) => test_function::run(context, test),
        Statement::Comment(comment) => comment::run(context, comment),
        Statement::Access(access) => match &**access {
            Access::Grant(grant) => grant::run(context, grant),
            Access::Membership(membership) => membership::run(context, membership),
            Access::OwnerTo { name, if_exists, owner } => owner::alter(context, name, *if_exists, owner, access.command()),
            Access::ReassignOwned { from, to } => owner::reassign(context, from, to),
            Access::DropOwned { roles, cascade } => owner::drop(context, roles, *cascade),
            Access::DefaultPrivileges => Err(SqlError::unsupported("ALTER DEFAULT PRIVILEGES")),
        },
        Statement::Utility(utility) => match &**utility {
            Utility::SetIdentity { role, local, reset } => identity::set(session, context, role, *local, *reset),
            Utility::SetTransaction { modes, session: all } => {
                session.set_transaction(*modes, *all)?;
                Ok(complete("SET"))
            }
            Utility::Set { name, value, local } => settings::set(session, context, name, value, *local),
            Utility::Reset(name) => settings::reset(session, context, name),
            Utility::ResetAll => settings::reset_all(session),
            Utility::Show(name) => settings::show(context, name),
            Utility::ShowAll => settings::show_all(context),
            Utility::DiscardAll => settings::discard_all(session),
            Utility::Listen(channel) => notify::listen(context, channel),
            Utility::Unlisten(channel) => notify::unlisten(context, channel.as_deref()),
            // Connection pools close all cursors of a session before they hand it on: there are none.
            Utility::CloseCursor(None) => Ok(complete("CLOSE CURSOR ALL")),
            Utility::CloseCursor(Some(name)) => Err(SqlError::new(
                SqlState::InvalidCursorName,
                format!("cursor \"{name}\" does not exist"),
            )),
            Utility::Notify { channel, payload } => notify::notify(context, channel, payload),
            Utility::TrimAuditLog(before) => trim_audit_log::run(session, context, before, statement.siblings == 1),
            Utility::CreateRole {
                name,
                options,
                if_not_exists,
            } => role::create(context, name, options, *if_not_exists),
            Utility::AlterRole(alter) => role::alter(context, alter),
            Utility::DropRole { names, if_exists } => role::drop(context, names, *if_exists),
            Utility::Begin { .. }
            | Utility::Commit
            | Utility::Rollback
            | Utility::Savepoint(_)
            | Utility::RollbackTo(_)
            | Utility::Release(_)
            | Utility::Prepare { .. }
            | Utility::Execute { .. }
            | Utility::Deallocate(_) => Err(SqlError::internal("transactions and prepared statements are the session's")),
        },
    }
}

/// Refuses what changes the database in a read-only transaction.
pub fn refuse_read_only(context: &StatementContext, kind: &Statement) -> Result<()> {
    match writing_command(kind) {
        Some(command) if context.read_only => Err(crate::session::read_only(&command)),
        Some(_) | None => Ok(()),
    }
}

fn execute_sql(
    session: &mut Session,
    context: &Arc<StatementContext>,
    sql: &ast::Statement,
    statement: &ParsedStatement,
) -> Result<Outcome> {
    match sql {
        ast::Statement::AlterTable(alter) if trigger::switches(alter).is_some() => trigger::switch(session, context, alter),
        other => define_sql(context, other).unwrap_or_else(|| {
            // Whatever else the parser knows is refused by name: nothing runs that is not in these lists.
            let position = crate::parse::position(&statement.source, ast::Spanned::span(other).start);
            Err(unsupported(other).position_if_absent(position))
        }),
    }
}

/// Runs a statement that defines, changes or drops something that is no right: what functions may run too.
pub fn define(context: &Arc<StatementContext>, kind: &Statement) -> Result<Outcome> {
    match kind {
        Statement::Sql(sql) => define_sql(context, sql).unwrap_or_else(|| Err(unsupported(sql))),
        Statement::Comment(comment) => comment::run(context, comment),
        Statement::CreateFunction(_)
        | Statement::AlterFunction(_)
        | Statement::DropFunction(_)
        | Statement::Do(_)
        | Statement::CreateAggregate(_)
        | Statement::CreateTrigger(_)
        | Statement::DropTrigger(_)
        | Statement::GrantCapability { .. }
        | Statement::SecurityPolicy(_)
        | Statement::ExplainCapabilities(..)
        | Statement::TestFunction(_)
        | Statement::Access(_)
        | Statement::Utility(_) => Err(SqlError::internal("what raises rights defines nothing")),
    }
}

/// None for what is not in this list.
fn define_sql(context: &Arc<StatementContext>, sql: &ast::Statement) -> Option<Result<Outcome>> {
    Some(match sql {
        ast::Statement::CreateTable(create) => create_table::run(context, create),
        ast::Statement::CreateView(create) => create_view::run(context, create),
        ast::Statement::CreateSchema {
            schema_name,
            if_not_exists,
            ..
        } => create_schema::run(context, schema_name, *if_not_exists),
        ast::Statement::Drop {
            object_type,
            if_exists,
            names,
            cascade,
            ..
        } => drop_object::run(context, *object_type, *if_exists, names, *cascade),
        ast::Statement::Truncate(truncate) => truncate::run(context, truncate),
        _ => return None,
    })
}

/// Refuses a statement that nobody runs, by its name.
fn unsupported(sql: &ast::Statement) -> SqlError {
    SqlError::unsupported(first_words(&sql.to_string()))
}

/// The command that a read-only transaction refuses, by the name that PostgreSQL gives it; None for one that changes nothing.
fn writing_command(kind: &Statement) -> Option<String> {
    let command = match kind {
        // Of these only changes of the database come here.
        Statement::Sql(sql) => match &**sql {
            ast::Statement::Truncate(_) => "TRUNCATE TABLE",
            ast::Statement::CreateTable(_) => "CREATE TABLE",
            ast::Statement::CreateView(_) => "CREATE VIEW",
            other => {
                let command = first_words(&other.to_string());
                let changes = ["CREATE ", "ALTER ", "DROP "].iter().any(|word| command.starts_with(word));
                return changes.then_some(command);
            }
        },
        Statement::CreateFunction(create) if create.procedure => "CREATE PROCEDURE",
        Statement::CreateFunction(_) => "CREATE FUNCTION",
        Statement::AlterFunction(alter) => return Some(format!("ALTER {}", alter.kind.word().to_uppercase())),
        Statement::DropFunction(drop) => return Some(format!("DROP {}", drop.kind.word().to_uppercase())),
        Statement::CreateAggregate(_) => "CREATE AGGREGATE",
        Statement::CreateTrigger(_) => "CREATE TRIGGER",
        Statement::DropTrigger(_) => "DROP TRIGGER",
        // What the body does is looked at when it does it.
        Statement::Do(_) | Statement::TestFunction(_) | Statement::ExplainCapabilities(..) => return None,
        Statement::Comment(_) => "COMMENT",
        Statement::GrantCapability { revoke: false, .. } => "GRANT CAPABILITY",
        Statement::GrantCapability { revoke: true, .. } => "REVOKE CAPABILITY",
        Statement::SecurityPolicy(policy) => match &**policy {
            PolicyStatement::Create { .. } => "CREATE SECURITY POLICY",
            PolicyStatement::Alter { .. } => "ALTER SECURITY POLICY",
            PolicyStatement::Drop { .. } => "DROP SECURITY POLICY",
        },
        Statement::Access(access) => access.command(),
        Statement::Utility(utility) => match &**utility {
            Utility::TrimAuditLog(_) => trim_audit_log::COMMAND,
            Utility::CreateRole { .. } => "CREATE ROLE",
            Utility::AlterRole(_) => "ALTER ROLE",
            Utility::DropRole { .. } => "DROP ROLE",
            Utility::Begin { .. }
            | Utility::Commit
            | Utility::Rollback
            | Utility::Savepoint(_)
            | Utility::RollbackTo(_)
            | Utility::Release(_)
            | Utility::SetTransaction { .. }
            | Utility::Set { .. }
            | Utility::SetIdentity { .. }
            | Utility::Reset(_)
            | Utility::ResetAll
            | Utility::Show(_)
            | Utility::ShowAll
            | Utility::DiscardAll
            | Utility::Prepare { .. }
            | Utility::Execute { .. }
            | Utility::Deallocate(_)
            | Utility::Listen(_)
            | Utility::Unlisten(_)
            | Utility::CloseCursor(_)
            | Utility::Notify { .. } => return None,
        },
    };
    Some(command.to_string())
}

/// The columns of a utility statement's result; None where it returns no rows.
pub fn columns(kind: &Statement) -> Option<Vec<ColumnDesc>> {
    let utility = match kind {
        Statement::ExplainCapabilities(..) => return Some(explain_capabilities::columns()),
        Statement::TestFunction(_) => return Some(test_function::columns()),
        Statement::Utility(utility) => utility,
        Statement::Sql(_)
        | Statement::CreateFunction(_)
        | Statement::AlterFunction(_)
        | Statement::DropFunction(_)
        | Statement::Do(_)
        | Statement::CreateAggregate(_)
        | Statement::CreateTrigger(_)
        | Statement::DropTrigger(_)
        | Statement::GrantCapability { .. }
        | Statement::SecurityPolicy(_)
        | Statement::Access(_)
        | Statement::Comment(_) => return None,
    };
    match &**utility {
        Utility::Show(name) => Some(vec![ColumnDesc::new(settings::shown_name(name), Type::Text)]),
        Utility::ShowAll => Some(settings::show_all_columns()),
        _ => None,
    }
}

fn complete(tag: &str) -> Outcome {
    Outcome::Complete { tag: tag.to_string() }
}

/// `CREATE INDEX` of `CREATE INDEX i ON t (a)`.
fn first_words(text: &str) -> String {
    let words: Vec<&str> = text
        .split_whitespace()
        .take(2)
        .filter(|word| word.chars().all(|c| c.is_ascii_uppercase()))
        .collect();
    if words.is_empty() {
        "this statement".to_string()
    } else {
        words.join(" ")
    }
}

fn must_be_owner(kind: &str, name: &str) -> SqlError {
    SqlError::new(SqlState::InsufficientPrivilege, format!("must be owner of {kind} {name}"))
}

/// The schema that a new object goes to: it exists, is no system schema, and the actor may create in it.
fn creation_schema(context: &StatementContext, given: Option<&str>) -> Result<String> {
    let names = crate::bind::Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    };
    let name = match given {
        Some(name) => name,
        None => names.creation_schema()?,
    };
    let schema = context
        .catalog
        .schema(name)
        .ok_or_else(|| SqlError::new(SqlState::InvalidSchemaName, format!("schema \"{name}\" does not exist")))?;
    if matches!(name, "pg_catalog" | "information_schema" | "heliosdb") {
        return Err(permission_denied("schema", name).detail("System schemas hold no user objects."));
    }
    if !context
        .catalog
        .has_schema_privilege(context.actor.role, schema, catalog::Privilege::Create)
    {
        return Err(permission_denied("schema", name));
    }
    Ok(name.to_string())
}
