//! A compiled module, checked and linked to the host.

use wasmtime::{ExternType, InstancePre, Module, ModuleExport};

use super::machine::Machine;
use super::raw::RawExport;
use super::signature::{letters, spell};
use crate::error::Error;
use crate::host::world::printable;
use crate::host::{self, State};

/// A module's code, linked to the host.
pub struct Compiled {
    pub pre: InstancePre<State>,
    /// The function itself.
    pub function: RawExport,
    pub memory: Option<ModuleExport>,
    pub allocate: Option<RawExport>,
    /// Gives further rows of a set.
    pub next: Option<RawExport>,
    /// A reactor's own start, which is called once in a fresh instance.
    pub initialize: Option<RawExport>,
    pub bytes: usize,
}

impl Compiled {
    pub fn new(machine: &Machine, module: &[u8], name: &str) -> Result<Compiled, Error> {
        let module = Module::from_binary(machine.engine(), module).map_err(|error| invalid("module", &error))?;
        check_imports(&module)?;
        if !matches!(module.get_export(name), Some(ExternType::Func(_))) {
            return Err(missing(&module, name));
        }
        let function = RawExport::of(&module, name).ok_or_else(|| Error::Definition {
            message: format!("the module's function \"{name}\" takes or gives what is no number"),
            detail: None,
            hint: Some("i32, i64, f32 and f64 are the types that can cross.".into()),
        })?;
        let pre = machine
            .linker()
            .instantiate_pre(&module)
            .map_err(|error| invalid("module", &error))?;
        let memory = matches!(module.get_export("memory"), Some(ExternType::Memory(_)))
            .then(|| module.get_export_index("memory"))
            .flatten();
        let next = match module.get_export("next") {
            Some(ExternType::Func(ty)) if letters(ty.params()) == "i" && letters(ty.results()) == "I" => RawExport::of(&module, "next"),
            _ => None,
        };
        let initialize = match module.get_export("_initialize") {
            Some(ExternType::Func(ty)) if ty.params().len() == 0 && ty.results().len() == 0 => RawExport::of(&module, "_initialize"),
            _ => None,
        };
        Ok(Compiled {
            function,
            memory,
            allocate: RawExport::of(&module, "alloc"),
            next,
            initialize,
            bytes: module.image_range().end.addr().saturating_sub(module.image_range().start.addr()),
            pre,
        })
    }

    pub fn module(&self) -> &Module {
        self.pre.module()
    }
}

pub fn invalid(kind: &str, error: &wasmtime::Error) -> Error {
    // The outermost says only that something failed.
    let reasons: Vec<String> = error.chain().map(ToString::to_string).collect();
    Error::Definition {
        message: format!("the body is not a valid WebAssembly {kind}"),
        detail: Some(format!("{}.", reasons.join(": "))),
        hint: None,
    }
}

fn check_imports(module: &Module) -> Result<(), Error> {
    for import in module.imports() {
        let name = format!("\"{}\".\"{}\"", printable(import.module()), printable(import.name()));
        let refused = |message: String| Error::Definition {
            message,
            detail: None,
            hint: Some(format!(
                "A module may import functions: \"heliosdb\".\"call\", \"heliosdb\".\"take\", and those of \"{}\".",
                host::wasi::MODULE
            )),
        };
        let ExternType::Func(ty) = import.ty() else {
            return Err(refused(format!("the module imports {name}, which is no function")));
        };
        let expected = match import.module() {
            "heliosdb" => host::signature(import.name()),
            host::wasi::MODULE => host::wasi::signature(import.name()),
            _ => None,
        };
        let Some((parameters, result)) = expected else {
            return Err(refused(format!("the module imports {name}, which does not exist")));
        };
        let spelled = letters(ty.params());
        let results = letters(ty.results());
        if spelled != parameters || results != if result { "i" } else { "" } {
            let expected = spell(parameters, if result { "i" } else { "" });
            return Err(refused(format!(
                "the module imports {name} as {}, but it is {expected}",
                spell(&spelled, &results)
            )));
        }
    }
    Ok(())
}

/// Exports that a hint lists.
const MAX_LISTED: usize = 20;

fn missing(module: &Module, name: &str) -> Error {
    let exports: Vec<String> = module
        .exports()
        .filter(|export| matches!(export.ty(), ExternType::Func(_)))
        .take(MAX_LISTED)
        .map(|export| format!("\"{}\"", printable(export.name())))
        .collect();
    Error::Definition {
        message: match module.get_export(name) {
            Some(_) => format!("the module's export \"{name}\" is not a function"),
            None => format!("the module does not export a function named \"{name}\""),
        },
        detail: None,
        hint: Some(if exports.is_empty() {
            "It exports no functions.".into()
        } else {
            format!("It exports {}.", exports.join(", "))
        }),
    }
}
