//! Statements of functions that define, change or drop something.
//!
//! The life of one: it is turned into questions, one for each object that it names ([`question`]); the gate asks for
//! DATABASE_EXECUTE and for the caller's own privilege ([`privilege`]); then it runs as anybody's would, in the caller's
//! transaction. What raises or lowers rights is a question of another kind, to which the gate never says yes: functions,
//! triggers, policies, roles, privileges. TRUNCATE empties a table, so it takes DATABASE_WRITE too.

use catalog::{Privilege, Snapshot, Table};
use policy::{Administer, Administration, Gate, ObjectName, Permit, RunDdl, WriteAction, WriteTable};
use sqlparser::ast::{self, AlterTableOperation, ObjectType};
use types::{Result, SqlError};

use crate::authorize::denied;
use crate::bind::Names;
use crate::context::StatementContext;
use crate::parse::{Comment, Commented, fold, object_name};
use crate::search_path;

/// What a statement asks of the gate.
pub(super) enum Question {
    /// It defines, changes or drops these.
    Define(Vec<RunDdl>),
    /// It empties these.
    Truncate(Vec<(RunDdl, WriteTable)>),
    /// It is nobody's to do in a function.
    Administer(Administer),
}

/// Every function of the chain allows the statement, and its caller could run it.
pub(super) struct Permits {
    _define: Vec<Permit<RunDdl>>,
    _write: Vec<Permit<WriteTable>>,
}

impl Question {
    /// Puts it to the gate.
    pub(super) fn ask(self, gate: &Gate) -> Result<Permits> {
        let (mut define, mut write) = (vec![], vec![]);
        match self {
            Question::Define(objects) => {
                for object in objects {
                    define.push(gate.check(object)?);
                }
            }
            Question::Truncate(tables) => {
                for (object, table) in tables {
                    define.push(gate.check(object)?);
                    write.push(gate.check(table)?);
                }
            }
            Question::Administer(administer) => {
                return Err(match gate.check(administer) {
                    Err(denied) => denied.into(),
                    Ok(_) => SqlError::internal("the gate permits administration to nobody"),
                });
            }
        }
        Ok(Permits {
            _define: define,
            _write: write,
        })
    }

    /// What the log says was done.
    pub(super) fn describe(&self) -> String {
        match self {
            Question::Define(objects) => objects.iter().map(RunDdl::describe).collect::<Vec<_>>().join(", "),
            Question::Truncate(tables) => tables.iter().map(|(object, _)| object.describe()).collect::<Vec<_>>().join(", "),
            Question::Administer(administer) => administer.action.name().to_string(),
        }
    }
}

/// The question that a statement of the parser's is. What is not listed here takes the right to DDL, and is then refused by
/// name: the statements that run are those of `statement::define`.
pub(super) fn question(sql: &ast::Statement, context: &StatementContext) -> Result<Question> {
    let administer = |action, object: String| Ok(Question::Administer(Administer { action, object }));
    match sql {
        ast::Statement::CreateTable(create) => create_in(context, "CREATE TABLE", &create.name),
        ast::Statement::CreateView(create) => create_in(context, "CREATE VIEW", &create.name),
        ast::Statement::CreateIndex(create) => of_relations(context, "CREATE INDEX", std::slice::from_ref(&create.table_name)),
        ast::Statement::CreateSequence { name, .. } => create_in(context, "CREATE SEQUENCE", name),
        ast::Statement::CreateSchema { schema_name, .. } => match schema_name {
            ast::SchemaName::Simple(name) | ast::SchemaName::NamedAuthorization(name, _) => {
                Ok(of_schema("CREATE SCHEMA", object_name(name)?.1))
            }
            ast::SchemaName::UnnamedAuthorization(role) => Ok(of_schema("CREATE SCHEMA", fold(role))),
        },
        ast::Statement::AlterTable(alter) => match alter.operations.iter().find_map(administration_of) {
            Some(action) => administer(action, object_name(&alter.name)?.1),
            None => of_relations(context, "ALTER TABLE", std::slice::from_ref(&alter.name)),
        },
        ast::Statement::AlterIndex { name, .. } => of_relations(context, "ALTER INDEX", std::slice::from_ref(name)),
        ast::Statement::AlterView { name, .. } => of_relations(context, "ALTER VIEW", std::slice::from_ref(name)),
        ast::Statement::Drop { object_type, names, .. } => drop(context, *object_type, names),
        ast::Statement::Truncate(truncate) => {
            let tables = truncate.table_names.iter().map(|target| {
                let (schema, name) = object_name(&target.name)?;
                let object = relation(context, schema, name);
                let ddl = RunDdl {
                    statement: "TRUNCATE".into(),
                    schema: Some(object.schema.clone()),
                    name: object.name.clone(),
                };
                let table = WriteTable {
                    table: object,
                    action: WriteAction::Truncate,
                };
                Ok((ddl, table))
            });
            Ok(Question::Truncate(tables.collect::<Result<_>>()?))
        }
        ast::Statement::Grant(_) | ast::Statement::Revoke(_) | ast::Statement::Deny(_) => {
            administer(Administration::Privilege, String::new())
        }
        ast::Statement::CreateRole(_)
        | ast::Statement::AlterRole { .. }
        | ast::Statement::CreateUser(_)
        | ast::Statement::AlterUser(_)
        | ast::Statement::AlterSchema(_) => administer(Administration::Role, String::new()),
        ast::Statement::CreateFunction(_)
        | ast::Statement::AlterFunction(_)
        | ast::Statement::DropFunction(_)
        | ast::Statement::CreateProcedure { .. }
        | ast::Statement::DropProcedure { .. }
        | ast::Statement::CreateMacro { .. }
        | ast::Statement::CreateOperator(_)
        | ast::Statement::AlterOperator(_)
        | ast::Statement::DropOperator(_)
        | ast::Statement::CreateExtension(_)
        | ast::Statement::DropExtension(_) => administer(Administration::Function, String::new()),
        ast::Statement::CreateTrigger(_) | ast::Statement::DropTrigger(_) => administer(Administration::Trigger, String::new()),
        ast::Statement::CreatePolicy(_) | ast::Statement::AlterPolicy(_) | ast::Statement::DropPolicy(_) => {
            administer(Administration::Policy, String::new())
        }
        ast::Statement::Set(_) | ast::Statement::Reset(_) | ast::Statement::Discard { .. } | ast::Statement::AlterSession { .. } => {
            administer(Administration::Server, String::new())
        }
        other => {
            let text = other.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            Ok(Question::Define(vec![RunDdl {
                statement: words.join(" ").into(),
                schema: None,
                name: String::new(),
            }]))
        }
    }
}

