//! `GRANT` and `REVOKE` of privileges on tables, functions, schemas and the database.
//!
//! The life of a grant: its objects are found and its privileges read; the grantor is a role that has the grant option and that the
//! actor may act as; what of it that grantor may not grant is left out with a warning; the object's ACL is changed by
//! PostgreSQL's rules ([`catalog::Grant`]).

use std::sync::Arc;

use catalog::{Acl, AclKind, Change, DatabaseRecord, Function, Grant, GrantError, PUBLIC, Privilege, Schema, Snapshot, Table, TableKind};
use types::{Notice, Result, SqlError, SqlState};

use super::role::resolve;
use super::{complete, drop_function, permission_denied};
use crate::authorize;
use crate::bind::Names;
use crate::catalog_lock::Lockable;
use crate::context::StatementContext;
use crate::parse::{GrantPrivileges, RoleName, RoutineKind, Target};
use crate::session::Outcome;

/// What has an ACL.
pub enum Object {
    Table(Arc<Table>),
    Function(Arc<Function>),
    Schema(Arc<Schema>),
    Database(Arc<DatabaseRecord>),
}

impl Object {
    pub fn kind(&self) -> AclKind {
        match self {
            Object::Table(table) => match table.kind {
                TableKind::Sequence(_) => AclKind::Sequence,
                TableKind::Table | TableKind::View { .. } | TableKind::System(_) => AclKind::Table,
            },
            Object::Function(_) => AclKind::Function,
            Object::Schema(_) => AclKind::Schema,
            Object::Database(_) => AclKind::Database,
        }
    }

    pub fn owner(&self) -> u32 {
        match self {
            Object::Table(table) => table.owner,
            Object::Function(function) => function.owner,
            Object::Schema(schema) => schema.owner,
            Object::Database(database) => database.owner,
        }
    }

    pub fn acl(&self) -> Option<&Acl> {
        match self {
            Object::Table(table) => table.acl.as_ref(),
            Object::Function(function) => function.acl.as_ref(),
            Object::Schema(schema) => schema.acl.as_ref(),
            Object::Database(database) => database.acl.as_ref(),
        }
    }

    fn name(&self) -> &str {
        match self {
            Object::Table(table) => &table.name,
            Object::Function(function) => &function.name,
            Object::Schema(schema) => &schema.name,
            Object::Database(_) => crate::database::DATABASE_NAME,
        }
    }

    /// As GRANT's errors name its kind: a view is a table to them.
    fn word(&self) -> &'static str {
        match self {
            Object::Table(table) => match table.kind {
                TableKind::Sequence(_) => "sequence",
                TableKind::Table | TableKind::View { .. } | TableKind::System(_) => "table",
            },
            Object::Function(function) => function.kind(),
            Object::Schema(_) => "schema",
            Object::Database(_) => "database",
        }
    }

    /// The change that gives it another owner and ACL.
    pub fn with(&self, owner: u32, acl: Option<Acl>) -> Change {
        match self {
            Object::Table(table) => Change::PutTable(Table {
                owner,
                acl,
                version: table.version + 1,
                ..Table::clone(table)
            }),
            Object::Function(function) => Change::PutFunction(Function {
                owner,
                acl,
                version: function.version + 1,
                ..Function::clone(function)
            }),
            Object::Schema(schema) => Change::PutSchema(Schema {
                owner,
                acl,
                ..Schema::clone(schema)
            }),
            Object::Database(database) => Change::PutDatabase(DatabaseRecord {
                owner,
                acl,
                ..DatabaseRecord::clone(database)
            }),
        }
    }

    /// Takes the right to change it, and gives it as it is by then.
    pub fn lock(self, context: &StatementContext) -> Result<Object> {
        context.lock_object(match &self {
            Object::Table(table) => Lockable::Relation(table.oid),
            Object::Function(function) => Lockable::Function(function.oid),
            Object::Schema(schema) => Lockable::Schema(schema.oid),
            Object::Database(_) => Lockable::Database,
        })?;
        let catalog = context.newest_catalog();
        let now = match &self {
            Object::Table(table) => catalog.table_by_oid(table.oid).cloned().map(Object::Table),
            Object::Function(function) => catalog.function_by_oid(function.oid).cloned().map(Object::Function),
            Object::Schema(schema) => catalog.schema_by_oid(schema.oid).cloned().map(Object::Schema),
            Object::Database(_) => Some(Object::Database(catalog.database().clone())),
        };
        let gone = || {
            SqlError::new(
                SqlState::UndefinedObject,
                format!("{} \"{}\" does not exist", self.word(), self.name()),
            )
        };
        now.ok_or_else(gone)
    }
}

