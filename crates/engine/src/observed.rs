//! What the audit log has seen of one function: which capabilities it used, lacked, or would have lacked.
//!
//! The life of an observation: the log is read from its start; whatever came before the function was created or replaced, or
//! last began to record, is forgotten; a check counts for the function that asked, and, where it was allowed, for every
//! function further up its call chain, since each of them has to hold the capability. The log names functions without
//! schemas and types: those of one name are seen as one.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use audit::stored::View;
use audit::{Event, EventType};
use catalog::Function;
use policy::{CanonicalPath, Capability, Kind, PathPattern, Syscall};
use serde_json::Value;
use types::Result;

use crate::context::StatementContext;

/// A guest chooses paths and hosts: no more different ones than this are told apart.
const MAX_CAPABILITIES: usize = 2_000;

#[derive(Default)]
pub struct Observed {
    pub calls: u64,
    /// By the least capability that would allow it.
    pub uses: BTreeMap<Capability, Uses>,
    /// System calls beyond those that every function may make.
    pub syscalls: BTreeSet<&'static str>,
    pub refused_syscalls: BTreeSet<&'static str>,
    /// Another function of this name was there, whose rows may be among these. It may be dropped by now.
    pub namesakes: bool,
    /// Those of this name, as the log goes on: schemas and signatures.
    living: HashSet<(String, String)>,
    /// How many further uses were of capabilities that are not in `uses`.
    pub untold: u64,
    pub max_fuel: u64,
    pub max_memory_bytes: u64,
    pub max_duration_us: u64,
    /// The calls of the function that have not ended, and those below them.
    open_calls: HashSet<i64>,
}

/// Times are microseconds since 1970.
#[derive(Clone, Copy, Default)]
pub struct Uses {
    pub allowed: u64,
    pub last_allowed: Option<i64>,
    pub denied: u64,
}

/// What one row of the log says about a capability.
enum Verdict {
    Allowed,
    Denied,
}

pub fn observe(context: &StatementContext, function: &Function) -> Result<Observed> {
    let mut observed = Observed::default();
    let in_json = Value::from(function.name.as_str()).to_string();
    context.db.audit.each_from(1, &context.cancel, |row| {
        // Most rows are others', and are not taken apart.
        if observed.is_concerned(function, &in_json, row) {
            observed.add(function, &row.to_event()?);
        }
        Ok(())
    })?;
    Ok(observed)
}

impl Observed {
    /// Whether a row is the function's, of a call below it, or a check that names it: of a function that is not logged (`audit_logging`)
    /// nothing else tells which calls are below it.
    fn is_concerned(&self, function: &Function, in_json: &str, row: &View<'_>) -> bool {
        row.function_name == Some(function.name.as_str())
            || row.parent_call_id.is_some_and(|parent| self.open_calls.contains(&parent))
            || (row.event_type == EventType::CapabilityCheck && row.details.is_some_and(|details| details.contains(in_json)))
    }

    fn add(&mut self, function: &Function, event: &Event) {
        let own = event.function_name.as_deref() == Some(function.name.as_str());
        if own && begins_anew(function, event) {
            let living = std::mem::take(&mut self.living);
            *self = Observed {
                namesakes: !living.is_empty(),
                living,
                ..Observed::default()
            };
            return;
        }
        if own {
            self.note_namesake(function, event);
        }
        match event.event_type {
            EventType::ExecutionStarted => {
                self.calls += u64::from(own);
                self.open_calls.extend(event.call_id);
            }
            EventType::ExecutionCompleted | EventType::ExecutionFailed => {
                if let Some(call) = event.call_id {
                    self.open_calls.remove(&call);
                }
                if own {
                    let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
                    self.max_fuel = self.max_fuel.max(number(event.fuel_used));
                    self.max_memory_bytes = self.max_memory_bytes.max(number(event.memory_bytes));
                    self.max_duration_us = self.max_duration_us.max(number(event.duration_us));
                }
            }
            EventType::CapabilityCheck => self.check(function, event, own),
            // Of a check the log does not say whether a folder was listed or a file of that name read.
            EventType::FileOperation if event.details.as_ref().is_some_and(|details| details["operation"] == "list") => {
                let folder = event.resource.as_deref().and_then(|path| CanonicalPath::new(path).ok());
                if let Some(pattern) = folder.as_ref().and_then(PathPattern::entries_of) {
                    self.listed(folder.as_ref(), Capability::FileRead(pattern), event.timestamp);
                }
            }
            EventType::SyscallAttempt if own => {
                let syscall = event.resource.as_deref().and_then(|name| Syscall::parse(name).ok());
                if let Some(syscall) = syscall.filter(|syscall| !policy::SyscallSet::default_allowed().contains(*syscall)) {
                    match event.allowed {
                        Some(true) => self.syscalls.insert(syscall.name()),
                        Some(false) | None => self.refused_syscalls.insert(syscall.name()),
                    };
                }
            }
            EventType::FileOperation
            | EventType::SyscallAttempt
            | EventType::ResourceLimitExceeded
            | EventType::DatabaseOperation
            | EventType::NetworkOperation
            | EventType::FunctionCreated
            | EventType::FunctionAltered
            | EventType::FunctionDropped
            | EventType::FunctionDisabled
            | EventType::FunctionEnabled
            | EventType::CapabilityGranted
            | EventType::CapabilityRevoked
            | EventType::PolicyCreated
            | EventType::PolicyAltered
            | EventType::PolicyDropped
            | EventType::PolicyApplied
            | EventType::LoginSucceeded
            | EventType::LoginFailed
            | EventType::AlertRaised
            | EventType::TriggerCreated
            | EventType::TriggerAltered
            | EventType::TriggerDropped
            | EventType::AuditLogTrimmed => {}
        }
    }

