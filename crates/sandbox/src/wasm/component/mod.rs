//! Functions that are WebAssembly components.
//!
//! The life of a component: it is measured and compiled as a module is; what it imports is held against the host's interfaces (`host::world`),
//! and the function that it exports against what was declared in SQL (`signature`), which gives the plan by which each value
//! crosses (`plan`). The life of a row: arguments are lowered into the component's memory and the result is lifted out of it, by
//! wasmtime, which looks after `realloc` and `post-return`; a NULL that the component has no place for is answered without a call.
//!
//! What is lifted is bounded: places outside the memory, texts that are none and lists that say they are larger than they are end the
//! component, and so does more than the host would hold at once.

mod called;
mod plan;
mod signature;
mod trigger;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

pub use called::Called;
pub use signature::{Signature, choose};

use super::compiled::invalid;
use super::machine::Machine;
use crate::error::Error;
use crate::host::State;
use crate::host::world::{self, printable};

/// A component's code, linked to the host.
pub struct Compiled {
    pub pre: InstancePre<State>,
    pub function: ComponentExportIndex,
    pub bytes: usize,
}

impl Compiled {
    pub fn new(machine: &Machine, component: &[u8], name: &str) -> Result<Compiled, Error> {
        let component = Component::from_binary(machine.engine(), component).map_err(|error| invalid("component", &error))?;
        world::check_imports(&component).map_err(|(message, hint)| Error::Definition {
            message,
            detail: None,
            hint: Some(hint),
        })?;
        let label = label(name);
        let exported = component
            .component_type()
            .get_export(machine.engine(), &label)
            .map(|export| export.ty);
        let function = match (&exported, component.get_export_index(None, label.as_str())) {
            (Some(ComponentItem::ComponentFunc(_)), Some(function)) => function,
            _ => return Err(missing(&component, &label, exported.is_some())),
        };
        let code = component.image_range();
        let bytes = code.end.addr().saturating_sub(code.start.addr());
        let linker = machine.component_linker();
        let pre = linker.instantiate_pre(&component).map_err(|error| invalid("component", &error))?;
        Ok(Compiled { pre, function, bytes })
    }
}

/// A SQL name as names of interfaces are written.
pub fn label(name: &str) -> String {
    name.replace('_', "-")
}

/// Exports that a hint lists.
const MAX_LISTED: usize = 20;

fn missing(component: &Component, label: &str, exported: bool) -> Error {
    let engine = component.engine();
    let ty = component.component_type();
    let functions = ty
        .exports(engine)
        .filter(|(_, export)| matches!(export.ty, ComponentItem::ComponentFunc(_)));
    let names: Vec<String> = functions
        .take(MAX_LISTED)
        .map(|(name, _)| format!("\"{}\"", printable(name)))
        .collect();
    Error::Definition {
        message: match exported {
            true => format!("the component's export \"{label}\" is not a function"),
            false => format!("the component does not export a function named \"{label}\""),
        },
        detail: None,
        hint: Some(if names.is_empty() {
            "It exports no functions.".into()
        } else {
            format!("It exports {}.", names.join(", "))
        }),
    }
}
