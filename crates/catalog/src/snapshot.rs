//! The catalog at one moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use policy::{Effective, Policy, Rights};
use rpds::HashTrieMapSync as Map;
use types::Type;

use crate::builtin;
use crate::privilege::{Acl, AclKind, PUBLIC, Privilege};
use crate::{AuditTrigger, Change, DatabaseRecord, Error, Function, Role, Schema, SecurityPolicy, Table, system_relations};

/// The first OID of a user's object (PostgreSQL's `FirstNormalObjectId`).
pub const FIRST_USER_OID: u32 = 16384;

/// An immutable catalog. A clone costs a few reference counts, and a change shares all that it leaves alone.
#[derive(Clone, Debug)]
pub struct Snapshot {
    version: u64,
    next_oid: u32,
    /// The highest that any snapshot made of the same database has had for `next_oid`: what was rolled back is in none that lasts, and
    /// its OIDs must not become others'.
    issued: Arc<AtomicU32>,
    schemas: Map<u32, Arc<Schema>>,
    schema_names: Map<String, u32>,
    tables: Map<u32, Arc<Table>>,
    /// schema -> name -> relation. Indexes share the names of tables.
    relation_names: Map<String, Map<String, RelationName>>,
    /// Index OID -> OID of its table.
    index_tables: Map<u32, u32>,
    /// Constraint OID -> OID of its table.
    constraint_tables: Map<u32, u32>,
    functions: Map<u32, Arc<Function>>,
    /// schema -> name -> overloads.
    #[allow(clippy::type_complexity)] // two levels of names, as relation_names has them
    function_names: Map<String, Map<String, Arc<[Arc<Function>]>>>,
    roles: Map<u32, Arc<Role>>,
    role_names: Map<String, u32>,
    policies: Map<u32, Arc<SecurityPolicy>>,
    policy_names: Map<String, u32>,
    audit_triggers: Map<u32, Arc<AuditTrigger>>,
    database: Arc<DatabaseRecord>,
}

#[derive(Clone, Copy, Debug)]
enum RelationName {
    Table(u32),
    Index { table: u32, oid: u32 },
}

/// What a relation name or OID stands for.
#[derive(Clone, Debug)]
pub enum Relation {
    Table(Arc<Table>),
    /// An index of a table; its OID.
    Index(Arc<Table>, u32),
}

impl Snapshot {
    /// What a new database starts with: see [`Snapshot::bootstrap_changes`].
    pub fn bootstrap() -> Snapshot {
        Snapshot::fixed().apply(&Snapshot::bootstrap_changes())
    }

    /// The objects of a new database that can be altered or dropped later, and therefore are stored at its creation:
    /// the superuser `postgres`, the auditors' role and the schema `public`.
    pub fn bootstrap_changes() -> Vec<Change> {
        builtin::initial_changes()
    }

    /// The catalog that was stored: every record that [`Change::record`] left.
    pub fn load<K: AsRef<[u8]>, V: AsRef<[u8]>>(records: impl IntoIterator<Item = (K, V)>) -> Result<Snapshot, Error> {
        let mut snapshot = Snapshot::fixed();
        for (key, value) in records {
            snapshot.put(&Change::from_record(key.as_ref(), value.as_ref())?);
        }
        Ok(snapshot)
    }

    /// Only what no statement can alter: the system schemas and the predefined policies.
    fn fixed() -> Snapshot {
        let mut snapshot = Snapshot {
            version: 1,
            next_oid: FIRST_USER_OID,
            issued: Arc::new(AtomicU32::new(FIRST_USER_OID)),
            schemas: Map::new_sync(),
            schema_names: Map::new_sync(),
            tables: Map::new_sync(),
            relation_names: Map::new_sync(),
            index_tables: Map::new_sync(),
            constraint_tables: Map::new_sync(),
            functions: Map::new_sync(),
            function_names: Map::new_sync(),
            roles: Map::new_sync(),
            role_names: Map::new_sync(),
            policies: Map::new_sync(),
            policy_names: Map::new_sync(),
            audit_triggers: Map::new_sync(),
            database: Arc::new(DatabaseRecord {
                oid: builtin::DATABASE_OID,
                owner: builtin::SUPERUSER_OID,
                acl: None,
            }),
        };
        for change in builtin::fixed_changes() {
            snapshot.put(&change);
        }
        snapshot
    }

