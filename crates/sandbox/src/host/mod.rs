//! What a guest can ask of the host. The match of [`State::dispatch`] and [`TABLE`] are all of it.
//!
//! The life of a host call: the guest hands over a buffer, the operation reads it, asks the gate where
//! a right is needed, does its work, and leaves an answer that the guest fetches. A refusal is an
//! answer too: the guest throws it, and may catch it. A limit ends the guest instead.

mod answer;
mod arguments;
mod call;
mod clock;
mod crypto;
mod database;
mod env;
mod fs;
mod http;
mod log;
mod random;
mod storage;
pub mod wasi;
pub mod world;

use std::sync::Arc;

use policy::{Denied, Gate, Kind, SyscallSet};
use types::{SqlError, SqlState};
use wasmtime::{AsContextMut, Caller, Linker, Memory};

use self::answer::Answer;
use self::arguments::Arguments;
use crate::abi::op;
use crate::context::{Backend, CallContext, Outside};
use crate::error::Limit;
use crate::meter::{Meter, Stop};
use crate::value::{Exchange, Malformed, Reader, Returned, put_text, put_u32};

/// A function of the object `heliosdb` that is nothing but values in and a value out.
pub struct HostFunction {
    /// Below `heliosdb.`
    pub name: &'static str,
    /// What its arguments are, for errors and the documentation.
    pub usage: &'static str,
    /// The capabilities that it takes, all of them: what the documentation says, and its functions ask for.
    #[cfg_attr(not(test), allow(dead_code))] // read by the test that compares the table with the documentation
    pub needs: &'static [Kind],
    run: fn(&mut State, Arguments) -> Result<Answer, Failure>,
}

/// In the order of [`HOST_FUNCTIONS`], by which guests number them.
pub const TABLE: &[HostFunction] = &[
    HostFunction {
        name: "call",
        usage: "(name, ...arguments)",
        needs: &[Kind::CallFunction],
        run: call::call,
    },
    HostFunction {
        name: "storage.get",
        usage: "(key)",
        needs: &[],
        run: storage::get,
    },
    HostFunction {
        name: "storage.set",
        usage: "(key, value)",
        needs: &[],
        run: storage::set,
    },
    HostFunction {
        name: "storage.delete",
        usage: "(key)",
        needs: &[],
        run: storage::delete,
    },
    HostFunction {
        name: "storage.keys",
        usage: "(prefix)",
        needs: &[],
        run: storage::keys,
    },
    HostFunction {
        name: "storage.increment",
        usage: "(key, by)",
        needs: &[],
        run: storage::increment,
    },
    HostFunction {
        name: "env.get",
        usage: "(name)",
        needs: &[Kind::EnvAccess],
        run: env::get,
    },
    HostFunction {
        name: "fs.readText",
        usage: "(path)",
        needs: &[Kind::FileRead],
        run: fs::read_text,
    },
    HostFunction {
        name: "fs.readBytes",
        usage: "(path)",
        needs: &[Kind::FileRead],
        run: fs::read_bytes,
    },
    HostFunction {
        name: "fs.writeText",
        usage: "(path, text)",
        needs: &[Kind::FileWrite],
        run: fs::write_text,
    },
    HostFunction {
        name: "fs.appendText",
        usage: "(path, text)",
        needs: &[Kind::FileWrite],
        run: fs::append_text,
    },
    HostFunction {
        name: "fs.list",
        usage: "(folder)",
        needs: &[Kind::FileRead],
        run: fs::list,
    },
    HostFunction {
        name: "fs.remove",
        usage: "(path)",
        needs: &[Kind::FileWrite],
        run: fs::remove,
    },
    HostFunction {
        name: "http.fetch",
        usage: "(url, {method, headers, body, timeout})",
        needs: &[Kind::HttpClient, Kind::NetworkAccess],
        run: http::fetch,
    },
    HostFunction {
        name: "http.get",
        usage: "(url, {headers, timeout})",
        needs: &[Kind::HttpClient, Kind::NetworkAccess],
        run: http::get,
    },
    HostFunction {
        name: "http.post",
        usage: "(url, body, {headers, timeout})",
        needs: &[Kind::HttpClient, Kind::NetworkAccess],
        run: http::post,
    },
    HostFunction {
        name: "crypto.sha256",
        usage: "(data)",
        needs: &[Kind::CryptoAccess],
        run: crypto::sha256,
    },
    HostFunction {
        name: "crypto.sha512",
        usage: "(data)",
        needs: &[Kind::CryptoAccess],
        run: crypto::sha512,
    },
    HostFunction {
        name: "crypto.hmac",
        usage: "(algorithm, key, data)",
        needs: &[Kind::CryptoAccess],
        run: crypto::hmac,
    },
    HostFunction {
        name: "crypto.randomBytes",
        usage: "(count)",
        needs: &[Kind::CryptoAccess],
        run: crypto::random_bytes,
    },
    HostFunction {
        name: "crypto.uuid",
        usage: "()",
        needs: &[Kind::CryptoAccess],
        run: crypto::uuid,
    },
    HostFunction {
        name: "crypto.timingSafeEqual",
        usage: "(one, other)",
        needs: &[Kind::CryptoAccess],
        run: crypto::timing_safe_equal,
    },
];

