//! What a function may do at the moment it asks: its own rights as they stand, and the SQL privileges of
//! the role on whose behalf it acts.
//!
//! The life of a right: the gate asks [`LiveRights`] at each check, so that what others commit meanwhile
//! counts at once, and [`CallerPrivileges`] for what the caller's own privileges leave of it.

use std::sync::Arc;

use audit::{Event, EventType};
use catalog::{Function, Privilege, Snapshot};
use parking_lot::Mutex;
use policy::{CallFunction, Effective, ObjectName, Policy, Privileges, ReadTable, Request, RightsSource, Syscall, WriteAction, WriteTable};
use types::{Result, SqlError};

use super::ddl;
use crate::authorize::denied;
use crate::bind::Names;
use crate::context::{Actor, SessionShared};
use crate::database::Database;
use crate::search_path::{self, Followed};
use crate::session_sink::tell_login;
use crate::transaction::Standing;

/// What follows ALTER FUNCTION for this function: its name, with its types where others share it.
pub(super) fn reference(function: &Function, catalog: &Snapshot) -> String {
    let quoted = types::ident::quote_ident(&function.name);
    let name = match function.schema.as_str() {
        "public" => quoted.to_string(),
        schema => format!("{}.{}", types::ident::quote_ident(schema), quoted),
    };
    if catalog.functions_named(&function.schema, &function.name).len() < 2 {
        return name;
    }
    let types: Vec<String> = function.args.iter().map(|arg| arg.ty.to_string()).collect();
    format!("{name}({})", types.join(", "))
}

/// A policy by name: a stored one, or a predefined one.
pub fn find_policy(catalog: &Snapshot, name: &str) -> Option<Arc<Policy>> {
    match Policy::predefined(name) {
        Some(policy) => Some(Arc::new(policy.clone())),
        None => catalog.policy(name).map(|stored| Arc::new(stored.policy.clone())),
    }
}

/// The rights of a function as they stand at each check: what others commit meanwhile counts at once.
pub(super) struct LiveRights {
    pub(super) db: Arc<Database>,
    pub(super) function: u32,
    /// Who is on record when a refused system call disables the function.
    pub(super) user: Arc<str>,
    pub(super) login: Arc<str>,
    pub(super) session_id: i64,
    pub(super) call_id: i64,
    /// The catalog of a transaction that has changed it and not committed yet.
    pub(super) private: Option<Arc<Snapshot>>,
    /// Whether that transaction has created or changed this very function: then nobody else can have dropped it.
    pub(super) own: bool,
    /// What was worked out last: it holds as long as the committed catalog is this very one.
    pub(super) resolved: Mutex<Option<Resolved>>,
}

/// Rights, and what they were worked out of.
pub(super) struct Resolved {
    /// The committed catalog.
    catalog: Arc<Snapshot>,
    violations: u32,
    effective: Arc<Effective>,
}

impl LiveRights {
    /// The caller's transaction may have changed the catalog, this function or something else. Whoever changes a function
    /// holds its lock to the end, so of the private and the committed one the newer counts: it is this transaction's own
    /// change, or somebody's revoke that this transaction has not heard of.
    fn resolve(&self, committed: &Arc<Snapshot>) -> Option<Arc<Effective>> {
        let theirs = committed.function_by_oid(self.function);
        let Some(private) = &self.private else {
            return self.under(theirs?, &[committed]);
        };
        let own = private.function_by_oid(self.function)?;
        match theirs {
            Some(theirs) if theirs.version > own.version => self.under(theirs, &[committed, private]),
            Some(_) => self.under(own, &[private, committed]),
            None if self.own => self.under(own, &[private, committed]),
            // Somebody has dropped it, and this transaction has not heard of that.
            None => None,
        }
    }

    /// A function's rights under its policy, which is looked up in these catalogs in turn.
    fn under(&self, function: &Function, catalogs: &[&Snapshot]) -> Option<Arc<Effective>> {
        let policy = catalogs.iter().find_map(|catalog| find_policy(catalog, &function.rights.policy))?;
        let enabled = function.enabled && self.db.violations.since_forgiven(function) < policy::MAX_VIOLATIONS;
        Some(Arc::new(function.rights.resolve(&policy, language(function), enabled)))
    }
}