    /// The catalog after these changes, in order.
    pub fn apply(&self, changes: &[Change]) -> Snapshot {
        let mut next = self.clone();
        for change in changes {
            next.put(change);
        }
        next.version += 1;
        next.issued.fetch_max(next.next_oid, Ordering::Relaxed);
        next
    }

    fn put(&mut self, change: &Change) {
        match change {
            Change::PutSchema(schema) => {
                self.drop_schema(schema.oid);
                self.use_oid(schema.oid);
                self.schema_names.insert_mut(schema.name.clone(), schema.oid);
                self.schemas.insert_mut(schema.oid, Arc::new(schema.clone()));
            }
            Change::DropSchema(oid) => self.drop_schema(*oid),
            Change::PutTable(table) => self.put_table(table),
            Change::DropTable(oid) => self.drop_table(*oid),
            Change::PutFunction(function) => self.put_function(function),
            Change::DropFunction(oid) => self.drop_function(*oid),
            Change::PutRole(role) => {
                self.drop_role(role.oid);
                self.use_oid(role.oid);
                self.role_names.insert_mut(role.name.clone(), role.oid);
                self.roles.insert_mut(role.oid, Arc::new(role.clone()));
            }
            Change::DropRole(oid) => self.drop_role(*oid),
            Change::PutPolicy(policy) => {
                self.drop_policy(policy.oid);
                self.use_oid(policy.oid);
                self.policy_names.insert_mut(policy.policy.name.clone(), policy.oid);
                self.policies.insert_mut(policy.oid, Arc::new(policy.clone()));
            }
            Change::DropPolicy(oid) => self.drop_policy(*oid),
            Change::PutAuditTrigger(trigger) => {
                self.use_oid(trigger.oid);
                self.audit_triggers.insert_mut(trigger.oid, Arc::new(trigger.clone()));
            }
            Change::DropAuditTrigger(oid) => {
                self.audit_triggers.remove_mut(oid);
            }
            Change::PutDatabase(database) => self.database = Arc::new(database.clone()),
            Change::OidMark(mark) => self.next_oid = self.next_oid.max(*mark),
        }
    }

    fn use_oid(&mut self, oid: u32) {
        self.next_oid = self.next_oid.max(oid.saturating_add(1));
    }

    fn put_table(&mut self, table: &Table) {
        self.drop_table(table.oid);
        table.oids().for_each(|oid| self.use_oid(oid));
        let mut names = self.relation_names.get(&table.schema).cloned().unwrap_or_else(Map::new_sync);
        names.insert_mut(table.name.clone(), RelationName::Table(table.oid));
        for (oid, name) in table.index_names() {
            names.insert_mut(name.to_string(), RelationName::Index { table: table.oid, oid });
            self.index_tables.insert_mut(oid, table.oid);
        }
        for oid in table.constraint_oids() {
            self.constraint_tables.insert_mut(oid, table.oid);
        }
        self.relation_names.insert_mut(table.schema.clone(), names);
        self.tables.insert_mut(table.oid, Arc::new(table.clone()));
    }

    fn drop_table(&mut self, oid: u32) {
        let Some(old) = self.tables.get(&oid).cloned() else { return };
        if let Some(mut names) = self.relation_names.get(&old.schema).cloned() {
            names.remove_mut(&old.name);
            for (index_oid, name) in old.index_names() {
                names.remove_mut(name);
                self.index_tables.remove_mut(&index_oid);
            }
            self.relation_names.insert_mut(old.schema.clone(), names);
        }
        for constraint in old.constraint_oids() {
            self.constraint_tables.remove_mut(&constraint);
        }
        self.tables.remove_mut(&oid);
    }

    fn put_function(&mut self, function: &Function) {
        self.drop_function(function.oid);
        self.use_oid(function.oid);
        let function = Arc::new(function.clone());
        let mut names = self.function_names.get(&function.schema).cloned().unwrap_or_else(Map::new_sync);
        let mut overloads: Vec<Arc<Function>> = names.get(&function.name).map(|list| list.to_vec()).unwrap_or_default();
        overloads.push(function.clone());
        names.insert_mut(function.name.clone(), overloads.into());
        self.function_names.insert_mut(function.schema.clone(), names);
        self.functions.insert_mut(function.oid, function);
    }

