//! What a program can ask of the host: the functions behind the object `heliosdb`, `print`, randomness,
//! and the system calls that `open` and `os` end in.

use std::cell::RefCell;

use rustpython_vm::builtins::{PyBaseExceptionRef, PyDict, PyList, PyStr, PyTuple};
use rustpython_vm::function::FuncArgs;
use rustpython_vm::{AsObject, PyObjectRef, PyResult, VirtualMachine};

use crate::abi::{HOST_FUNCTIONS, level, op};
use crate::buffer::{Reader, put_text, put_u32};
use crate::exception::cut;
use crate::random;
use crate::types::types;
use crate::value::{self, Shape, Unfit, malformed};

#[link(wasm_import_module = "heliosdb")]
unsafe extern "C" {
    #[link_name = "call"]
    fn host_call(op: u32, pointer: *const u8, length: u32) -> u32;
    #[link_name = "take"]
    fn host_take(pointer: *mut u8);
}

// The system calls that Python would make for a path. The host refuses them; nothing is done with one
// that it does not.
#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    #[link_name = "path_open"]
    fn wasi_path_open(
        folder: u32,
        lookup: u32,
        path: *const u8,
        length: u32,
        open_flags: u32,
        rights: u64,
        inherited: u64,
        flags: u32,
        opened: *mut u32,
    ) -> u32;
    #[link_name = "path_filestat_get"]
    fn wasi_path_filestat_get(folder: u32, lookup: u32, path: *const u8, length: u32, stat: *mut [u64; 8]) -> u32;
    #[link_name = "path_unlink_file"]
    fn wasi_path_unlink_file(folder: u32, path: *const u8, length: u32) -> u32;
    #[link_name = "path_create_directory"]
    fn wasi_path_create_directory(folder: u32, path: *const u8, length: u32) -> u32;
    #[link_name = "path_rename"]
    fn wasi_path_rename(folder: u32, path: *const u8, length: u32, new_folder: u32, new_path: *const u8, new_length: u32) -> u32;
}

/// The first descriptor that could be a folder: where WASI programs look for theirs.
const FIRST_FOLDER: u32 = 3;
/// Errno of "permission denied", as WASI numbers it.
const EACCES: i32 = 2;

/// Errors of the host that a program may still be holding: enough for one to be raised on, uncaught.
const KEPT_ERRORS: usize = 16;

/// An exception that came from the host, its number there, and what it said.
struct Raised {
    error: PyBaseExceptionRef,
    number: u32,
    message: String,
}

thread_local! {
    static RAISED: RefCell<Vec<Raised>> = const { RefCell::new(Vec::new()) };
}

fn ask(op: u32, request: &[u8]) -> Vec<u8> {
    // SAFETY: the host reads `request` and writes exactly the length that it answered.
    unsafe {
        let length = host_call(op, request.as_ptr(), request.len() as u32) as usize;
        let mut answer = vec![0; length];
        if length > 0 {
            host_take(answer.as_mut_ptr());
        }
        answer
    }
}

pub fn begin_call() {
    RAISED.with_borrow_mut(Vec::clear);
}

/// A MemoryError is the sign of a limit, and no program may go on from one: the host is told of a need
/// that no limit allows, and ends the call.
pub fn end_by_memory() {
    ask(op::RESERVE, &u64::MAX.to_le_bytes());
}

/// The same for the stack: uses all of it up.
#[inline(never)]
fn end_by_stack(depth: u64) -> u64 {
    if std::hint::black_box(depth) == u64::MAX {
        return depth;
    }
    std::hint::black_box(end_by_stack(depth + 1)) + 1
}

/// Asks, and turns a refusal into an exception.
fn ask_checked(op: u32, request: &[u8], vm: &VirtualMachine) -> PyResult<Vec<u8>> {
    let mut answer = ask(op, request);
    match answer.first() {
        Some(0) => {
            answer.remove(0);
            Ok(answer)
        }
        Some(_) => Err(host_error(&answer[1..], vm)),
        None => Ok(answer),
    }
}

fn host_error(answer: &[u8], vm: &VirtualMachine) -> PyBaseExceptionRef {
    build_error(answer, vm).unwrap_or_else(|unfit| raised(unfit, vm))
}

