//! A module's measures, taken before it is compiled.
//!
//! A compiler spends far more than a byte of memory and a moment of time on a byte of code, and a few bytes
//! can declare much: fifty thousand locals, a thousand results. Each bound here keeps the cost of compiling in
//! proportion to the module's size, and with it under a few seconds. Whether the module is valid is the
//! compiler's own question.

use wasmparser::{CompositeInnerType, Encoding, Parser, Payload};

use crate::error::Error;
use crate::meter::MAX_TABLE_ELEMENTS;

/// A whole module, data included.
pub const MAX_MODULE_BYTES: usize = 16 << 20;
/// All code of a module.
const MAX_CODE_BYTES: usize = 8 << 20;
/// One function: the cost of compiling one grows faster than its size.
const MAX_FUNCTION_BYTES: usize = 256 << 10;
const MAX_FUNCTIONS: u32 = 50_000;
/// Types, imports, exports, globals, segments, each.
const MAX_ITEMS: u32 = 50_000;
/// Declared locals of all functions.
const MAX_LOCALS: u64 = 2_000_000;
/// Parameters of a type: a call of it costs that much in two bytes.
const MAX_PARAMETERS: usize = 128;
/// Results of a type.
const MAX_RESULTS: usize = 16;
/// The largest memory that any policy grants.
pub const MAX_MEMORY_BYTES: usize = 128 << 20;
const PAGE_BYTES: u64 = 65_536;

/// Refuses what is no core module, or one that would cost too much.
pub fn check(module: &[u8]) -> Result<(), Error> {
    let mut code = 0;
    let mut locals = 0u64;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(|error| invalid(&error))? {
            Payload::Version {
                encoding: Encoding::Component,
                ..
            } => {
                return Err(Error::Unsupported(
                    "a WebAssembly component as the body of a function (a core module is)".into(),
                ));
            }
            Payload::TypeSection(types) => {
                at_most("types", types.count(), MAX_ITEMS)?;
                for group in types {
                    for ty in group.map_err(|error| invalid(&error))?.into_types() {
                        let CompositeInnerType::Func(ty) = ty.composite_type.inner else {
                            continue;
                        };
                        within("parameters of a type", ty.params().len() as u64, MAX_PARAMETERS as u64)?;
                        within("results of a type", ty.results().len() as u64, MAX_RESULTS as u64)?;
                    }
                }
            }
            Payload::ImportSection(section) => at_most("imports", section.count(), MAX_ITEMS)?,
            Payload::FunctionSection(section) => at_most("functions", section.count(), MAX_FUNCTIONS)?,
            Payload::GlobalSection(section) => at_most("globals", section.count(), MAX_ITEMS)?,
            Payload::ExportSection(section) => at_most("exports", section.count(), MAX_ITEMS)?,
            Payload::ElementSection(section) => at_most("element segments", section.count(), MAX_ITEMS)?,
            Payload::DataSection(section) => at_most("data segments", section.count(), MAX_ITEMS)?,
            Payload::TableSection(tables) => {
                for table in tables {
                    let table = table.map_err(|error| invalid(&error))?;
                    within("elements of a table", table.ty.initial, MAX_TABLE_ELEMENTS as u64)?;
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let memory = memory.map_err(|error| invalid(&error))?;
                    let bytes = memory.initial.saturating_mul(PAGE_BYTES);
                    within("bytes of memory at its start", bytes, MAX_MEMORY_BYTES as u64)?;
                }
            }
            Payload::CodeSectionEntry(body) => {
                let bytes = body.range().len();
                code += bytes;
                within("bytes of code in a function", bytes as u64, MAX_FUNCTION_BYTES as u64)?;
                within("bytes of code", code as u64, MAX_CODE_BYTES as u64)?;
                for declared in body.get_locals_reader().map_err(|error| invalid(&error))? {
                    let (count, _) = declared.map_err(|error| invalid(&error))?;
                    locals = locals.saturating_add(u64::from(count));
                    within("locals", locals, MAX_LOCALS)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn at_most(what: &str, count: u32, most: u32) -> Result<(), Error> {
    within(what, u64::from(count), u64::from(most))
}

fn within(what: &str, count: u64, most: u64) -> Result<(), Error> {
    if count <= most {
        return Ok(());
    }
    Err(Error::Definition {
        message: format!("the WebAssembly module has too many {what}"),
        detail: Some(format!("It has {count}; at most {most} are allowed.")),
        hint: None,
    })
}

fn invalid(error: &wasmparser::BinaryReaderError) -> Error {
    Error::Definition {
        message: "the body is not a valid WebAssembly module".into(),
        detail: Some(format!("At byte {}: {}.", error.offset(), error.message())),
        hint: None,
    }
}