impl RightsSource for LiveRights {
    fn rights(&self) -> Option<Arc<Effective>> {
        let catalog = self.db.catalog();
        let violations = self.db.violations.total(self.function);
        let mut resolved = self.resolved.lock();
        if let Some(known) = &*resolved
            && Arc::ptr_eq(&known.catalog, &catalog)
            && known.violations == violations
        {
            return Some(known.effective.clone());
        }
        let effective = self.resolve(&catalog)?;
        *resolved = Some(Resolved {
            catalog,
            violations,
            effective: effective.clone(),
        });
        Some(effective)
    }

    fn add_violation(&self, syscall: Syscall) -> Result<u32, SqlError> {
        let catalog = match &self.private {
            Some(private) => private.clone(),
            None => self.db.catalog(),
        };
        let function = catalog
            .function_by_oid(self.function)
            .ok_or_else(|| SqlError::internal("a function that was dropped made a system call"))?;
        let violations = self.db.violations.add(&self.db, function)?;
        if violations == policy::MAX_VIOLATIONS {
            let mut event = Event::new(EventType::FunctionDisabled);
            event.function_name = Some(Arc::from(function.name.as_str()));
            event.user_name = Some(self.user.clone());
            event.session_id = Some(self.session_id);
            event.call_id = Some(self.call_id);
            event.details = Some(serde_json::json!({ "violations": violations, "syscall": syscall.name() }));
            tell_login(&mut event, &self.login);
            self.db.audit.record_durably(event)?;
        }
        Ok(violations)
    }
}

fn language(function: &Function) -> policy::Language {
    match function.language {
        catalog::Language::JavaScript | catalog::Language::Sql => policy::Language::JavaScript,
        catalog::Language::Python => policy::Language::Python,
        catalog::Language::Wasm => policy::Language::Wasm,
    }
}

/// The rights of a body that DO runs: nobody can alter them while it does.
pub(super) struct FixedRights(pub(super) Arc<Effective>);

impl RightsSource for FixedRights {
    fn rights(&self) -> Option<Arc<Effective>> {
        Some(self.0.clone())
    }

    fn add_violation(&self, _syscall: Syscall) -> Result<u32, SqlError> {
        // It does not outlive its statement, so there is nothing to count up.
        Ok(1)
    }
}

/// The SQL privileges of the role on whose behalf a function acts, as they are at each check.
pub(super) struct CallerPrivileges {
    pub(super) db: Arc<Database>,
    /// As whom the function acts.
    pub(super) actor: Actor,
    /// What the function itself has defined counts.
    pub(super) standing: Standing,
    /// Who made the call: another role than the actor's if the function is SECURITY DEFINER.
    pub(super) caller: u32,
    /// The search path that is in force in it; None: the session's.
    pub(super) path: Option<Arc<[String]>>,
    pub(super) session: Arc<SessionShared>,
    pub(super) followed: Mutex<Followed>,
}

impl Privileges for CallerPrivileges {
    fn check(&self, request: &Request<'_>) -> Result<(), SqlError> {
        self.may(self.actor.role, request)
    }

    fn check_caller(&self, request: &Request<'_>) -> Result<(), SqlError> {
        self.may(self.caller, request)
    }

    fn check_as(&self, role: u32, request: &Request<'_>) -> Result<(), SqlError> {
        let table = match request {
            Request::ReadTable(ReadTable(table)) => {
                self.may(role, request)?;
                table
            }
            Request::WriteTable(WriteTable { table, action }) => {
                // TRUNCATE deletes; that it is one takes DATABASE_EXECUTE, a superuser's to give.
                let action = match action {
                    WriteAction::Truncate => WriteAction::Delete,
                    WriteAction::Insert | WriteAction::Update | WriteAction::Delete => *action,
                };
                let ask = WriteTable {
                    table: table.clone(),
                    action,
                };
                self.may(role, &Request::WriteTable(&ask))?;
                table
            }
            // Who may call what is asked of the caller alone.
            Request::CallFunction(_) => return Ok(()),
            // A superuser's to give, or no matter of SQL's privileges.
            Request::RunDdl(_)
            | Request::ReadFile(_)
            | Request::WriteFile(_)
            | Request::ListFolder(_)
            | Request::ResolveHost(_)
            | Request::Connect(_)
            | Request::UseHttp(_)
            | Request::ReadVariable(_)
            | Request::ReadClock(_)
            | Request::DrawRandom(_)
            | Request::UseCrypto(_)
            | Request::Administer(_)
            | Request::MakeSyscall(_) => return Ok(()),
        };
        let catalog = self.catalog()?;
        match catalog.schema(&table.schema) {
            // What a view reads is its owner's matter.
            _ if table.as_role.is_some() => Ok(()),
            Some(schema) if catalog.has_schema_privilege(role, schema, Privilege::Usage) => Ok(()),
            Some(_) | None => Err(denied("schema", &table.schema)),
        }
    }