    fn drop_function(&mut self, oid: u32) {
        let Some(old) = self.functions.get(&oid).cloned() else { return };
        if let Some(mut names) = self.function_names.get(&old.schema).cloned() {
            let left: Vec<Arc<Function>> = names
                .get(&old.name)
                .into_iter()
                .flat_map(|list| list.iter())
                .filter(|f| f.oid != oid)
                .cloned()
                .collect();
            match left.is_empty() {
                true => names.remove_mut(&old.name),
                false => {
                    names.insert_mut(old.name.clone(), left.into());
                    true
                }
            };
            self.function_names.insert_mut(old.schema.clone(), names);
        }
        self.functions.remove_mut(&oid);
    }

    fn drop_schema(&mut self, oid: u32) {
        if let Some(old) = self.schemas.get(&oid).cloned() {
            self.schema_names.remove_mut(&old.name);
            self.schemas.remove_mut(&oid);
        }
    }

    fn drop_role(&mut self, oid: u32) {
        if let Some(old) = self.roles.get(&oid).cloned() {
            self.role_names.remove_mut(&old.name);
            self.roles.remove_mut(&oid);
        }
    }

    fn drop_policy(&mut self, oid: u32) {
        if let Some(old) = self.policies.get(&oid).cloned() {
            self.policy_names.remove_mut(&old.policy.name);
            self.policies.remove_mut(&oid);
        }
    }
}

/// Look-ups.
impl Snapshot {
    /// Grows with each [`Snapshot::apply`]; a plan made with another version may be stale.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// An OID that no object has or had, in a transaction that was rolled back either. Several new objects take this one and those
    /// after it, one transaction at a time.
    pub fn next_oid(&self) -> u32 {
        self.next_oid.max(self.issued.load(Ordering::Relaxed))
    }

    /// What is stored outside the catalog knows this OID: no new object gets it.
    pub fn reserve_oid(&self, oid: u32) {
        self.issued.fetch_max(oid.saturating_add(1), Ordering::Relaxed);
    }

    pub fn schema(&self, name: &str) -> Option<&Arc<Schema>> {
        self.schemas.get(self.schema_names.get(name)?)
    }

    pub fn schema_by_oid(&self, oid: u32) -> Option<&Arc<Schema>> {
        self.schemas.get(&oid)
    }

    pub fn schemas(&self) -> impl Iterator<Item = &Arc<Schema>> {
        self.schemas.values()
    }

    /// A table, view, sequence or system table. Indexes only through [`Snapshot::relation`].
    pub fn table(&self, schema: &str, name: &str) -> Option<&Arc<Table>> {
        match self.relation_names.get(schema).and_then(|names| names.get(name)) {
            Some(RelationName::Table(oid)) => self.tables.get(oid),
            Some(RelationName::Index { .. }) => None,
            None => system_relations().table(schema, name),
        }
    }

    pub fn table_by_oid(&self, oid: u32) -> Option<&Arc<Table>> {
        self.tables.get(&oid).or_else(|| system_relations().table_by_oid(oid))
    }

    /// What a name stands for among tables, views, sequences and indexes: the names that a new one of these must avoid.
    pub fn relation(&self, schema: &str, name: &str) -> Option<Relation> {
        match self.relation_names.get(schema).and_then(|names| names.get(name)) {
            Some(RelationName::Table(oid)) => self.tables.get(oid).cloned().map(Relation::Table),
            Some(RelationName::Index { table, oid }) => self.tables.get(table).cloned().map(|table| Relation::Index(table, *oid)),
            None => system_relations().table(schema, name).cloned().map(Relation::Table),
        }
    }

    pub fn relation_by_oid(&self, oid: u32) -> Option<Relation> {
        if let Some(table) = self.table_by_oid(oid) {
            return Some(Relation::Table(table.clone()));
        }
        let table = self.tables.get(self.index_tables.get(&oid)?)?;
        Some(Relation::Index(table.clone(), oid))
    }

    /// The table that a constraint is on.
    pub fn table_of_constraint(&self, oid: u32) -> Option<&Arc<Table>> {
        self.tables.get(self.constraint_tables.get(&oid)?)
    }

    /// The first schema of the path that has a relation of this name decides, as in PostgreSQL.
    pub fn relation_on_path<S: AsRef<str>>(&self, path: &[S], name: &str) -> Option<Relation> {
        path.iter().find_map(|schema| self.relation(schema.as_ref(), name))
    }