/// The host's side of one instance.
pub struct State {
    pub meter: Meter,
    pub memory: Option<Memory>,
    /// What the guest fetches next.
    answer: Vec<u8>,
    pub exchange: Exchange,
    /// None while a body is being loaded: then nothing of the host is there.
    pub rights: Option<Rights>,
    /// Errors that the guest was told of, by number from 1: the newest few.
    errors: Vec<(u32, SqlError)>,
    last_error: u32,
    log: log::Budget,
    /// The beginning of what the interpreter itself wrote to its standard error.
    pub stderr: Vec<u8>,
    random_stream: u64,
    /// System calls beyond the default ones that were allowed in this sandbox, and are on record.
    syscalls: SyscallSet,
}

/// What one call may reach.
pub struct Rights {
    pub gate: Arc<Gate>,
    pub backend: Arc<dyn Backend>,
    pub outside: Arc<Outside>,
    pub transaction_timestamp: i64,
}

impl Rights {
    pub fn of(context: CallContext, outside: Arc<Outside>) -> Rights {
        Rights {
            gate: context.gate,
            backend: context.backend,
            outside,
            transaction_timestamp: context.transaction_timestamp,
        }
    }
}

/// Errors kept for a guest that lets one pass.
const KEPT_ERRORS: usize = 32;