/// The question that a COMMENT is; one on a function was refused before.
pub(super) fn comment(comment: &Comment, context: &StatementContext) -> Question {
    let on = |object: ObjectName| {
        Question::Define(vec![RunDdl {
            statement: "COMMENT ON".into(),
            schema: Some(object.schema),
            name: object.name,
        }])
    };
    match &comment.on {
        Commented::Table((schema, name)) | Commented::View((schema, name)) | Commented::Column((schema, name), _) => {
            on(relation(context, schema.clone(), name.clone()))
        }
        Commented::Schema(schema) => of_schema("COMMENT ON SCHEMA", schema.clone()),
        Commented::Routine(_, name) => Question::Administer(Administer {
            action: Administration::Function,
            object: name.name.clone(),
        }),
        Commented::Other(kind) => Question::Define(vec![RunDdl {
            statement: format!("COMMENT ON {kind}").into(),
            schema: None,
            name: String::new(),
        }]),
    }
}

/// What an ALTER TABLE may hold that is a matter of rights.
fn administration_of(operation: &AlterTableOperation) -> Option<Administration> {
    match operation {
        AlterTableOperation::EnableTrigger { .. }
        | AlterTableOperation::EnableAlwaysTrigger { .. }
        | AlterTableOperation::EnableReplicaTrigger { .. }
        | AlterTableOperation::DisableTrigger { .. } => Some(Administration::Trigger),
        AlterTableOperation::EnableRowLevelSecurity
        | AlterTableOperation::DisableRowLevelSecurity
        | AlterTableOperation::ForceRowLevelSecurity
        | AlterTableOperation::NoForceRowLevelSecurity => Some(Administration::Policy),
        AlterTableOperation::OwnerTo { .. } => Some(Administration::Role),
        _ => None,
    }
}

fn create_in(context: &StatementContext, statement: &'static str, name: &ast::ObjectName) -> Result<Question> {
    let (schema, name) = object_name(name)?;
    let names = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    };
    let schema = match schema {
        Some(schema) => schema,
        None => names.creation_schema()?.to_string(),
    };
    Ok(Question::Define(vec![RunDdl {
        statement: statement.into(),
        schema: Some(schema),
        name,
    }]))
}

fn of_schema(statement: &'static str, schema: String) -> Question {
    Question::Define(vec![RunDdl {
        statement: statement.into(),
        schema: Some(schema),
        name: String::new(),
    }])
}

fn of_relations(context: &StatementContext, statement: &'static str, names: &[ast::ObjectName]) -> Result<Question> {
    let objects = names.iter().map(|name| {
        let (schema, name) = object_name(name)?;
        let object = relation(context, schema, name);
        Ok(RunDdl {
            statement: statement.into(),
            schema: Some(object.schema),
            name: object.name,
        })
    });
    Ok(Question::Define(objects.collect::<Result<_>>()?))
}

/// A table or view by name; where there is none, the name that it would have.
fn relation(context: &StatementContext, schema: Option<String>, name: String) -> ObjectName {
    let names = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    };
    let schema = match (names.find_table(schema.as_deref(), &name), schema) {
        (Some(table), _) => table.schema.clone(),
        (None, Some(schema)) => schema,
        (None, None) => names.creation_schema().unwrap_or("public").to_string(),
    };
    let visible = search_path::finds_table(names, &schema, &name);
    ObjectName::new(schema, name, visible)
}

