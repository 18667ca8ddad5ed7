//! A call of a function, with its surroundings made up.

// Each test uses a part of it.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use audit::MemorySink;
use parking_lot::Mutex;
use policy::{
    Capability, Effective, FunctionName, Gate, GateContext, Language, Policy, Privileges, Request, Rights, RightsSource, Syscall,
};
use types::{SqlError, SqlState};

/// A function's row in the catalog.
pub struct Function {
    pub policy: Mutex<Policy>,
    pub rights: Mutex<Rights>,
    pub enabled: Mutex<bool>,
    pub exists: Mutex<bool>,
    pub violations: AtomicU32,
}

impl Function {
    pub fn holding(capabilities: &str) -> Arc<Function> {
        let function = Function::with(Policy::minimal().clone());
        if !capabilities.is_empty() {
            for capability in Capability::parse_list(capabilities).unwrap() {
                function.rights.lock().grant(capability, Policy::minimal());
            }
        }
        function
    }

    pub fn with(policy: Policy) -> Arc<Function> {
        let rights = Mutex::new(Rights::of(&policy));
        Arc::new(Function {
            policy: Mutex::new(policy),
            rights,
            enabled: Mutex::new(true),
            exists: Mutex::new(true),
            violations: AtomicU32::new(0),
        })
    }
}

impl RightsSource for Function {
    fn rights(&self) -> Option<Arc<Effective>> {
        self.exists.lock().then(|| {
            Arc::new(
                self.rights
                    .lock()
                    .resolve(&self.policy.lock(), Language::JavaScript, *self.enabled.lock()),
            )
        })
    }

    fn add_violation(&self, _: Syscall) -> Result<u32, SqlError> {
        Ok(self.violations.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

/// A caller who may do everything but touch tables of this name.
pub struct Caller {
    pub locked_table: &'static str,
    pub superuser: bool,
    /// What whoever made the call may not touch, where that is somebody else.
    pub locked_for_caller: &'static str,
}

impl Caller {
    fn may_touch(request: &Request<'_>, locked: &str) -> Result<(), SqlError> {
        let table = match request {
            Request::ReadTable(read) => &read.0.name,
            Request::WriteTable(write) => &write.table.name,
            Request::RunDdl(ddl) => &ddl.name,
            Request::CallFunction(call) => &call.0.name,
            other => panic!("{:?} is not a matter of SQL privileges", other.kind()),
        };
        if table == locked {
            Err(SqlError::new(
                SqlState::InsufficientPrivilege,
                format!("permission denied for table {table}"),
            ))
        } else {
            Ok(())
        }
    }
}

impl Privileges for Caller {
    fn check(&self, request: &Request<'_>) -> Result<(), SqlError> {
        Caller::may_touch(request, self.locked_table)
    }

    fn check_caller(&self, request: &Request<'_>) -> Result<(), SqlError> {
        Caller::may_touch(request, self.locked_for_caller)
    }

    fn check_as(&self, _: u32, _: &Request<'_>) -> Result<(), SqlError> {
        Ok(())
    }

    fn finds(&self, request: &Request<'_>) -> bool {
        request.object().is_some_and(|object| object.visible)
    }

    fn is_superuser(&self) -> bool {
        self.superuser
    }
}

/// Called by a superuser.
pub fn gate_of(name: &str, function: &Arc<Function>, sink: &Arc<MemorySink>, parent: Option<Arc<Gate>>) -> Arc<Gate> {
    gate_for(true, name, function, sink, parent)
}

pub fn gate_for(superuser: bool, name: &str, function: &Arc<Function>, sink: &Arc<MemorySink>, parent: Option<Arc<Gate>>) -> Arc<Gate> {
    Arc::new(Gate::new(GateContext {
        function: FunctionName::new(name, name),
        user: "alice".into(),
        session_id: 7,
        call_id: 100,
        parent_call_id: parent.as_ref().map(|_| 99),
        rights: Arc::clone(function) as Arc<dyn RightsSource>,
        privileges: Arc::new(Caller {
            locked_table: "locked",
            superuser,
            locked_for_caller: "lent",
        }),
        sink: Arc::clone(sink) as Arc<dyn audit::Sink>,
        parent,
    }))
}