/// How a host operation can fail.
enum Failure {
    /// The guest gets an exception.
    Refused { error: SqlError, capability: Option<String> },
    /// The guest ends.
    Stop(Stop),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Failure {
        Failure::Stop(stop)
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Failure {
        match error.state() {
            // The statement is over, or we are: nothing that a guest may decide about.
            SqlState::QueryCanceled
            | SqlState::AdminShutdown
            | SqlState::CrashShutdown
            | SqlState::InternalError
            | SqlState::DataCorrupted
            | SqlState::IndexCorrupted => Failure::Stop(Stop::Cancelled(error)),
            _ => Failure::Refused { error, capability: None },
        }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Failure {
        // Whose limit it is finds out whoever answers refusals, and ends the call.
        let is_limit = matches!(denied, Denied::TooManyRows { .. });
        if !denied.is_catchable() && !is_limit {
            return Failure::Stop(uncatchable(denied));
        }
        let capability = denied.capability().map(ToString::to_string);
        Failure::Refused {
            error: denied.into(),
            capability,
        }
    }
}

/// A denial after which nothing goes on.
fn uncatchable(denied: Denied) -> Stop {
    Stop::Cancelled(denied.into())
}

impl From<Malformed> for Failure {
    fn from(_: Malformed) -> Failure {
        Failure::Stop(Stop::Broken("a host call's request is malformed"))
    }
}

impl From<Returned> for Failure {
    fn from(returned: Returned) -> Failure {
        match returned {
            Returned::Malformed => Malformed.into(),
            Returned::Unfit(error) => error.into(),
        }
    }
}

impl State {
    pub fn new(meter: Meter, rights: Option<Rights>, random_stream: u64) -> State {
        State {
            meter,
            memory: None,
            answer: Vec::new(),
            exchange: Exchange::default(),
            rights,
            errors: Vec::new(),
            last_error: 0,
            log: log::Budget::default(),
            stderr: Vec::new(),
            random_stream,
            syscalls: std::iter::empty().collect(),
        }
    }

    /// Asked at each tick of the clock: the limits, and whether the function may still run.
    pub fn tick(&mut self) -> Result<(), Stop> {
        self.meter.check()?;
        self.may_go_on()
    }

    /// Ends the call where its function, or one further up, was disabled or dropped, or has filled its part of the audit log.
    fn may_go_on(&self) -> Result<(), Stop> {
        let mut gate = self.rights.as_ref().map(|rights| &rights.gate);
        let mut budget = Some(&self.meter.budget);
        while let Some(checked) = gate {
            checked.rights().map_err(uncatchable)?;
            if let Some(limit) = checked.overfull() {
                budget.inspect(|budget| budget.spend_rows(limit));
                return Err(Stop::Limit(Limit::AuditRows));
            }
            gate = checked.parent();
            budget = budget.and_then(|budget| budget.parent());
        }
        Ok(())
    }

    /// The next byte of a fixed stream (splitmix64), which a function without RANDOM_ACCESS gets.
    fn next_of_stream(&mut self) -> u8 {
        self.random_stream = self.random_stream.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random_stream ^ (self.random_stream >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed.to_be_bytes()[0]
    }

    /// The error that the guest was told under this number.
    pub fn error(&self, number: u32) -> Option<SqlError> {
        self.errors
            .iter()
            .find(|(known, _)| *known == number)
            .map(|(_, error)| error.clone())
    }

    fn rights(&self) -> Result<&Rights, Failure> {
        self.rights.as_ref().ok_or_else(|| {
            SqlError::new(
                SqlState::ObjectNotInPrerequisiteState,
                "host functions are not available while a function is being created",
            )
            .hint("Move the call into the function.")
            .into()
        })
    }

    fn dispatch(&mut self, op: u32, request: &[u8]) -> Result<(), Stop> {
        let mut answer = std::mem::take(&mut self.answer);
        answer.clear();
        let mut request = Reader::new(request);
        let outcome = match op {
            op::LOG => log::log(self, &mut request),
            op::QUERY => database::query(self, &mut request, &mut answer),
            op::EXECUTE => database::execute(self, &mut request, &mut answer),
            op::CLOCK => clock::clock(self, &mut answer),
            op::RANDOM => random::seed(self, &mut answer),
            op::RESERVE => reserve(self, &mut request),
            op if op >= op::FIRST_HOST_FUNCTION => self.host_function(op - op::FIRST_HOST_FUNCTION, &mut request, &mut answer),
            _ => Err(Failure::Stop(Stop::Broken("a host call that does not exist"))),
        };
        match outcome {
            Ok(()) => {}
            Err(Failure::Stop(stop)) => return Err(stop),
            Err(Failure::Refused { error, capability }) => {
                // A function that may no longer run has nothing to catch: the statement it asked for says that as any other error.
                self.may_go_on()?;
                answer.clear();
                self.put_error(error, capability.as_deref(), &mut answer)
                    .map_err(|_| Stop::Broken("an error is too large"))?;
            }
        }
        self.answer = answer;
        Ok(())
    }

    /// What a call below left behind, and the time that passed, count for more than what the host call answered.
    fn settle<R>(&mut self, outcome: Result<R, Stop>) -> Result<R, Stop> {
        if let Some(error) = self.meter.budget.ended() {
            return Err(Stop::Cancelled(error));
        }
        match (outcome, self.meter.check()) {
            (Err(Stop::Broken(what)), _) => Err(Stop::Broken(what)),
            (_, Err(stop)) => Err(stop),
            (outcome, Ok(())) => outcome,
        }
    }

    fn host_function(&mut self, index: u32, request: &mut Reader<'_>, answer: &mut Vec<u8>) -> Result<(), Failure> {
        let function = TABLE.get(index as usize);
        let function = function.ok_or(Failure::Stop(Stop::Broken("a host function that does not exist")))?;
        // Before anything is read: while a body is loaded nothing of the host is there.
        self.rights()?;
        let arguments = Arguments::read(function, request, &self.exchange)?;
        let answered = (function.run)(self, arguments)?;
        answer.push(0);
        Ok(answered.put(answer, &mut self.exchange)?)
    }

    fn put_error(&mut self, error: SqlError, capability: Option<&str>, answer: &mut Vec<u8>) -> Result<(), SqlError> {
        let number = self.keep_error(error.clone());
        let fields = error.fields();
        answer.push(1);
        put_u32(answer, number);
        // Every denial names what would allow it.
        let denied = capability.is_some() || fields.state == SqlState::InsufficientPrivilege;
        answer.push(u8::from(denied));
        let capability = lacked(&error, capability).unwrap_or_default();
        for text in [
            fields.state.code(),
            &fields.message,
            fields.detail.as_deref().unwrap_or_default(),
            fields.hint.as_deref().unwrap_or_default(),
            capability,
        ] {
            put_text(answer, text)?;
        }
        Ok(())
    }

    /// Keeps an error that the guest is told of, so that it reaches the client as it was if the guest lets it pass; answers its
    /// number.
    fn keep_error(&mut self, error: SqlError) -> u32 {
        self.last_error += 1;
        if self.errors.len() == KEPT_ERRORS {
            self.errors.remove(0);
        }
        self.errors.push((self.last_error, error));
        self.last_error
    }
}

/// The capability that a refusal is about.
fn lacked<'a>(error: &'a SqlError, capability: Option<&'a str>) -> Option<&'a str> {
    capability.or_else(|| error.fields().hint.as_deref().and_then(named_capability))
}

/// `DATABASE_READ('users')` of `... GRANT CAPABILITY DATABASE_READ('users');`.
fn named_capability(hint: &str) -> Option<&str> {
    let (_, rest) = hint.split_once("GRANT CAPABILITY ")?;
    let first = rest.split_once("; ALTER FUNCTION ").map_or(rest, |(first, _)| first);
    Some(first.trim_end_matches(';'))
}

fn reserve(state: &mut State, request: &mut Reader<'_>) -> Result<(), Failure> {
    let bytes = request.u64()?;
    Ok(state.meter.reserve(bytes)?)
}

/// The parameters and the result of a function of import module `heliosdb`; none where there is no such function.
pub fn signature(name: &str) -> Option<(&'static str, bool)> {
    match name {
        "call" => Some(("iii", true)),
        "take" => Some(("i", false)),
        _ => None,
    }
}

/// Whether the operation may end up in other functions, which then use what this one may.
fn may_call(op: u32) -> bool {
    matches!(op, op::QUERY | op::EXECUTE) || op == op::FIRST_HOST_FUNCTION
}

/// Runs one host call. Where it may end up in other functions, those use what its guest may, which goes on with what they left.
fn enter<R>(
    mut context: impl AsContextMut<Data = State>,
    lends: bool,
    run: impl FnOnce(&mut State) -> Result<R, Stop>,
) -> wasmtime::Result<R> {
    let mut context = context.as_context_mut();
    if lends {
        let fuel = context.get_fuel()?;
        context.data_mut().meter.lend(fuel);
    }
    let mut outcome = run(context.data_mut());
    if lends {
        let fuel = context.data_mut().meter.take_back();
        context.set_fuel(fuel)?;
        outcome = context.data_mut().settle(outcome);
    }
    outcome.map_err(|stop| context.data_mut().meter.stop(stop))
}

/// Links the two functions of import module `heliosdb`.
pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "heliosdb",
        "call",
        |mut caller: Caller<'_, State>, op: u32, pointer: u32, length: u32| -> wasmtime::Result<u32> {
            let request = guest_bytes(&mut caller, pointer, length)?;
            enter(caller, may_call(op), |state| {
                state.dispatch(op, &request)?;
                u32::try_from(state.answer.len()).map_err(|_| Stop::Limit(Limit::Memory))
            })
        },
    )?;
    linker.func_wrap(
        "heliosdb",
        "take",
        |mut caller: Caller<'_, State>, pointer: u32| -> wasmtime::Result<()> {
            let answer = std::mem::take(&mut caller.data_mut().answer);
            let memory = guest_memory(&mut caller)?;
            let outcome = memory.write(&mut caller, pointer as usize, &answer);
            let state = caller.data_mut();
            state.answer = answer;
            state.answer.clear();
            outcome.map_err(|_| state.meter.stop(Stop::Broken("an answer outside the memory")))
        },
    )?;
    Ok(())
}

