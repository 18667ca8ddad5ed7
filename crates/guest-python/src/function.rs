//! The user's function: loading its body, calling it, stepping through the set that it returned.

use rustpython_vm::builtins::{PyBaseExceptionRef, PyBytes, PyDict, PyDictRef, PyFunction, PyStr};
use rustpython_vm::compiler::Mode;
use rustpython_vm::protocol::{PyIter, PyIterReturn};
use rustpython_vm::{AsObject, PyObject, PyObjectRef, VirtualMachine};

use crate::abi::{kind, shape, status, tag};
use crate::buffer::{Malformed, Reader, put_text, put_u32};
use crate::value::{self, Shape, Unfit};
use crate::{exception, host};

/// Flags of a code object.
const CO_GENERATOR: u32 = 0x20;
const CO_COROUTINE: u32 = 0x80;
const CO_ASYNC_GENERATOR: u32 = 0x200;

/// An answer of `next` that is as large as this goes, however few rows it has.
const MAX_BATCH_BYTES: usize = 256 << 10;

pub struct Function {
    function: PyObjectRef,
    globals: PyDictRef,
    shape: Shape,
    kind: u8,
    /// For tracebacks.
    body: String,
    /// What remains of a returned set.
    rows: Option<PyIter>,
}

struct Request<'a> {
    name: &'a str,
    shape: Shape,
    kind: u8,
    body: &'a str,
}

impl<'a> Request<'a> {
    fn read(input: &'a [u8]) -> Result<Request<'a>, Malformed> {
        let mut input = Reader(input);
        Ok(Request {
            name: input.text()?,
            shape: Shape::read(&mut input)?,
            kind: input.u8()?,
            body: input.text()?,
        })
    }
}

/// A request for a small function, for the walk through everything before the first picture.
pub fn warm_up_request() -> Vec<u8> {
    let mut request = Vec::new();
    put_text(&mut request, "f");
    request.extend_from_slice(&[shape::SCALAR, kind::SCALAR]);
    put_text(&mut request, "def f(x):\n    return x + 1\n");
    request
}

/// Runs the body and finds the function in it. None: `out` says why.
pub fn load(vm: &VirtualMachine, input: &[u8], out: &mut Vec<u8>) -> Option<Function> {
    let Ok(request) = Request::read(input) else {
        out.push(status::PANIC);
        put_text(out, "malformed request");
        return None;
    };
    let body = request.body;
    match define(request, vm) {
        Ok(function) => {
            out.push(status::OK);
            Some(function)
        }
        Err(NotLoaded::Syntax { message, line, column }) => {
            out.push(status::SYNTAX);
            put_text(out, &message);
            put_u32(out, line);
            put_u32(out, column);
            None
        }
        Err(NotLoaded::Definition(message, hint)) => {
            out.push(status::DEFINITION);
            put_text(out, &message);
            put_text(out, &hint);
            None
        }
        Err(NotLoaded::Raised(error)) => {
            exception::write(&error, body, out, vm);
            None
        }
    }
}

enum NotLoaded {
    Syntax { message: String, line: u32, column: u32 },
    Definition(String, String),
    Raised(PyBaseExceptionRef),
}

impl From<PyBaseExceptionRef> for NotLoaded {
    fn from(error: PyBaseExceptionRef) -> NotLoaded {
        NotLoaded::Raised(error)
    }
}

fn define(request: Request<'_>, vm: &VirtualMachine) -> Result<Function, NotLoaded> {
    let body = Dedented::new(request.body);
    let code = match vm.compile(&body.text, Mode::Exec, exception::BODY_PATH) {
        Ok(code) => code,
        Err(error) => return Err(syntax_error(error.into_pyexception(vm, Some(&body.text)), &body, vm)),
    };
    let scope = vm.new_scope_with_main()?;
    let globals = scope.globals.clone();
    vm.run_code_obj(code, scope)?;
    let function = find(&request, &globals, vm)?;
    Ok(Function {
        function,
        globals,
        shape: request.shape,
        kind: request.kind,
        body: request.body.to_string(),
        rows: None,
    })
}

/// A body without the margin that it has in the statement around it, which Python would take for an
/// unexpected indentation: that of all its lines, or of the first, which stands right after the quotes.
struct Dedented {
    text: String,
    /// Columns that were taken from the first line, and from the others.
    first: u32,
    others: u32,
}

impl Dedented {
    fn new(body: &str) -> Dedented {
        let margin_of = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
        let mut margin: Option<&str> = None;
        for line in body.lines().filter(|line| !line.trim().is_empty()) {
            let own = &line[..margin_of(line)];
            let shared = margin.map_or(own, |margin| {
                let same = margin.bytes().zip(own.bytes()).take_while(|(left, right)| left == right).count();
                &own[..same]
            });
            margin = Some(shared);
        }
        let others = margin.unwrap_or_default().len();
        let first = if others == 0 {
            body.lines().next().map_or(0, margin_of)
        } else {
            others
        };
        let mut text = String::with_capacity(body.len());
        for (index, line) in body.split_inclusive('\n').enumerate() {
            let taken = if index == 0 { first } else { others };
            text.push_str(&line[taken.min(margin_of(line))..]);
        }
        Dedented {
            text,
            first: first as u32,
            others: others as u32,
        }
    }