pub fn run(context: &Arc<StatementContext>, grant: &GrantPrivileges) -> Result<Outcome> {
    if let Some(grantor) = &grant.granted_by
        && resolve(context, &context.catalog, grantor)?.oid != context.actor.role
    {
        return Err(SqlError::new(SqlState::FeatureNotSupported, "grantor must be current user"));
    }
    if grant.columns {
        return Err(SqlError::unsupported("privileges on single columns").hint("Grant on a view that shows only these columns."));
    }
    let grantees = grant
        .grantees
        .iter()
        .map(|name| match name {
            RoleName::Public => Ok(PUBLIC),
            _ => resolve(context, &context.catalog, name).map(|role| role.oid),
        })
        .collect::<Result<Vec<u32>>>()?;
    let privileges = privileges(grant)?;
    // What may not be granted is refused before a lock is taken.
    let wanted = objects(context, &grant.target)?;
    let mut earlier = vec![];
    for object in &wanted {
        match Grantable::of(context, object, privileges.as_deref()) {
            Ok(grantable) => earlier.push((object, grantable)),
            Err(error) => {
                earlier
                    .iter()
                    .for_each(|(object, grantable)| grantable.warn(context, grant, object));
                return Err(error);
            }
        }
    }
    if !grant.revoke && grant.option && grantees.contains(&PUBLIC) {
        if let Some((object, grantable)) = earlier.first() {
            grantable.warn(context, grant, object);
        }
        return Err(refusal(GrantError::OptionToPublic));
    }
    // Nobody waits for who may grant nothing of it.
    if earlier.iter().all(|(_, grantable)| grantable.allowed.is_empty()) {
        earlier
            .iter()
            .for_each(|(object, grantable)| grantable.warn(context, grant, object));
        return Ok(complete(if grant.revoke { "REVOKE" } else { "GRANT" }));
    }
    for role in grantees.iter().filter(|role| **role != PUBLIC) {
        context.keep_role(*role)?;
    }
    // Whoever was dropped meanwhile is not found again.
    let context = &context.renewed();
    for name in grant.grantees.iter().filter(|name| **name != RoleName::Public) {
        resolve(context, &context.catalog, name)?;
    }
    for object in objects(context, &grant.target)? {
        // Asked before the lock is taken, and again with what it shows.
        let grantable = Grantable::of(context, &object, privileges.as_deref())?;
        if grantable.allowed.is_empty() {
            grantable.warn(context, grant, &object);
            continue;
        }
        let object = object.lock(context)?;
        let context = &context.renewed();
        let grantable = Grantable::of(context, &object, privileges.as_deref())?;
        grantable.warn(context, grant, &object);
        context.change(vec![changed(context, grant, &object, &grantable, &grantees)?])?;
    }
    Ok(complete(if grant.revoke { "REVOKE" } else { "GRANT" }))
}

/// None: ALL.
fn privileges(grant: &GrantPrivileges) -> Result<Option<Vec<Privilege>>> {
    // `ON t` may be a sequence: its privileges pass here and are refused where they don't fit.
    let (allowed, word): (Vec<Privilege>, &str) = match &grant.target {
        Target::Tables(_) | Target::AllTables(_) => ([AclKind::Table.privileges(), AclKind::Sequence.privileges()].concat(), "relation"),
        Target::Sequences(_) | Target::AllSequences(_) => (AclKind::Sequence.privileges().to_vec(), "sequence"),
        Target::Routines(kind, _) | Target::AllRoutines(kind, _) => (AclKind::Function.privileges().to_vec(), kind.word()),
        Target::Schemas(_) => (AclKind::Schema.privileges().to_vec(), "schema"),
        Target::Databases(_) => (AclKind::Database.privileges().to_vec(), "database"),
        Target::Other(kind) => return Err(SqlError::unsupported(format!("GRANT ON {kind}"))),
    };
    let Some(names) = &grant.privileges else { return Ok(None) };
    let read = |name: &String| {
        let privilege = Privilege::from_name(name)
            .ok_or_else(|| SqlError::new(SqlState::SyntaxError, format!("unrecognized privilege type \"{name}\"")))?;
        match allowed.contains(&privilege) {
            true => Ok(privilege),
            false => Err(invalid_privilege(privilege, word)),
        }
    };
    names.iter().map(read).collect::<Result<_>>().map(Some)
}

fn invalid_privilege(privilege: Privilege, word: &str) -> SqlError {
    SqlError::new(
        SqlState::InvalidGrantOperation,
        format!("invalid privilege type {} for {word}", privilege.sql()),
    )
}