    /// Users' tables, views and sequences, in no order.
    pub fn user_tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }

    /// All tables, system tables first.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        system_relations().all().iter().chain(self.tables.values())
    }

    /// The overloads of a function in one schema.
    pub fn functions_named(&self, schema: &str, name: &str) -> &[Arc<Function>] {
        self.function_names
            .get(schema)
            .and_then(|names| names.get(name))
            .map_or(&[], |list| list)
    }

    /// The overloads that an unqualified name can mean: of two with the same argument types, the one whose schema is
    /// earlier in the path.
    pub fn functions_on_path<S: AsRef<str>>(&self, path: &[S], name: &str) -> Vec<Arc<Function>> {
        let mut found: Vec<Arc<Function>> = vec![];
        for schema in path {
            for function in self.functions_named(schema.as_ref(), name) {
                let types = function.arg_types();
                if !found.iter().any(|earlier| earlier.arg_types() == types) {
                    found.push(function.clone());
                }
            }
        }
        found
    }

    /// The function with exactly these argument types.
    pub fn function(&self, schema: &str, name: &str, args: &[Type]) -> Option<&Arc<Function>> {
        self.functions_named(schema, name)
            .iter()
            .find(|function| function.args.iter().map(|arg| arg.ty).eq(args.iter().copied()))
    }

    pub fn function_by_oid(&self, oid: u32) -> Option<&Arc<Function>> {
        self.functions.get(&oid)
    }

    /// In no order.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.functions.values()
    }

    pub fn role(&self, name: &str) -> Option<&Arc<Role>> {
        self.roles.get(self.role_names.get(name)?)
    }

    pub fn role_by_oid(&self, oid: u32) -> Option<&Arc<Role>> {
        self.roles.get(&oid)
    }

    pub fn roles(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.roles.values()
    }

    /// A predefined policy in any case or by its alias, or a user's by its exact name.
    pub fn policy(&self, name: &str) -> Option<&Arc<SecurityPolicy>> {
        let name = Policy::predefined(name).map_or(name, |policy| policy.name.as_str());
        self.policies.get(self.policy_names.get(name)?)
    }

    pub fn policy_by_oid(&self, oid: u32) -> Option<&Arc<SecurityPolicy>> {
        self.policies.get(&oid)
    }

    pub fn database(&self) -> &Arc<DatabaseRecord> {
        &self.database
    }

    pub fn policies(&self) -> impl Iterator<Item = &Arc<SecurityPolicy>> {
        self.policies.values()
    }

    /// The triggers on the audit log in the order in which they fire: that of their names.
    pub fn audit_triggers(&self) -> Vec<&Arc<AuditTrigger>> {
        let mut triggers: Vec<_> = self.audit_triggers.values().collect();
        triggers.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        triggers
    }

    pub fn audit_trigger(&self, name: &str) -> Option<&Arc<AuditTrigger>> {
        self.audit_triggers.values().find(|trigger| trigger.name == name)
    }

    /// `pg_class.relhastriggers`, as far as users' triggers go.
    pub fn has_triggers(&self, table: &Table) -> bool {
        match table.oid {
            crate::heliosdb::AUDIT_LOG_OID => !self.audit_triggers.is_empty(),
            _ => !table.triggers.is_empty(),
        }
    }

    /// Whether any would fire.
    pub fn has_audit_triggers(&self) -> bool {
        self.audit_triggers.values().any(|trigger| trigger.enabled)
    }
}

/// What functions may do.
impl Snapshot {
    /// What a function holds by its policy, its grants and its own limits. A function whose policy is gone, which no
    /// statement brings about, holds nothing and is disabled.
    pub fn effective_rights(&self, function: &Function) -> Effective {
        let language = function.language.into();
        match self.policy(&function.rights.policy) {
            Some(policy) => function.rights.resolve(&policy.policy, language, function.enabled),
            None => Rights::default().resolve(Policy::minimal(), language, false),
        }
    }

    /// The functions that keep a policy from being dropped.
    pub fn functions_with_policy(&self, name: &str) -> impl Iterator<Item = &Arc<Function>> {
        self.functions.values().filter(move |function| function.rights.policy == name)
    }
}