fn build_error(answer: &[u8], vm: &VirtualMachine) -> Result<PyBaseExceptionRef, Unfit> {
    let mut reader = Reader(answer);
    let number = reader.u32()?;
    let denial = reader.u8()? != 0;
    let (sqlstate, message) = (reader.text()?, reader.text()?);
    let (detail, hint, capability) = (reader.text()?, reader.text()?, reader.text()?);
    let class = if denial {
        &types().capability_error
    } else {
        &types().database_error
    };
    let error = vm.new_exception(class.clone(), vec![vm.ctx.new_str(message).into()]);
    for (name, field) in [
        ("sqlstate", sqlstate),
        ("detail", detail),
        ("hint", hint),
        ("capability", capability),
    ] {
        if !field.is_empty() {
            error.as_object().set_attr(name, vm.ctx.new_str(field), vm)?;
        }
    }
    RAISED.with_borrow_mut(|kept| {
        if kept.len() == KEPT_ERRORS {
            kept.remove(0);
        }
        kept.push(Raised {
            error: error.clone(),
            number,
            message: message.to_string(),
        });
    });
    Ok(error)
}

/// The host's own error behind `error`, if the program did not change it on the way; 0: none.
pub fn original_of(error: &PyBaseExceptionRef) -> u32 {
    RAISED.with_borrow(|kept| {
        let Some(raised) = kept.iter().find(|raised| raised.error.is(error)) else {
            return 0;
        };
        let args = error.args();
        let unchanged = match args.as_slice() {
            [message] => message.downcast_ref::<PyStr>().and_then(|message| message.to_str()) == Some(raised.message.as_str()),
            _ => false,
        };
        if unchanged { raised.number } else { 0 }
    })
}

/// What a value that cannot leave the guest is to the program that wanted to send it.
fn raised(unfit: Unfit, vm: &VirtualMachine) -> PyBaseExceptionRef {
    match unfit {
        Unfit::Raised(error) => error,
        Unfit::Value(message, _) => vm.new_type_error(message),
    }
}

/// A positional argument, or the keyword of that name; None counts as absent.
fn argument(args: &FuncArgs, index: usize, name: &str, vm: &VirtualMachine) -> Option<PyObjectRef> {
    let found = args.args.get(index).cloned().or_else(|| args.kwargs.get(name).cloned());
    found.filter(|found| !vm.is_none(found))
}

/// Statement and parameters, as `QUERY` and `EXECUTE` want them.
fn statement(args: &FuncArgs, vm: &VirtualMachine) -> PyResult<Vec<u8>> {
    let sql = argument(args, 0, "sql", vm);
    let Some(sql) = sql.as_ref().and_then(|sql| sql.downcast_ref::<PyStr>()) else {
        return Err(vm.new_type_error("the statement must be a string"));
    };
    let sql = sql
        .to_str()
        .ok_or_else(|| vm.new_type_error("the statement is not well-formed text"))?;
    let mut request = Vec::new();
    put_text(&mut request, sql);
    let Some(params) = argument(args, 1, "params", vm) else {
        put_u32(&mut request, 0);
        return Ok(request);
    };
    let params = match (params.downcast_ref::<PyList>(), params.downcast_ref::<PyTuple>()) {
        (Some(list), _) => list.borrow_vec().to_vec(),
        (None, Some(tuple)) => tuple.as_slice().to_vec(),
        (None, None) => return Err(vm.new_type_error("the parameters must be a list or a tuple")),
    };
    put_u32(&mut request, params.len() as u32);
    let array = Shape::Array(Box::new(Shape::Scalar));
    for param in params {
        let is_array = param.downcastable::<PyList>() || param.downcastable::<PyTuple>();
        let shape = if is_array { &array } else { &Shape::Scalar };
        value::write(&param, shape, &mut request, vm).map_err(|unfit| raised(unfit, vm))?;
    }
    Ok(request)
}

/// Reads columns and rows; puts `rows`, `columns` and `rowCount` into `result`.
fn read_rows(reader: &mut Reader<'_>, result: &PyDict, vm: &VirtualMachine) -> Result<(), Unfit> {
    let width = reader.u32()?;
    let mut names = Vec::new();
    for _ in 0..width {
        names.push(vm.ctx.new_str(reader.text()?));
    }
    let count = reader.u32()?;
    let mut rows = Vec::new();
    for _ in 0..count {
        let row = vm.ctx.new_dict();
        for name in &names {
            let field = value::read(reader, vm)?;
            row.set_item(&**name, field, vm)?;
        }
        rows.push(row.into());
    }
    let columns = names.into_iter().map(PyObjectRef::from).collect();
    put(result, "rows", vm.ctx.new_list(rows).into(), vm)?;
    put(result, "columns", vm.ctx.new_list(columns).into(), vm)?;
    put(result, "rowCount", vm.ctx.new_int(count).into(), vm)
}