    /// Columns that were taken from a line, counted from 1.
    fn taken(&self, line: u32) -> u32 {
        if line == 1 { self.first } else { self.others }
    }
}

fn syntax_error(error: PyBaseExceptionRef, body: &Dedented, vm: &VirtualMachine) -> NotLoaded {
    if !error.fast_isinstance(vm.ctx.exceptions.syntax_error) {
        return NotLoaded::Raised(error);
    }
    let field = |name: &'static str| error.as_object().get_attr(name, vm).ok().filter(|value| !vm.is_none(value));
    let number = |name| field(name).and_then(|value| value.try_into_value::<u32>(vm).ok());
    let message = field("msg").and_then(|message| value::printed(&message, vm).ok());
    let line = number("lineno").unwrap_or(1).max(1);
    NotLoaded::Syntax {
        message: message.unwrap_or_else(|| "invalid syntax".into()),
        line,
        column: number("offset").unwrap_or(1).max(1) + body.taken(line),
    }
}

/// The function of that name. SQL folds names to lower case, so a name that differs in case only is
/// taken when there is no other.
fn find(request: &Request<'_>, globals: &PyDictRef, vm: &VirtualMachine) -> Result<PyObjectRef, NotLoaded> {
    let name = request.name;
    let definition = |message: String, hint: &str| Err(NotLoaded::Definition(message, hint.to_string()));
    let mut defined: Vec<(String, PyObjectRef)> = Vec::new();
    for (key, value) in globals.items_vec() {
        if let Some(key) = key.downcast_ref::<PyStr>().and_then(|key| key.to_str())
            && !key.starts_with("__")
        {
            defined.push((key.to_string(), value));
        }
    }
    let mut spelled: Vec<&PyObjectRef> = defined.iter().filter(|(key, _)| key == name).map(|(_, value)| value).collect();
    if spelled.is_empty() {
        let folded = name.to_lowercase();
        spelled = defined
            .iter()
            .filter(|(key, _)| key.to_lowercase() == folded)
            .map(|(_, value)| value)
            .collect();
    }
    let function = match spelled.as_slice() {
        [one] => (*one).clone(),
        [] => {
            let functions = defined.iter().filter(|(_, value)| value.downcastable::<PyFunction>());
            let names: Vec<&str> = functions.map(|(key, _)| key.as_str()).collect();
            let hint = match names.as_slice() {
                [] => format!("Write it as: def {name}(...): ..."),
                names => format!("The body defines: {}.", names.join(", ")),
            };
            return definition(format!("the body does not define a function named \"{name}\""), &hint);
        }
        _ => {
            let message = format!("the body defines more than one function whose name is \"{name}\" but for upper and lower case");
            return definition(message, "");
        }
    };
    if !function.is_callable() {
        return definition(format!("\"{name}\" in the body is not a function"), "");
    }
    let flags = function.get_attr("__code__", vm).and_then(|code| code.get_attr("co_flags", vm));
    let flags: u32 = flags.and_then(|flags| flags.try_into_value(vm)).unwrap_or(0);
    if flags & (CO_COROUTINE | CO_ASYNC_GENERATOR) != 0 {
        return definition(
            format!("\"{name}\" is asynchronous, and asynchronous functions are not supported"),
            "Host calls return their results directly; no await is needed.",
        );
    }
    if flags & CO_GENERATOR != 0 && request.kind != kind::SET {
        return definition(
            format!("\"{name}\" is a generator, but the function is not declared to return a set"),
            "Declare it RETURNS SETOF or RETURNS TABLE.",
        );
    }
    Ok(function)
}

impl Function {
    /// Calls the function once for each row of the request.
    pub fn call(&mut self, vm: &VirtualMachine, input: &[u8], out: &mut Vec<u8>) {
        host::begin_call();
        let mut input = Reader(input);
        out.push(status::OK);
        let outcome = if self.kind == kind::TRIGGER {
            self.call_trigger(vm, &mut input, out)
        } else {
            self.call_rows(vm, &mut input, out)
        };
        self.finish(outcome, out, vm);
    }

