//! Makes a guest fit for snapshots: whatever state an instance has must lie in its linear memory.
//!
//! Data segments leave the module, because a snapshot already holds what they would write; their
//! content becomes the initial memory. Mutable globals are exported, so that the host can see that
//! they are back at their initial value when it takes a picture. Everything else that could carry
//! state from one call to the next is refused.

use std::borrow::Cow;
use std::ops::Range;

use wasm_encoder::{ExportKind, ExportSection, MemorySection, MemoryType, Module, RawSection};
use wasmparser::{DataKind, ExternalKind, Operator, Parser, Payload, TypeRef};

use crate::Result;

pub struct Stripped {
    pub module: Vec<u8>,
    /// (offset: u32, length: u32, bytes), repeated: what the segments would have written.
    pub memory: Vec<u8>,
}

pub fn strip(wasm: &[u8]) -> Result<Stripped> {
    let mut module = Module::new();
    let mut memory = Vec::new();
    let mut imported_globals = 0;
    let mut mutable = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let raw = |module: &mut Module, id: u8, range: Range<usize>| {
            module.section(&RawSection { id, data: &wasm[range] });
        };
        match payload? {
            Payload::TypeSection(section) => raw(&mut module, 1, section.range()),
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    if let TypeRef::Global(_) = import?.ty {
                        imported_globals += 1;
                    }
                }
                raw(&mut module, 2, section.range());
            }
            Payload::FunctionSection(section) => raw(&mut module, 3, section.range()),
            Payload::TableSection(section) => raw(&mut module, 4, section.range()),
            Payload::MemorySection(section) => {
                let [ty] = section.into_iter().collect::<Result<Vec<_>, _>>()?[..] else {
                    return Err("a guest must have one memory".into());
                };
                let mut memories = MemorySection::new();
                let (minimum, maximum) = (ty.initial, ty.maximum);
                memories.memory(MemoryType {
                    minimum,
                    maximum,
                    memory64: false,
                    shared: false,
                    page_size_log2: None,
                });
                module.section(&memories);
            }
            Payload::GlobalSection(section) => {
                for (index, global) in section.clone().into_iter().enumerate() {
                    if global?.ty.mutable {
                        mutable.push(imported_globals + u32::try_from(index)?);
                    }
                }
                raw(&mut module, 6, section.range());
            }
            Payload::ExportSection(section) => {
                let mut exports = ExportSection::new();
                for export in section {
                    let export = export?;
                    let kind = match export.kind {
                        ExternalKind::Func => ExportKind::Func,
                        ExternalKind::Memory => ExportKind::Memory,
                        ExternalKind::Global => ExportKind::Global,
                        other => return Err(format!("a guest must not export a {other:?}").into()),
                    };
                    exports.export(export.name, kind, export.index);
                }
                for (number, global) in mutable.iter().enumerate() {
                    exports.export(&format!("__mutable_{number}"), ExportKind::Global, *global);
                }
                module.section(&exports);
            }
            Payload::StartSection { .. } => return Err("a guest must not have a start function".into()),
            Payload::ElementSection(section) => {
                for element in section.clone() {
                    if let wasmparser::ElementKind::Passive = element?.kind {
                        return Err("a guest must not have passive elements".into());
                    }
                }
                raw(&mut module, 9, section.range());
            }
            Payload::CodeSectionStart { range, .. } => raw(&mut module, 10, range),
            Payload::CodeSectionEntry(body) => {
                for operator in body.get_operators_reader()? {
                    refuse_hidden_state(&operator?)?;
                }
            }
            Payload::DataSection(section) => {
                for segment in section {
                    let segment = segment?;
                    let DataKind::Active {
                        memory_index: 0,
                        offset_expr,
                    } = &segment.kind
                    else {
                        return Err("a guest must not have passive data".into());
                    };
                    let mut offset = offset_expr.get_operators_reader();
                    let Operator::I32Const { value } = offset.read()? else {
                        return Err("a data segment's offset must be constant".into());
                    };
                    memory.extend_from_slice(&value.cast_unsigned().to_le_bytes());
                    memory.extend_from_slice(&u32::try_from(segment.data.len())?.to_le_bytes());
                    memory.extend_from_slice(segment.data);
                }
            }
            Payload::Version { .. } | Payload::DataCountSection { .. } | Payload::CustomSection(_) | Payload::End(_) => {}
            other => return Err(format!("a guest must not have this section: {other:?}").into()),
        }
    }
    Ok(Stripped {
        module: Cow::from(module.finish()).into_owned(),
        memory,
    })
}

/// Tables and dropped segments are state outside the memory.
fn refuse_hidden_state(operator: &Operator<'_>) -> Result<()> {
    match operator {
        Operator::TableSet { .. }
        | Operator::TableGrow { .. }
        | Operator::TableFill { .. }
        | Operator::TableCopy { .. }
        | Operator::TableInit { .. }
        | Operator::MemoryInit { .. }
        | Operator::DataDrop { .. }
        | Operator::ElemDrop { .. } => Err(format!("a guest must not use {operator:?}").into()),
        _ => Ok(()),
    }
}