fn put(result: &PyDict, name: &'static str, value: PyObjectRef, vm: &VirtualMachine) -> Result<(), Unfit> {
    Ok(result.inner_setitem(name, value, vm)?)
}

fn query(args: FuncArgs, vm: &VirtualMachine) -> PyResult {
    let request = statement(&args, vm)?;
    let answer = ask_checked(op::QUERY, &request, vm)?;
    let result = vm.ctx.new_dict();
    read_rows(&mut Reader(&answer), &result, vm).map_err(|unfit| raised(unfit, vm))?;
    as_result(result.into(), vm)
}

/// Of a dict, one whose keys are attributes too.
fn as_result(answer: PyObjectRef, vm: &VirtualMachine) -> PyResult {
    if answer.downcastable::<PyDict>() {
        types().result.as_object().call((answer,), vm)
    } else {
        Ok(answer)
    }
}

fn execute(args: FuncArgs, vm: &VirtualMachine) -> PyResult {
    let request = statement(&args, vm)?;
    let answer = ask_checked(op::EXECUTE, &request, vm)?;
    let result = vm.ctx.new_dict();
    let read = || -> Result<(), Unfit> {
        let mut reader = Reader(&answer);
        let affected = reader.i64()?;
        put(&result, "rowsAffected", vm.ctx.new_int(affected).into(), vm)?;
        if reader.u8()? != 0 {
            read_rows(&mut reader, &result, vm)?;
        }
        Ok(())
    };
    read().map_err(|unfit| raised(unfit, vm))?;
    as_result(result.into(), vm)
}

/// What the arguments of the host functions are called; what a function is not listed with goes to it
/// as one dict of options after the others.
const PARAMETERS: &[(&str, &[&str])] = &[
    ("call", &["name"]),
    ("storage.get", &["key"]),
    ("storage.set", &["key", "value"]),
    ("storage.delete", &["key"]),
    ("storage.keys", &["prefix"]),
    ("storage.increment", &["key", "by"]),
    ("env.get", &["name"]),
    ("fs.readText", &["path"]),
    ("fs.readBytes", &["path"]),
    ("fs.writeText", &["path", "text"]),
    ("fs.appendText", &["path", "text"]),
    ("fs.list", &["folder"]),
    ("fs.remove", &["path"]),
    ("http.fetch", &["url"]),
    ("http.get", &["url"]),
    ("http.post", &["url", "body"]),
    ("crypto.sha256", &["data"]),
    ("crypto.sha512", &["data"]),
    ("crypto.hmac", &["algorithm", "key", "data"]),
    ("crypto.randomBytes", &["count"]),
    ("crypto.uuid", &[]),
    ("crypto.timingSafeEqual", &["one", "other"]),
];

/// Operation `FIRST_HOST_FUNCTION + index`: packs the arguments, unpacks the answer.
fn generic(index: usize, mut args: FuncArgs, vm: &VirtualMachine) -> PyResult {
    let name = HOST_FUNCTIONS[index];
    let parameters = PARAMETERS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(&[][..], |(_, parameters)| *parameters);
    let mut values = std::mem::take(&mut args.args);
    for parameter in parameters.iter().skip(values.len()) {
        match args.take_keyword(parameter) {
            Some(value) => values.push(value),
            None => break,
        }
    }
    let options = vm.ctx.new_dict();
    for (name, value) in args.remaining_keywords() {
        options.set_item(&*vm.ctx.new_str(name), value, vm)?;
    }
    if !options.is_empty() {
        values.push(options.into());
    }
    let mut request = Vec::new();
    put_u32(&mut request, values.len() as u32);
    for value in &values {
        value::write(value, &Shape::Scalar, &mut request, vm).map_err(|unfit| raised(unfit, vm))?;
    }
    let answer = ask_checked(op::FIRST_HOST_FUNCTION + index as u32, &request, vm)?;
    let answer = value::read(&mut Reader(&answer), vm).map_err(|unfit| raised(unfit, vm))?;
    as_result(answer, vm)
}

/// A message is for people; longer ones are cut here, before they are copied.
const MAX_LOG_BYTES: usize = 65_536;