    fn call_rows(&mut self, vm: &VirtualMachine, input: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Unfit> {
        // The stack limit is the machine's: there is nothing to set here.
        input.u32()?;
        let rows = input.u32()?;
        let arity = input.u32()?;
        for _ in 0..rows {
            let mut args = Vec::with_capacity(arity as usize);
            for _ in 0..arity {
                args.push(value::read(input, vm)?);
            }
            let result = self.function.call(args, vm)?;
            if self.kind == kind::SET {
                self.rows = start_rows(&result, vm)?;
            } else {
                value::write(&result, &self.shape, out, vm)?;
            }
        }
        Ok(())
    }

    /// Runs the function for each row with NEW, OLD and TG_... as globals.
    fn call_trigger(&mut self, vm: &VirtualMachine, input: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Unfit> {
        input.u32()?;
        let rows = input.u32()?;
        let row_shape = Shape::read(input)?;
        let mut before = false;
        for name in ["TG_OP", "TG_WHEN", "TG_LEVEL", "TG_NAME", "TG_TABLE_SCHEMA", "TG_TABLE_NAME"] {
            let text = input.text()?;
            before |= name == "TG_WHEN" && text == "BEFORE";
            self.globals.set_item(name, vm.ctx.new_str(text).into(), vm)?;
        }
        let mut args: Vec<PyObjectRef> = Vec::new();
        for _ in 0..input.u32()? {
            args.push(vm.ctx.new_str(input.text()?).into());
        }
        self.globals.set_item("TG_NARGS", vm.ctx.new_int(args.len()).into(), vm)?;
        self.globals.set_item("TG_ARGV", vm.ctx.new_list(args).into(), vm)?;
        for _ in 0..rows {
            let new = value::read(input, vm)?;
            let old = value::read(input, vm)?;
            self.globals.set_item("NEW", new.clone(), vm)?;
            self.globals.set_item("OLD", old, vm)?;
            let result = self.function.call((), vm)?;
            // The program may have put another dict in its place.
            let now = self.globals.get_item_opt("NEW", vm)?.unwrap_or_else(|| new.clone());
            write_trigger_result(&result, &new, &now, &row_shape, before, out, vm)?;
        }
        Ok(())
    }

    /// Further rows of the set that the last call returned.
    pub fn next(&mut self, vm: &VirtualMachine, input: &[u8], out: &mut Vec<u8>) {
        let max = Reader(input).u32().unwrap_or(0);
        out.push(status::OK);
        put_u32(out, 0);
        let outcome = self.next_rows(vm, max, out);
        self.finish(outcome, out, vm);
    }

    fn next_rows(&mut self, vm: &VirtualMachine, max: u32, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let mut count: u32 = 0;
        while count < max && out.len() < MAX_BATCH_BYTES {
            let Some(rows) = &self.rows else { break };
            match rows.next(vm)? {
                PyIterReturn::Return(row) => value::write(&row, &self.shape, out, vm)?,
                PyIterReturn::StopIteration(_) => {
                    self.rows = None;
                    break;
                }
            }
            count += 1;
        }
        out[1..5].copy_from_slice(&count.to_le_bytes());
        Ok(())
    }

    fn finish(&self, outcome: Result<(), Unfit>, out: &mut Vec<u8>, vm: &VirtualMachine) {
        match outcome {
            Ok(()) => {}
            Err(Unfit::Raised(error)) => exception::write(&error, &self.body, out, vm),
            Err(Unfit::Value(message, hint)) => {
                out.clear();
                out.push(status::CONVERSION);
                put_text(out, &message);
                put_text(out, hint);
            }
        }
    }
}

fn start_rows(result: &PyObject, vm: &VirtualMachine) -> Result<Option<PyIter>, Unfit> {
    if vm.is_none(result) {
        return Ok(None);
    }
    // These can be walked through, but nobody means their characters or keys as rows.
    let single = result.downcastable::<PyStr>() || result.downcastable::<PyBytes>() || result.downcastable::<PyDict>();
    if !single && (result.has_attr("__iter__", vm)? || result.has_attr("__getitem__", vm)?) {
        return Ok(Some(result.get_iter(vm)?));
    }
    Err(Unfit::Value(
        "a set-returning function must return a list, a generator or another iterable".into(),
        "",
    ))
}

/// None: go on with NEW as it stands now; a dict: that row; 'SKIP': not this row.
fn write_trigger_result(
    result: &PyObject,
    new: &PyObjectRef,
    now: &PyObjectRef,
    row: &Shape,
    before: bool,
    out: &mut Vec<u8>,
    vm: &VirtualMachine,
) -> Result<(), Unfit> {
    if let Some(text) = result.downcast_ref::<PyStr>() {
        if text.to_str() == Some("SKIP") {
            out.push(1);
            return Ok(());
        }
        return Err(unknown_trigger_result(format!(
            "the string '{}'",
            exception::cut(&text.to_string_lossy(), 60)
        )));
    }
    let chosen = if vm.is_none(result) { now } else { &result.to_owned() };
    let dict = chosen.downcast_ref::<PyDict>();
    if !vm.is_none(chosen) && dict.is_none() {
        return Err(unknown_trigger_result(format!("an object of type {}", chosen.class().name())));
    }
    out.push(0);
    if vm.is_none(new) {
        // A deletion goes on with nothing.
        out.push(tag::NULL);
        return Ok(());
    }
    let Some(dict) = dict else {
        return Err(unknown_trigger_result("a NEW that it had set to None".into()));
    };
    // After the event nothing becomes of the row.
    if let (Shape::Record(columns), true) = (row, before) {
        check_columns(dict, columns, vm)?;
    }
    value::write(chosen, row, out, vm)
}

/// What has no column would be lost.
fn check_columns(dict: &PyDict, columns: &[(String, Shape)], vm: &VirtualMachine) -> Result<(), Unfit> {
    for (key, _) in dict.items_vec() {
        let name = key.downcast_ref::<PyStr>().and_then(|key| key.to_str());
        if !columns.iter().any(|(column, _)| Some(column.as_str()) == name) {
            let name = exception::cut(&value::printed(&key, vm)?, 60).to_string();
            let message = format!("key \"{name}\" found in NEW does not exist as a column in the triggering row");
            return Err(Unfit::Value(message, ""));
        }
    }
    Ok(())
}

fn unknown_trigger_result(what: String) -> Unfit {
    Unfit::Value(
        format!("a trigger function returned {what}"),
        "Return None or NEW to go on with NEW, a dict to go on with that row, or 'SKIP' to skip the row.",
    )
}