fn drop(context: &StatementContext, object_type: ObjectType, names: &[ast::ObjectName]) -> Result<Question> {
    let statement = match object_type {
        ObjectType::Table => {
            for name in names {
                let (schema, name) = object_name(name)?;
                if let Some(trigger) = trigger_of(context, schema.as_deref(), &name) {
                    return Ok(Question::Administer(Administer {
                        action: Administration::Trigger,
                        object: trigger,
                    }));
                }
            }
            "DROP TABLE"
        }
        ObjectType::View => "DROP VIEW",
        ObjectType::MaterializedView => "DROP MATERIALIZED VIEW",
        ObjectType::Index => "DROP INDEX",
        ObjectType::Sequence => "DROP SEQUENCE",
        ObjectType::Type => "DROP TYPE",
        ObjectType::Collation => "DROP COLLATION",
        ObjectType::Schema => {
            let mut schemas = vec![];
            for name in names {
                let schema = object_name(name)?.1;
                if let Some(administer) = rights_within(&context.catalog, &schema) {
                    return Ok(Question::Administer(administer));
                }
                schemas.push(RunDdl {
                    statement: "DROP SCHEMA".into(),
                    schema: Some(schema),
                    name: String::new(),
                });
            }
            return Ok(Question::Define(schemas));
        }
        ObjectType::Role | ObjectType::User => {
            return Ok(Question::Administer(Administer {
                action: Administration::Role,
                object: String::new(),
            }));
        }
        ObjectType::Database | ObjectType::Stage | ObjectType::Stream => {
            return Ok(Question::Administer(Administer {
                action: Administration::Server,
                object: String::new(),
            }));
        }
    };
    of_relations(context, statement, names)
}

/// A trigger that would go with a table.
fn trigger_of(context: &StatementContext, schema: Option<&str>, name: &str) -> Option<String> {
    let names = Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    };
    let table = names.find_table(schema, name)?;
    table.triggers.first().map(|trigger| trigger.name.clone())
}

/// What of a schema's content no function may drop.
fn rights_within(catalog: &Snapshot, schema: &str) -> Option<Administer> {
    let function = catalog.functions().find(|function| function.schema == schema);
    let mut tables = catalog.user_tables().filter(|table| table.schema == schema);
    match function {
        Some(function) => Some(Administer {
            action: Administration::Function,
            object: function.name.clone(),
        }),
        None => tables.find_map(|table| table.triggers.first()).map(|trigger| Administer {
            action: Administration::Trigger,
            object: trigger.name.clone(),
        }),
    }
}

/// Whether a role could run the statement itself. What names nothing that exists is left to the statement, which says so.
pub(super) fn privilege(catalog: &Snapshot, role: u32, ddl: &RunDdl) -> Result<()> {
    let schema = ddl.schema.as_deref();
    match &*ddl.statement {
        "CREATE TABLE" | "CREATE VIEW" | "CREATE SEQUENCE" => {
            let found = schema.and_then(|name| catalog.schema(name));
            match found {
                Some(schema) if !catalog.has_schema_privilege(role, schema, Privilege::Create) => Err(denied("schema", &schema.name)),
                Some(_) | None => Ok(()),
            }
        }
        "DROP SCHEMA" | "COMMENT ON SCHEMA" => match schema.and_then(|name| catalog.schema(name)) {
            Some(schema) if !catalog.owns(role, schema.owner) => Err(must_own("schema", &schema.name)),
            Some(_) | None => Ok(()),
        },
        "DROP TABLE" | "DROP VIEW" | "DROP INDEX" | "DROP SEQUENCE" | "ALTER TABLE" | "ALTER INDEX" | "ALTER VIEW" | "CREATE INDEX"
        | "COMMENT ON" => {
            let found = schema.and_then(|schema| catalog.table(schema, &ddl.name));
            match found {
                Some(table) if !owns(catalog, role, table, &ddl.statement) => Err(must_own(table.kind.word(), &table.name)),
                Some(_) | None => Ok(()),
            }
        }
        // The question about the write asks for the privilege.
        "TRUNCATE" => Ok(()),
        "CREATE SCHEMA" if catalog.has_database_privilege(role, Privilege::Create) => Ok(()),
        // CREATE SCHEMA, and what nobody thought of.
        _ if catalog.is_superuser(role) => Ok(()),
        _ => Err(denied("database", crate::database::DATABASE_NAME)),
    }
}

/// The owner of a schema may drop what is in it.
fn owns(catalog: &Snapshot, role: u32, table: &Table, statement: &str) -> bool {
    let of_schema = catalog.schema(&table.schema).filter(|_| statement.starts_with("DROP "));
    catalog.owns(role, table.owner) || of_schema.is_some_and(|schema| catalog.owns(role, schema.owner))
}

fn must_own(kind: &str, name: &str) -> SqlError {
    SqlError::new(types::SqlState::InsufficientPrivilege, format!("must be owner of {kind} {name}"))
}