/// Everything that the target means, found and fit to be granted on.
fn objects(context: &StatementContext, target: &Target) -> Result<Vec<Object>> {
    let catalog = &context.catalog;
    match target {
        Target::Tables(names) => names
            .iter()
            .map(|name| relation(context, name).and_then(|table| grantable(table).map(Object::Table)))
            .collect(),
        Target::Sequences(names) => names
            .iter()
            .map(|name| {
                let table = relation(context, name)?;
                match table.kind {
                    TableKind::Sequence(_) => Ok(Object::Table(table)),
                    TableKind::Table | TableKind::View { .. } | TableKind::System(_) => Err(SqlError::new(
                        SqlState::WrongObjectType,
                        format!("\"{}\" is not a sequence", table.name),
                    )),
                }
            })
            .collect(),
        Target::Routines(kind, names) => names
            .iter()
            .map(|name| {
                if let Some(schema) = &name.schema {
                    named_schema(context, schema)?;
                }
                // GRANT ON FUNCTION takes aggregates too.
                let found = match (drop_function::find(context, name, *kind), kind) {
                    (Err(error), RoutineKind::Function) if error.state() == SqlState::WrongObjectType => {
                        drop_function::find(context, name, RoutineKind::Aggregate).map_err(|_| error)
                    }
                    (found, _) => found,
                };
                found.map(Object::Function)
            })
            .collect(),
        Target::Schemas(names) => names
            .iter()
            .map(|name| {
                let schema = existing_schema(catalog, name)?;
                match is_system(name) {
                    true => Err(fixed(&format!("schema {name}"))),
                    false => Ok(Object::Schema(schema)),
                }
            })
            .collect(),
        Target::Databases(names) => names
            .iter()
            .map(|name| match name == crate::database::DATABASE_NAME {
                true => Ok(Object::Database(catalog.database().clone())),
                false => Err(SqlError::new(
                    SqlState::InvalidCatalogName,
                    format!("database \"{name}\" does not exist"),
                )),
            })
            .collect(),
        Target::AllTables(schemas) => all(context, schemas, |schema| {
            let mut tables: Vec<&Arc<Table>> = catalog.user_tables().filter(|table| table.schema == schema).collect();
            tables.sort_by_key(|table| table.oid);
            let is_table = |table: &Arc<Table>| table.sequence().is_none();
            tables
                .into_iter()
                .filter(|table| is_table(table))
                .cloned()
                .map(Object::Table)
                .collect()
        }),
        Target::AllSequences(schemas) => all(context, schemas, |schema| {
            let sequences = catalog
                .user_tables()
                .filter(|table| table.schema == schema && table.sequence().is_some());
            sequences.cloned().map(Object::Table).collect()
        }),
        Target::AllRoutines(kind, schemas) => all(context, schemas, |schema| {
            let of_kind = |function: &Function| match kind {
                RoutineKind::Function => !function.is_procedure,
                RoutineKind::Procedure => function.is_procedure,
                RoutineKind::Aggregate => function.aggregate.is_some(),
                RoutineKind::Routine => true,
            };
            let mut functions: Vec<&Arc<Function>> = catalog
                .functions()
                .filter(|function| function.schema == schema && of_kind(function))
                .collect();
            functions.sort_by_key(|function| function.oid);
            functions.into_iter().cloned().map(Object::Function).collect()
        }),
        Target::Other(kind) => Err(SqlError::unsupported(format!("GRANT ON {kind}"))),
    }
}

fn all(context: &StatementContext, schemas: &[String], of_schema: impl Fn(&str) -> Vec<Object>) -> Result<Vec<Object>> {
    let mut found = vec![];
    for name in schemas {
        named_schema(context, name)?;
        if is_system(name) {
            return Err(fixed(&format!("schema {name}")));
        }
        found.extend(of_schema(name));
    }
    Ok(found)
}

pub fn is_system(schema: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema" | "heliosdb")
}

/// What the server's own objects allow is part of the server.
fn fixed(what: &str) -> SqlError {
    SqlError::new(SqlState::InsufficientPrivilege, format!("the privileges on {what} are fixed"))
}

fn existing_schema(catalog: &Snapshot, name: &str) -> Result<Arc<Schema>> {
    catalog
        .schema(name)
        .cloned()
        .ok_or_else(|| SqlError::new(SqlState::InvalidSchemaName, format!("schema \"{name}\" does not exist")))
}

/// A schema that is named before something else: it exists, and the actor may use it.
pub fn named_schema(context: &StatementContext, name: &str) -> Result<()> {
    existing_schema(&context.catalog, name)?;
    authorize::schema(&context.catalog, context.actor.role, name)
}

/// A table, view or sequence by name.
pub fn relation(context: &StatementContext, (schema, name): &(Option<String>, String)) -> Result<Arc<Table>> {
    if let Some(schema) = schema {
        named_schema(context, schema)?;
    }
    Names {
        snapshot: &context.catalog,
        search_path: &context.search_path,
    }
    .table(schema.as_deref(), name)
}

