//! The one door between a function and everything that is not computation.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use audit::{AuditError, Event, EventType, Receipt, Sink};
use types::SqlError;

use crate::decide::{Ban, Decision, decide};
use crate::denied::Lacking;
use crate::request::Seen;
use crate::{Ask, Capability, Denied, DrawRandom, Effective, Missing, Mode, Permit, ReadClock, Request, Syscall, is_reserved_schema};

/// How deep functions may call functions.
pub const MAX_CALL_DEPTH: u32 = 16;

/// A function as the log shows it and as statements must name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionName {
    /// The column `function_name`: `user_lookup`.
    pub name: Arc<str>,
    /// What follows ALTER FUNCTION: quoted, qualified and with its types where that is needed to find it.
    pub reference: Arc<str>,
}

impl FunctionName {
    pub fn new(name: impl Into<Arc<str>>, reference: impl Into<Arc<str>>) -> FunctionName {
        FunctionName {
            name: name.into(),
            reference: reference.into(),
        }
    }
}

/// Where a gate reads a function's rights, at every check anew.
pub trait RightsSource: Send + Sync {
    /// The rights as they are now: grants, revokes and the function's switch act on running calls, while the policy's own content may stay
    /// as it was when the call began. None where the function is gone or its rights cannot be read.
    fn rights(&self) -> Option<Arc<Effective>>;

    /// Adds one to the function's persistent count of refused system calls, disables the function when [`crate::MAX_VIOLATIONS`] are reached, and
    /// returns the count.
    fn add_violation(&self, syscall: Syscall) -> Result<u32, SqlError>;
}