fn guest_memory(caller: &mut Caller<'_, State>) -> wasmtime::Result<Memory> {
    match caller.data().memory {
        Some(memory) => Ok(memory),
        None => Err(caller.data_mut().meter.stop(Stop::Broken("a host call before there is a memory"))),
    }
}

/// A copy of what the guest points at.
fn guest_bytes(caller: &mut Caller<'_, State>, pointer: u32, length: u32) -> wasmtime::Result<Vec<u8>> {
    let memory = guest_memory(caller)?;
    let start = pointer as usize;
    let bytes = memory
        .data(&caller)
        .get(start..start.saturating_add(length as usize))
        .map(<[u8]>::to_vec);
    bytes.ok_or_else(|| caller.data_mut().meter.stop(Stop::Broken("a request outside the memory")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::HOST_FUNCTIONS;

    #[test]
    fn the_table_is_the_list_by_which_guests_number_their_calls() {
        let names: Vec<&str> = TABLE.iter().map(|function| function.name).collect();
        assert_eq!(names, HOST_FUNCTIONS);
    }

    #[test]
    fn the_documentation_lists_each_with_its_arguments_and_capabilities() {
        let page = include_str!("../../../../docs/host-interface.md");
        let (_, listed) = page.split_once("<!-- functions -->").unwrap();
        let rows = listed.lines().filter_map(|line| line.strip_prefix("| `heliosdb."));
        let listed: Vec<String> = rows.map(|row| row.split(" | ").take(2).collect::<Vec<_>>().join(" ")).collect();
        let described = TABLE.iter().map(|function| {
            let needs: Vec<&str> = function.needs.iter().map(|kind| kind.name()).collect();
            let needs = if needs.is_empty() { "-".to_string() } else { needs.join(", ") };
            format!("{}{}` {needs}", function.name, function.usage)
        });
        assert_eq!(described.collect::<Vec<_>>(), listed);
    }

    /// A name says its family, and the family what it takes.
    #[test]
    fn what_a_function_takes_follows_from_its_family() {
        for function in TABLE {
            let needs: &[Kind] = match function.name.split('.').next() {
                Some("call") => &[Kind::CallFunction],
                Some("storage") => &[],
                Some("env") => &[Kind::EnvAccess],
                Some("fs") if matches!(function.name, "fs.writeText" | "fs.appendText" | "fs.remove") => &[Kind::FileWrite],
                Some("fs") => &[Kind::FileRead],
                Some("http") => &[Kind::HttpClient, Kind::NetworkAccess],
                Some("crypto") => &[Kind::CryptoAccess],
                _ => panic!("{} is of no family", function.name),
            };
            assert_eq!(function.needs, needs, "{}", function.name);
        }
    }
}
