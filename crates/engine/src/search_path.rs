//! Where a name without a schema is looked up.
//!
//! The life of a path: a session has one as its setting; a function has its own where it was created with SET search_path, and a
//! SECURITY DEFINER function at least that of its creation, so that no caller chooses what its names mean. It is in
//! force for everything that the function runs, functions below it included, unless they have their own. What of it counts
//! for a statement is worked out when the statement begins ([`effective`]): schemas that exist and that the role may use. A capability
//! that names no schema means what the bare name finds along it ([`finds_table`], [`finds_function`]).

use std::sync::Arc;

use catalog::{Function, Privilege, Snapshot};
use policy::is_reserved_schema;

use crate::bind::Names;
use crate::context::Actor;

/// With `"$user"` replaced, and schemas left out that do not exist or that the role may not use.
pub fn effective(path: &[String], actor: &Actor, catalog: &Snapshot) -> Vec<String> {
    path.iter()
        .map(|schema| if schema == "$user" { &*actor.name } else { schema.as_str() })
        .filter(|schema| {
            let schema = catalog.schema(schema);
            schema.is_some_and(|schema| catalog.has_schema_privilege(actor.role, schema, Privilege::Usage))
        })
        .map(str::to_string)
        .collect()
}

/// What was worked out last, for one role: it holds as long as the catalog and the path are the same.
#[derive(Default)]
pub struct Followed {
    catalog: Option<Arc<Snapshot>>,
    path: Vec<String>,
    effective: Vec<String>,
}

impl Followed {
    pub fn along(&mut self, path: &[String], actor: &Actor, catalog: &Arc<Snapshot>) -> &[String] {
        let known = self.catalog.as_ref().is_some_and(|known| Arc::ptr_eq(known, catalog)) && self.path == path;
        if !known {
            self.effective = effective(path, actor, catalog);
            self.path = path.to_vec();
            self.catalog = Some(catalog.clone());
        }
        &self.effective
    }
}

/// What is in force in a function that is called where `outer` is; None: the session's.
pub fn within(function: &Function, outer: Option<&Arc<[String]>>) -> Option<Arc<[String]>> {
    match function.own_path() {
        Some(own) => Some(Arc::from(own)),
        None => outer.cloned(),
    }
}

/// Whether the bare name means this table, in a capability, where it never means the system's: it is the first of that name on the path. One that is not there yet is where
/// CREATE TABLE would put it.
pub fn finds_table(names: Names<'_>, schema: &str, name: &str) -> bool {
    if is_reserved_schema(schema) {
        return false;
    }
    match names.find_table(None, name) {
        Some(table) => table.schema == schema,
        None => names.creation_schema().is_ok_and(|first| first == schema),
    }
}

/// Whether the bare name means the functions of this schema: none of them is hidden by one with the same argument types in a
/// schema before it.
pub fn finds_function(names: Names<'_>, schema: &str, name: &str) -> bool {
    if is_reserved_schema(schema) {
        return false;
    }
    let found = names.functions(None, name);
    let of_schema = names.snapshot.functions_named(schema, name);
    !of_schema.is_empty() && of_schema.iter().all(|function| found.iter().any(|other| other.oid == function.oid))
}