fn grantable(table: Arc<Table>) -> Result<Arc<Table>> {
    match &table.kind {
        TableKind::System(system) if matches!(system.oid, catalog::heliosdb::AUDIT_LOG_OID | catalog::heliosdb::ALERTS_OID) => {
            Err(fixed(&format!("table {}.{}", table.schema, table.name))
                .hint("Its readers are superusers and members of role heliosdb_auditor."))
        }
        TableKind::System(_) => Err(fixed(&format!("table {}.{}", table.schema, table.name))),
        TableKind::Table | TableKind::View { .. } | TableKind::Sequence(_) => Ok(table),
    }
}

/// What of a grant the actor may grant on one object.
struct Grantable {
    grantor: u32,
    allowed: Vec<Privilege>,
    /// How many privileges the statement asks for. ALL means all that there is to grant.
    wanted: usize,
}

impl Grantable {
    /// 42501 for who has nothing to do with the object.
    fn of(context: &StatementContext, object: &Object, wanted: Option<&[Privilege]>) -> Result<Grantable> {
        let (kind, owner) = (object.kind(), object.owner());
        let all = wanted.is_none();
        let wanted = match (wanted, kind) {
            (None, _) => kind.privileges().to_vec(),
            (Some(wanted), AclKind::Table) => match wanted.iter().find(|privilege| !kind.privileges().contains(privilege)) {
                Some(other) => return Err(invalid_privilege(*other, "table")),
                None => wanted.to_vec(),
            },
            (Some(wanted), AclKind::Sequence | AclKind::Function | AclKind::Schema | AclKind::Database) => {
                let fitting = wanted.iter().copied().filter(|privilege| kind.privileges().contains(privilege));
                fitting.collect()
            }
        };
        let catalog = context.catalog_now();
        let role = context.actor.role;
        let acl = object.acl().cloned().unwrap_or_else(|| Acl::default_for(kind, owner));
        let roles = catalog.roles_acted_for(role);
        let (grantor, allowed) = acl.best_grantor(owner, role, &roles, catalog.is_superuser(role), &wanted);
        if allowed.is_empty() {
            let holds = |privilege: &Privilege, option| catalog.has_privilege(role, *privilege, option, kind, owner, object.acl());
            if !kind.privileges().iter().any(|one| holds(one, false) || holds(one, true)) {
                return Err(permission_denied(object.word(), object.name()));
            }
        }
        Ok(Grantable {
            grantor,
            wanted: if all { allowed.len().max(1) } else { wanted.len() },
            allowed,
        })
    }

    /// Says what of the grant is left out.
    fn warn(&self, context: &StatementContext, grant: &GrantPrivileges, object: &Object) {
        if self.allowed.len() >= self.wanted {
            return;
        }
        let (state, words) = match (grant.revoke, self.allowed.len()) {
            (false, 0) => (SqlState::WarningPrivilegeNotGranted, "no privileges were granted"),
            (false, _) => (SqlState::WarningPrivilegeNotGranted, "not all privileges were granted"),
            (true, 0) => (SqlState::WarningPrivilegeNotRevoked, "no privileges could be revoked"),
            (true, _) => (SqlState::WarningPrivilegeNotRevoked, "not all privileges could be revoked"),
        };
        context.notice(Notice::warning(state, format!("{words} for \"{}\"", object.name())));
    }
}

/// The change of one object's ACL.
fn changed(
    context: &StatementContext,
    grant: &GrantPrivileges,
    object: &Object,
    grantable: &Grantable,
    grantees: &[u32],
) -> Result<Change> {
    let (kind, owner) = (object.kind(), object.owner());
    let mut acl = object.acl().cloned().unwrap_or_else(|| Acl::default_for(kind, owner));
    let acts_as = |role: u32, of: u32| context.catalog.acts_as(role, of);
    for grantee in grantees {
        let item = Grant {
            grantee: *grantee,
            grantor: grantable.grantor,
            privileges: &grantable.allowed,
            option: grant.option,
        };
        let changed = match grant.revoke {
            false => acl.grant(owner, item, &acts_as),
            true => acl.revoke(owner, item, grant.cascade, &acts_as),
        };
        changed.map_err(refusal)?;
    }
    Ok(object.with(owner, Some(acl)))
}

fn refusal(error: GrantError) -> SqlError {
    let invalid = |message: &str| SqlError::new(SqlState::InvalidGrantOperation, message);
    match error {
        GrantError::OptionToPublic => invalid("grant options can only be granted to roles"),
        GrantError::BackToGrantor => invalid("grant options cannot be granted back to your own grantor"),
        GrantError::DependentPrivileges => {
            SqlError::new(SqlState::DependentObjectsStillExist, "dependent privileges exist").hint("Use CASCADE to revoke them too.")
        }
    }
}