    /// Rows that define a function say which one of its name they mean.
    fn note_namesake(&mut self, function: &Function, event: &Event) {
        let text = |key: &str| Some(event.details.as_ref()?.get(key)?.as_str()?.to_string());
        let (Some(schema), Some(signature)) = (text("schema"), text("signature")) else {
            return;
        };
        if schema == function.schema && signature == function.signature() {
            return;
        }
        self.namesakes = true;
        match event.event_type {
            EventType::FunctionDropped => self.living.remove(&(schema, signature)),
            EventType::FunctionCreated | EventType::FunctionAltered => self.living.insert((schema, signature)),
            _ => return,
        };
    }

    fn check(&mut self, function: &Function, event: &Event, own: bool) {
        let verdict = match event.allowed {
            Some(true) => Verdict::Allowed,
            Some(false) => Verdict::Denied,
            None => return,
        };
        let named = named(&function.name, event);
        let below = event.parent_call_id.is_some_and(|parent| self.open_calls.contains(&parent));
        if named.is_none() && !own && !below {
            return;
        }
        // A refusal below is this function's only if it is this one that lacks the right; its own may be another's.
        match verdict {
            Verdict::Denied if named.is_none() && (!own || is_lacking(event)) => return,
            Verdict::Allowed | Verdict::Denied => {}
        }
        let capability = match named {
            // It knows whether a folder was to be listed.
            Some(listed @ Capability::FileRead(_)) => Some(listed),
            Some(_) | None => least(event),
        };
        if let Some(capability) = capability {
            self.count(capability, &verdict, event.timestamp);
        }
    }

    fn count(&mut self, capability: Capability, verdict: &Verdict, timestamp: i64) {
        if self.uses.len() >= MAX_CAPABILITIES && !self.uses.contains_key(&capability) {
            self.untold += 1;
            return;
        }
        let uses = self.uses.entry(capability).or_default();
        match verdict {
            Verdict::Allowed => {
                uses.allowed += 1;
                uses.last_allowed = Some(timestamp);
            }
            Verdict::Denied => uses.denied += 1,
        }
    }

    /// The check before this row counted as a read of the folder's path.
    fn listed(&mut self, folder: Option<&CanonicalPath>, capability: Capability, timestamp: i64) {
        let as_file = folder.and_then(PathPattern::exact).map(Capability::FileRead);
        if let Some(as_file) = as_file
            && let Some(uses) = self.uses.get_mut(&as_file)
        {
            uses.allowed = uses.allowed.saturating_sub(1);
            if uses.allowed == 0 && uses.denied == 0 {
                self.uses.remove(&as_file);
            }
            self.count(capability, &Verdict::Allowed, timestamp);
        }
    }
}

/// Created, replaced, or told to record.
fn begins_anew(function: &Function, event: &Event) -> bool {
    let details = event.details.as_ref();
    let is = |key: &str, value: &str| details.is_some_and(|details| details[key] == value);
    let this_one = is("signature", &function.signature()) && is("schema", &function.schema);
    match event.event_type {
        EventType::FunctionCreated => this_one,
        EventType::FunctionAltered => {
            let replaced = details.is_some_and(|details| details.get("language").is_some());
            this_one && (replaced || is("capability_mode", "record"))
        }
        _ => false,
    }
}

fn is_lacking(event: &Event) -> bool {
    event.details.as_ref().is_some_and(|details| details.get("lacking").is_some())
}

/// The capability that the row says this function lacks, or would have lacked.
fn named(function: &str, event: &Event) -> Option<Capability> {
    let details = event.details.as_ref()?;
    let list = details.get("would_deny").or_else(|| details.get("lacking"))?.as_array()?;
    let entry = list.iter().find(|entry| entry["function"] == function)?;
    Capability::parse(entry["capability"].as_str()?).ok()
}

/// What a refusal says was lacking; of one that no grant would have allowed, the capability that was asked for.
pub fn refused(event: &Event) -> Vec<Capability> {
    let lacking = event.details.as_ref().and_then(|details| details.get("lacking")?.as_array());
    match lacking {
        Some(list) => {
            let texts = list.iter().filter_map(|entry| entry["capability"].as_str());
            texts.filter_map(|text| Capability::parse(text).ok()).collect()
        }
        None => least(event).into_iter().collect(),
    }
}

/// The least capability for what a row says was asked.
fn least(event: &Event) -> Option<Capability> {
    let kind = Kind::from_name(event.capability.as_deref()?)?;
    let resource = event.resource.as_deref();
    match kind {
        Kind::DatabaseRead | Kind::DatabaseWrite | Kind::CallFunction => Capability::new(kind.name(), resource).ok(),
        Kind::FileRead => PathPattern::exact(&CanonicalPath::new(resource?).ok()?).map(Capability::FileRead),
        Kind::FileWrite => PathPattern::exact(&CanonicalPath::new(resource?).ok()?).map(Capability::FileWrite),
        // A connection's row names the address behind the endpoint.
        Kind::NetworkAccess => Capability::new(kind.name(), resource?.split(' ').next()).ok(),
        Kind::DatabaseExecute | Kind::EnvAccess | Kind::TimeAccess | Kind::RandomAccess | Kind::CryptoAccess | Kind::HttpClient => {
            Capability::new(kind.name(), None).ok()
        }
    }
}