/// The caller's own SQL privileges; the owner's for a SECURITY DEFINER function.
pub trait Privileges: Send + Sync {
    /// Asked for [`Request::ReadTable`], [`Request::WriteTable`], [`Request::RunDdl`] and [`Request::CallFunction`] only. The error is the one that the user
    /// would get who ran the statement without a function.
    fn check(&self, request: &Request<'_>) -> Result<(), SqlError>;

    /// The same for whoever made the call, SECURITY DEFINER or not: record mode lends nobody's rights.
    fn check_caller(&self, request: &Request<'_>) -> Result<(), SqlError>;

    /// The same for a role that has given the function a capability: it allows no more than they may do themselves.
    fn check_as(&self, role: u32, request: &Request<'_>) -> Result<(), SqlError>;

    /// Whether a bare name in the function's capabilities means the very table or function that is asked for: what the name finds along the
    /// search path that is in force for this call.
    fn finds(&self, request: &Request<'_>) -> bool;

    /// Whether whoever made the call, and whoever's privileges count, are superusers: only then record mode lets pass what only
    /// a superuser grants.
    fn is_superuser(&self) -> bool;
}

/// Who is asking.
pub struct GateContext {
    pub function: FunctionName,
    pub user: Arc<str>,
    pub session_id: i64,
    pub call_id: i64,
    pub parent_call_id: Option<i64>,
    pub rights: Arc<dyn RightsSource>,
    pub privileges: Arc<dyn Privileges>,
    pub sink: Arc<dyn Sink>,
    /// The gate of the function that made this call, if one did.
    pub parent: Option<Arc<Gate>>,
}

/// The gate of one call of one function.
pub struct Gate {
    context: GateContext,
    depth: u32,
    /// The id of the newest event recorded here; 0 before the first.
    newest: AtomicU64,
    /// The id of the newest of them that is not routine: denials, violations, limits, failures, what record mode let pass.
    newest_firm: AtomicU64,
    /// Which of the soft questions are on record already: a bit for each.
    noted: AtomicU8,
    /// Rows recorded here and below.
    rows: AtomicU64,
    /// The limit of them, once a question was refused for it; 0 before.
    overfull: AtomicU64,
}

impl Gate {
    pub fn new(context: GateContext) -> Gate {
        let depth = context.parent.as_ref().map_or(1, |parent| parent.depth.saturating_add(1));
        Gate {
            context,
            depth,
            newest: AtomicU64::new(0),
            newest_firm: AtomicU64::new(0),
            noted: AtomicU8::new(0),
            rows: AtomicU64::new(0),
            overfull: AtomicU64::new(0),
        }
    }

    /// Decides, records the question with its verdict, and gives the question back as a permit.
    pub fn check<T: Ask>(&self, ask: T) -> Result<Permit<T>, Denied> {
        self.decide(&ask.request())?;
        Ok(Permit::new(ask))
    }

    /// For the questions to which a function without the right gets a weaker answer instead of a denial: the transaction's time, a fixed stream of
    /// random bytes. Nothing is refused, so its lack is not on record; its use is, once in a call.
    pub fn choose<T: Soft>(&self, ask: T) -> Result<Option<Permit<T>>, Denied> {
        let request = ask.request();
        match self.verdict(&request) {
            Err(Denied::Lacking(_)) => return Ok(None),
            Ok(_) if self.noted.load(Ordering::Relaxed) & T::BIT != 0 => {}
            // Decided once more, so that the row tells what was true when it was written.
            Ok(_) | Err(_) => {
                self.decide(&request)?;
                self.noted.fetch_or(T::BIT, Ordering::Relaxed);
            }
        }
        Ok(Some(Permit::new(ask)))
    }

    /// Whether it would be allowed now. For what a guest learns without asking, such as the words of an error: nothing is on record.
    pub fn would_allow<T: Ask>(&self, ask: &T) -> bool {
        self.verdict(&ask.request()).is_ok()
    }

    /// An event about this call, its other columns still NULL.
    pub fn event(&self, event_type: EventType) -> Event {
        let mut event = Event::new(event_type);
        event.function_name = Some(Arc::clone(&self.context.function.name));
        event.user_name = Some(Arc::clone(&self.context.user));
        event.session_id = Some(self.context.session_id);
        event.call_id = Some(self.context.call_id);
        event.parent_call_id = self.context.parent_call_id;
        event
    }

    /// Records an event about this call, unless it is a routine one and the function's policy silences those.
    pub fn record(&self, event: Event) -> Result<(), AuditError> {
        let silent = event.is_routine() && self.context.rights.rights().is_some_and(|rights| !rights.audit_logging);
        if silent { Ok(()) } else { self.put(event).map(drop) }
    }

    /// Records an event about a call below this one that has no gate of its own: whatever this function's policy silences.
    pub fn record_below(&self, event: Event) -> Result<Receipt, AuditError> {
        self.put(event)
    }

    /// The newest event recorded through this gate: what a statement waits for before it reports its completion.
    pub fn newest(&self) -> Option<Receipt> {
        receipt(&self.newest)
    }

    /// The newest event recorded through this gate that is not routine: what a statement waits for even where it does not wait for routine rows.
    pub fn newest_firm(&self) -> Option<Receipt> {
        receipt(&self.newest_firm)
    }

    /// How many functions are in the call chain, this one included.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    pub fn function(&self) -> &FunctionName {
        &self.context.function
    }

    pub fn parent(&self) -> Option<&Arc<Gate>> {
        self.context.parent.as_ref()
    }

    /// The function's rights as they are now; an error where it was disabled or dropped.
    pub fn rights(&self) -> Result<Arc<Effective>, Denied> {
        match self.context.rights.rights() {
            Some(rights) if rights.enabled => Ok(rights),
            Some(_) => Err(Denied::Disabled {
                function: self.context.function.clone(),
            }),
            None => Err(Denied::Gone {
                function: self.context.function.clone(),
            }),
        }
    }

    /// The limit of audit rows, if the call has asked for more than those.
    pub fn overfull(&self) -> Option<u64> {
        match self.overfull.load(Ordering::Relaxed) {
            0 => None,
            limit => Some(limit),
        }
    }

    /// Whether the call may leave another row. What ends it for that is on record all the same.
    fn check_rows(&self, rights: &Effective) -> Result<(), Denied> {
        let limit = rights.limits.audit_rows;
        if self.rows.load(Ordering::Relaxed) < limit {
            return Ok(());
        }
        self.overfull.store(limit, Ordering::Relaxed);
        Err(Denied::TooManyRows {
            function: self.context.function.clone(),
            limit,
        })
    }

    fn decide(&self, request: &Request<'_>) -> Result<(), Denied> {
        let verdict = self.verdict(request);
        if let Err(denied @ Denied::TooManyRows { .. }) = verdict {
            return Err(denied);
        }
        let silent = matches!(&verdict, Ok(allowed) if allowed.silent && allowed.would_deny.is_empty() && !request.is_definition());
        if !silent {
            let receipt = self.put(self.describe(request, &verdict)).map_err(Denied::Unrecorded)?;
            if !matches!(&verdict, Ok(allowed) if allowed.would_deny.is_empty()) {
                self.newest_firm.fetch_max(receipt.id, Ordering::Release);
            }
            if verdict.is_ok() && request.is_irrevocable() {
                self.context.sink.wait(receipt).map_err(Denied::Unrecorded)?;
            }
        }
        match verdict {
            Ok(_) => Ok(()),
            Err(Denied::Syscall {
                syscall,
                function,
                violations: _,
            }) => {
                let violations = self.context.rights.add_violation(syscall).map_err(Denied::Failed)?;
                Err(Denied::Syscall {
                    syscall,
                    function,
                    violations,
                })
            }
            Err(denied) => Err(denied),
        }
    }

    /// The function's rights, those of the chain above it, the caller's privileges: all of them, as they are now.
    fn verdict(&self, request: &Request<'_>) -> Result<Allowed, Denied> {
        let own = self.rights()?;
        let mut missing = Vec::new();
        let mut would_deny = Vec::new();
        let mut recording = Vec::new();
        let mut only_beyond = true;
        for gate in self.chain() {
            // Asked once for each function: its source may have to take a lock.
            let is_own = std::ptr::eq(gate, self);
            let rights = if is_own { Arc::clone(&own) } else { gate.rights()? };
            gate.check_rows(&rights)?;
            let seen = gate.as_seen(request);
            let request = seen.as_ref().map_or(*request, Seen::request);
            let request = &request;
            let decision = if is_own || request.is_of_the_chain() {
                decide(&rights, request, |role| {
                    !request.needs_privilege() || gate.context.privileges.check_as(role, request).is_ok()
                })
            } else {
                Decision::Allowed
            };
            only_beyond &= decision == Decision::Allowed || decision == Decision::Beyond;
            match (decision, rights.mode) {
                (Decision::Allowed, Mode::Enforce | Mode::Record) => {}
                (Decision::Beyond, Mode::Enforce) => missing.push(Missing::beyond_grantor(gate.function(), &rights, request)),
                (Decision::Lacking, Mode::Enforce) => missing.push(Missing::new(gate.function(), &rights, request)),
                (Decision::Lacking | Decision::Beyond, Mode::Record) => {
                    let lacks = Missing::new(gate.function(), &rights, request);
                    if gate.may_record(request) {
                        would_deny.push(lacks);
                        recording.push(gate);
                    } else {
                        missing.push(lacks);
                    }
                }
                (Decision::Forbidden(ban), Mode::Enforce | Mode::Record) => return Err(gate.banned(ban, request)),
            }
        }
        if !missing.is_empty() {
            // Where it is the caller who may not, no grant would help.
            if only_beyond && request.needs_privilege() {
                self.context.privileges.check(request).map_err(Denied::Caller)?;
            }
            return Err(Denied::Lacking(Box::new(Lacking {
                subject: self.as_seen(request).as_ref().map_or(*request, Seen::request).subject(),
                missing,
            })));
        }
        if request.needs_privilege() {
            self.context.privileges.check(request).map_err(Denied::Caller)?;
            for gate in recording {
                gate.context.privileges.check_caller(request).map_err(Denied::Caller)?;
            }
        }
        Ok(Allowed {
            silent: !own.audit_logging,
            would_deny,
        })
    }

    /// A question about a table or function as this function's capabilities name it: each function of a chain has a search path of its own.
    fn as_seen(&self, request: &Request<'_>) -> Option<Seen> {
        let object = request.object()?;
        // The system's are covered only by patterns that name their schema.
        if is_reserved_schema(&object.schema) {
            return None;
        }
        let visible = self.context.privileges.finds(request);
        Seen::new(request, visible).filter(|_| visible != object.visible)
    }

    /// Whether record mode lets a request pass that no capability of the function allows: only what a grant could allow, and what
    /// only superusers grant only where one calls. SQL's own privileges are asked for besides.
    fn may_record(&self, request: &Request<'_>) -> bool {
        let (Some(kind), Some(_)) = (request.capability_kind(), request.needed()) else {
            return false;
        };
        !kind.is_lent_to_superusers_only() || self.context.privileges.is_superuser()
    }

    fn banned(&self, ban: Ban, request: &Request<'_>) -> Denied {
        let function = self.context.function.clone();
        match (ban, request) {
            (Ban::Syscall(syscall), _) => Denied::Syscall {
                syscall,
                function,
                violations: 0,
            },
            (Ban::Administration | Ban::SystemSchema, request) => Denied::Forbidden {
                subject: request.subject(),
                function,
            },
        }
    }

    /// This gate and those above it, from the inside out.
    fn chain(&self) -> impl Iterator<Item = &Gate> {
        std::iter::successors(Some(self), |gate| gate.context.parent.as_deref())
    }

    fn describe(&self, request: &Request<'_>, verdict: &Result<Allowed, Denied>) -> Event {
        let mut event = self.event(request.event_type());
        event.capability = request.capability_kind().map(|kind| Cow::Borrowed(kind.name()));
        event.resource = request.resource();
        event.allowed = Some(verdict.is_ok());
        let lacking = match verdict {
            Ok(allowed) if allowed.would_deny.is_empty() => return event,
            Ok(allowed) => ("would_deny", &allowed.would_deny),
            Err(denied) => {
                event.error = Some(denied.to_string());
                event.sqlstate = Some(denied.sqlstate());
                match denied {
                    Denied::Lacking(lacking) => ("lacking", &lacking.missing),
                    Denied::Forbidden { .. }
                    | Denied::Caller(_)
                    | Denied::Disabled { .. }
                    | Denied::Gone { .. }
                    | Denied::Syscall { .. }
                    | Denied::TooManyRows { .. }
                    | Denied::Failed(_)
                    | Denied::Unrecorded(_) => return event,
                }
            }
        };
        let (name, missing) = lacking;
        let missing = missing.iter().map(|missing| {
            let capability = missing.capability.as_ref().map(Capability::to_string);
            serde_json::json!({ "function": &*missing.function.name, "capability": capability })
        });
        event.details = Some(serde_json::json!({ name: missing.collect::<Vec<_>>() }));
        event
    }

    fn put(&self, event: Event) -> Result<Receipt, AuditError> {
        let routine = event.is_routine();
        let receipt = self.context.sink.record(event)?;
        for gate in self.chain() {
            gate.rows.fetch_add(1, Ordering::Relaxed);
        }
        self.newest.fetch_max(receipt.id, Ordering::Release);
        if !routine {
            self.newest_firm.fetch_max(receipt.id, Ordering::Release);
        }
        Ok(receipt)
    }
}

fn receipt(newest: &AtomicU64) -> Option<Receipt> {
    match newest.load(Ordering::Acquire) {
        0 => None,
        id => Some(Receipt { id }),
    }
}

struct Allowed {
    /// Its policy silences routine rows.
    silent: bool,
    /// What the chain lacks and record mode let pass.
    would_deny: Vec<Missing>,
}

/// The questions that [`Gate::choose`] takes.
pub trait Soft: Ask {
    #[doc(hidden)]
    const BIT: u8;
}

impl Soft for ReadClock {
    const BIT: u8 = 1;
}

impl Soft for DrawRandom {
    const BIT: u8 = 2;
}