    fn finds(&self, request: &Request<'_>) -> bool {
        let Ok(catalog) = self.catalog() else { return false };
        let mut followed = self.followed.lock();
        let path = match &self.path {
            Some(path) => followed.along(path, &self.actor, &catalog),
            None => followed.along(&self.session.settings.lock().search_path, &self.actor, &catalog),
        };
        let names = Names {
            snapshot: &catalog,
            search_path: path,
        };
        match request {
            Request::ReadTable(ReadTable(table)) | Request::WriteTable(WriteTable { table, action: _ }) => {
                search_path::finds_table(names, &table.schema, &table.name)
            }
            Request::CallFunction(CallFunction(function)) => search_path::finds_function(names, &function.schema, &function.name),
            Request::RunDdl(_)
            | Request::ReadFile(_)
            | Request::WriteFile(_)
            | Request::ListFolder(_)
            | Request::ResolveHost(_)
            | Request::Connect(_)
            | Request::UseHttp(_)
            | Request::ReadVariable(_)
            | Request::ReadClock(_)
            | Request::DrawRandom(_)
            | Request::UseCrypto(_)
            | Request::Administer(_)
            | Request::MakeSyscall(_) => false,
        }
    }

    fn is_superuser(&self) -> bool {
        let Ok(catalog) = self.catalog() else { return false };
        catalog.is_superuser(self.actor.role) && catalog.is_superuser(self.caller)
    }
}

impl CallerPrivileges {
    fn catalog(&self) -> Result<Arc<Snapshot>> {
        Ok(self.standing.ground()?.working.now(&self.db))
    }

    fn may(&self, role: u32, request: &Request<'_>) -> Result<(), SqlError> {
        let catalog = &self.catalog()?;
        match request {
            Request::ReadTable(ask) => table_privilege(catalog, role, &ask.0, Privilege::Select),
            Request::WriteTable(ask) => table_privilege(
                catalog,
                role,
                &ask.table,
                match ask.action {
                    WriteAction::Insert => Privilege::Insert,
                    WriteAction::Update => Privilege::Update,
                    WriteAction::Delete => Privilege::Delete,
                    WriteAction::Truncate => Privilege::Truncate,
                },
            ),
            Request::CallFunction(ask) => {
                // What an aggregate is made of is its owner's to call.
                let role = ask.0.as_role.unwrap_or(role);
                let allowed = catalog
                    .functions_named(&ask.0.schema, &ask.0.name)
                    .iter()
                    .any(|f| catalog.has_function_privilege(role, f));
                if allowed { Ok(()) } else { Err(denied("function", &ask.0.name)) }
            }
            Request::RunDdl(ask) => ddl::privilege(catalog, role, ask),
            Request::ReadFile(_)
            | Request::WriteFile(_)
            | Request::ListFolder(_)
            | Request::ResolveHost(_)
            | Request::Connect(_)
            | Request::UseHttp(_)
            | Request::ReadVariable(_)
            | Request::ReadClock(_)
            | Request::DrawRandom(_)
            | Request::UseCrypto(_)
            | Request::Administer(_)
            | Request::MakeSyscall(_) => Err(SqlError::internal("no SQL privilege answers this question")),
        }
    }
}

fn table_privilege(catalog: &Snapshot, role: u32, name: &ObjectName, privilege: Privilege) -> Result<(), SqlError> {
    let table = catalog.table(&name.schema, &name.name).ok_or_else(|| denied("table", &name.name))?;
    // What a view reads, its owner has to be allowed to read.
    match catalog.has_table_privilege(name.as_role.unwrap_or(role), table, privilege) {
        true => Ok(()),
        false => Err(denied(table.kind.word(), &table.name)),
    }
}