/// level, then what to say: with a space between, as `print` has it.
fn log(args: FuncArgs, vm: &VirtualMachine) -> PyResult<()> {
    let Some((level, values)) = args.args.split_first() else {
        return Ok(());
    };
    let level: u8 = level.clone().try_into_value(vm)?;
    let mut text = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        let printed = value.str(vm)?;
        text.push_str(cut(&printed.to_string_lossy(), MAX_LOG_BYTES));
        if text.len() > MAX_LOG_BYTES {
            break;
        }
    }
    let mut request = vec![level.min(level::ERROR)];
    put_text(&mut request, cut(&text, MAX_LOG_BYTES));
    ask(op::LOG, &request);
    Ok(())
}

/// `os.urandom`.
fn urandom(count: i64, vm: &VirtualMachine) -> PyResult {
    let count = usize::try_from(count).map_err(|_| vm.new_value_error("negative argument not allowed"))?;
    let bytes = random::bytes(count, || {
        let answer = ask_checked(op::RANDOM, &[], vm)?;
        answer.try_into().map_err(|_| malformed(vm))
    })?;
    Ok(vm.ctx.new_bytes(bytes).into())
}

/// system call, path: makes the call, and raises what Python raises when it is refused.
fn refuse_path(call: PyObjectRef, path: PyObjectRef, vm: &VirtualMachine) -> PyResult<()> {
    let name = value::printed(&path, vm)?;
    let (text, length) = (name.as_ptr(), name.len() as u32);
    let mut opened = 0;
    let mut stat = [0; 8];
    // SAFETY: each call reads `length` bytes of `name` and writes at most what it is given room for.
    unsafe {
        match value::printed(&call, vm)?.as_str() {
            "path_filestat_get" => wasi_path_filestat_get(FIRST_FOLDER, 0, text, length, &raw mut stat),
            "path_unlink_file" => wasi_path_unlink_file(FIRST_FOLDER, text, length),
            "path_create_directory" => wasi_path_create_directory(FIRST_FOLDER, text, length),
            "path_rename" => wasi_path_rename(FIRST_FOLDER, text, length, FIRST_FOLDER, text, length),
            _ => wasi_path_open(FIRST_FOLDER, 0, text, length, 0, 0, 0, 0, &raw mut opened),
        };
    }
    let message = vm
        .ctx
        .new_str("Permission denied (heliosdb.fs reaches the files that a function was granted)");
    let args = vec![vm.ctx.new_int(EACCES).into(), message.into(), path];
    let error = vm.ctx.exceptions.os_error.as_object().call(args, vm)?;
    Err(error.downcast().map_err(|_| malformed(vm))?)
}

/// Runs before any handler of the program does: see `end_by_memory`.
fn handled(args: FuncArgs, vm: &VirtualMachine) {
    let Some(error) = args.args.get(2) else { return };
    if error.fast_isinstance(vm.ctx.exceptions.memory_error) {
        end_by_memory();
    }
    if error.fast_isinstance(vm.ctx.exceptions.recursion_error) {
        end_by_stack(0);
    }
}

/// Makes the module `_host`, and lets `lib/_parhelion.py` build on it.
pub fn install(vm: &VirtualMachine) -> PyResult<()> {
    let functions = vm.ctx.new_dict();
    for (index, name) in HOST_FUNCTIONS.iter().enumerate() {
        let short = name.rsplit('.').next().unwrap_or(name);
        let function = vm.new_function(short, move |args: FuncArgs, vm: &VirtualMachine| generic(index, args, vm));
        functions.set_item(*name, function.into(), vm)?;
    }
    let module = vm.ctx.new_dict();
    let members: [(&str, PyObjectRef); 7] = [
        ("functions", functions.into()),
        ("query", vm.new_function("query", query).into()),
        ("execute", vm.new_function("execute", execute).into()),
        ("log", vm.new_function("log", log).into()),
        ("urandom", vm.new_function("urandom", urandom).into()),
        ("refuse_path", vm.new_function("refuse_path", refuse_path).into()),
        ("handled", vm.new_function("handled", handled).into()),
    ];
    for (name, member) in members {
        module.set_item(name, member, vm)?;
    }
    let module: PyObjectRef = vm.new_module("_host", module, None).into();
    let modules = vm.sys_module.get_attr("modules", vm)?;
    modules.set_item("_host", module, vm)?;
    vm.import("_parhelion", 0)?;
    modules.del_item("_host", vm)?;
    modules.del_item("_parhelion", vm)
}