/// Privileges. These read grants only: what else a right depends on is up to the caller.
impl Snapshot {
    /// Whether `role` is `of`, or a direct or indirect member of it. Superusers are not members of everything here.
    pub fn is_member(&self, role: u32, of: u32) -> bool {
        self.roles_of(role, |_| true).contains(&of)
    }

    /// `role`, and the roles whose privileges it has: a NOINHERIT role has its own alone.
    pub fn roles_acted_for(&self, role: u32) -> Vec<u32> {
        self.roles_of(role, |member| member.inherit)
    }

    /// Whether `role` may act as `of` in every statement, without SET ROLE.
    pub fn acts_as(&self, role: u32, of: u32) -> bool {
        role == of || self.is_superuser(role) || self.roles_acted_for(role).contains(&of)
    }

    /// Whether `role` may make others members of `of`: it, or a role that it is a member of, was given the ADMIN OPTION.
    pub fn is_admin(&self, role: u32, of: u32) -> bool {
        let has_option = |role: &u32| self.roles.get(role).is_some_and(|role| role.admin_of.contains(&of));
        self.is_superuser(role) || (role != of && self.roles_of(role, |_| true).iter().any(has_option))
    }

    /// Whether `role` can come to the rights of a superuser or read the audit log, by SET ROLE at the latest: a superuser, an auditor,
    /// or a member of one. Whoever is neither may not hand such a role on.
    pub fn is_trusted(&self, role: u32) -> bool {
        self.roles_of(role, |_| true)
            .into_iter()
            .any(|role| role == builtin::AUDITOR_OID || self.is_superuser(role))
    }

    /// `role` and those that it is a member of, through members that `follow` accepts.
    fn roles_of(&self, role: u32, follow: impl Fn(&Role) -> bool) -> Vec<u32> {
        let mut seen = vec![role];
        let mut next = 0;
        while let Some(current) = seen.get(next).copied() {
            next += 1;
            let Some(member) = self.roles.get(&current).filter(|member| follow(member)) else {
                continue;
            };
            // In the order of their OIDs: PostgreSQL looks at them so when it chooses a grantor.
            let mut parents = member.member_of.clone();
            parents.sort_unstable();
            for parent in parents {
                if !seen.contains(&parent) {
                    seen.push(parent);
                }
            }
        }
        seen
    }

    pub fn is_superuser(&self, role: u32) -> bool {
        self.roles.get(&role).is_some_and(|role| role.superuser)
    }

    /// Whether `role` may do what only an owner may.
    pub fn owns(&self, role: u32, owner: u32) -> bool {
        self.acts_as(role, owner)
    }

    /// Whether `role` holds a privilege on an object with this owner and ACL.
    pub fn has_privilege(&self, role: u32, privilege: Privilege, grantable: bool, kind: AclKind, owner: u32, acl: Option<&Acl>) -> bool {
        if self.is_superuser(role) {
            return true;
        }
        let roles = self.roles_acted_for(role);
        // An owner can revoke own privileges, but always holds the grant options.
        if grantable && roles.contains(&owner) && kind.privileges().contains(&privilege) {
            return true;
        }
        let is_grantee = |grantee: u32| (grantee == PUBLIC && !grantable) || (grantee != PUBLIC && roles.contains(&grantee));
        match acl {
            Some(acl) => acl.allows(privilege, grantable, is_grantee),
            None => Acl::default_for(kind, owner).allows(privilege, grantable, is_grantee),
        }
    }

    pub fn has_table_privilege(&self, role: u32, table: &Table, privilege: Privilege) -> bool {
        let kind = if table.sequence().is_some() {
            AclKind::Sequence
        } else {
            AclKind::Table
        };
        self.has_privilege(role, privilege, false, kind, table.owner, table.acl.as_ref())
    }

    pub fn has_function_privilege(&self, role: u32, function: &Function) -> bool {
        self.has_privilege(
            role,
            Privilege::Execute,
            false,
            AclKind::Function,
            function.owner,
            function.acl.as_ref(),
        )
    }

    pub fn has_schema_privilege(&self, role: u32, schema: &Schema, privilege: Privilege) -> bool {
        self.has_privilege(role, privilege, false, AclKind::Schema, schema.owner, schema.acl.as_ref())
    }

    pub fn has_database_privilege(&self, role: u32, privilege: Privilege) -> bool {
        let database = &self.database;
        self.has_privilege(role, privilege, false, AclKind::Database, database.owner, database.acl.as_ref())
    }
}
