//! A component's measures: what it is put together from.
//!
//! A component describes how core modules are wired, and a compiler follows the description; components in components can
//! describe exponentially much in a few lines. What is taken here is what tools make of one program: a few core modules that share
//! a memory, each instance written out, and no component in another. Handles of resources and tasks are
//! refused too, since the tables behind them are the host's memory.

use wasmparser::{
    BinaryReader, CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentType,
    ComponentTypeRef, Instance, InstanceTypeDeclaration, Payload, SectionLimited,
};

use super::{Counts, invalid, within};
use crate::error::Error;

/// Core modules of a component. Tools make three or four.
const MAX_MODULES: u64 = 16;
/// Instances of them.
pub const MAX_INSTANCES: u32 = 16;
/// Tables of all of these.
pub const MAX_TABLES: u32 = 16;
/// Imports, exports, aliases, instances that bundle others' exports, what these bundle, each.
const MAX_ITEMS: u32 = 10_000;
/// Functions that are lifted or lowered: code is made for each. The host has some thirty.
const MAX_CROSSING: u32 = 1_000;
/// Types, with the types in types; and fields, cases and parameters of all of them.
const MAX_TYPES: u64 = 10_000;
const MAX_FIELDS: u64 = 50_000;
/// Types of instances within types of instances.
const MAX_TYPE_DEPTH: u64 = 4;

/// How the binary form begins a type that holds others, and what declares one in it.
const COMPONENT_TYPE: u8 = 0x41;
const INSTANCE_TYPE: u8 = 0x42;
const DECLARED_CORE_TYPE: u8 = 0x00;
const DECLARED_TYPE: u8 = 0x01;

/// What has been seen so far.
#[derive(Default)]
pub struct Parts {
    /// Tables and memories of each core module.
    modules: Vec<(u32, u32)>,
    counts: Counts,
    memories: u32,
    types: u64,
    fields: u64,
}

impl Parts {
    pub fn module(&mut self) -> Result<(), Error> {
        self.modules.push((0, 0));
        within("core modules", self.modules.len() as u64, MAX_MODULES)
    }

    /// The module that is being read has so many tables.
    pub fn tables(&mut self, count: u32) {
        if let Some((tables, _)) = self.modules.last_mut() {
            *tables = count;
        }
    }

    pub fn memories(&mut self, count: u32) {
        if let Some((_, memories)) = self.modules.last_mut() {
            *memories = count;
        }
    }

    /// `component` is the whole of it.
    pub fn see(&mut self, payload: Payload<'_>, component: &[u8]) -> Result<(), Error> {
        match payload {
            Payload::ComponentSection { .. } => Err(unsupported("another component in it")),
            Payload::CoreTypeSection(_) => Err(unsupported("types of core modules")),
            Payload::ComponentStartSection { .. } => Err(unsupported("a start function of its own")),
            Payload::InstanceSection(section) => {
                self.counts.add("core instances", section.count(), MAX_ITEMS)?;
                for instance in section {
                    match instance.map_err(invalid)? {
                        Instance::Instantiate { module_index, args } => {
                            self.wires(args.len())?;
                            self.instantiate(module_index)?;
                        }
                        Instance::FromExports(exports) => self.wires(exports.len())?,
                    }
                }
                Ok(())
            }
            Payload::ComponentInstanceSection(section) => {
                self.counts.add("instances", section.count(), MAX_ITEMS)?;
                for instance in section {
                    match instance.map_err(invalid)? {
                        ComponentInstance::Instantiate { .. } => return Err(unsupported("an instance of another component")),
                        ComponentInstance::FromExports(exports) => self.wires(exports.len())?,
                    }
                }
                Ok(())
            }
            Payload::ComponentAliasSection(section) => {
                self.counts.add("aliases", section.count(), MAX_ITEMS)?;
                for alias in section {
                    check_alias(&alias.map_err(invalid)?)?;
                }
                Ok(())
            }
            Payload::ComponentTypeSection(section) => self.types(&section, component),
            Payload::ComponentCanonicalSection(section) => {
                self.counts.add("lifted and lowered functions", section.count(), MAX_CROSSING)?;
                for function in section {
                    match function.map_err(invalid)? {
                        CanonicalFunction::Lift { .. } | CanonicalFunction::Lower { .. } => {}
                        CanonicalFunction::ResourceNew { .. }
                        | CanonicalFunction::ResourceDrop { .. }
                        | CanonicalFunction::ResourceRep { .. } => return Err(unsupported("resources")),
                        // Tasks, streams, futures, threads: there are many, and there will be more.
                        _ => return Err(unsupported("asynchronous functions")),
                    }
                }
                Ok(())
            }
            Payload::ComponentImportSection(section) => {
                self.counts.add("imports", section.count(), MAX_ITEMS)?;
                for import in section {
                    match import.map_err(invalid)?.ty {
                        ComponentTypeRef::Module(_) => return Err(unsupported("an imported core module")),
                        ComponentTypeRef::Component(_) => return Err(unsupported("an imported component")),
                        // Which of these there are is looked at when it is compiled.
                        ComponentTypeRef::Func(_)
                        | ComponentTypeRef::Value(_)
                        | ComponentTypeRef::Type(_)
                        | ComponentTypeRef::Instance(_) => {}
                    }
                }
                Ok(())
            }
            Payload::ComponentExportSection(section) => self.counts.add("exports", section.count(), MAX_ITEMS),
            _ => Ok(()),
        }
    }

    fn wires(&mut self, count: usize) -> Result<(), Error> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.counts.add("arguments and exports of instances", count, MAX_ITEMS)
    }

    fn instantiate(&mut self, module: u32) -> Result<(), Error> {
        // A module that is not there is the compiler's to refuse: nothing else can be meant.
        let (tables, memories) = self.modules.get(module as usize).copied().unwrap_or_default();
        self.memories = self.memories.saturating_add(memories);
        self.counts.add("instances of core modules", 1, MAX_INSTANCES)?;
        self.counts.add("tables", tables, MAX_TABLES)?;
        if self.memories > 1 {
            return Err(unsupported("more than one memory"));
        }
        Ok(())
    }

    /// Reads a section of types itself, as far as types stand in types: the library does that by recursion, as deep as whoever wrote
    /// the component likes.
    fn types(&mut self, section: &SectionLimited<'_, ComponentType<'_>>, component: &[u8]) -> Result<(), Error> {
        let start = section.original_position();
        let bytes = component.get(start..section.range().end).unwrap_or_default();
        let mut reader = BinaryReader::new(bytes, start);
        for _ in 0..section.count() {
            self.ty(&mut reader, 0)?;
        }
        Ok(())
    }

    fn ty(&mut self, reader: &mut BinaryReader<'_>, depth: u64) -> Result<(), Error> {
        self.types += 1;
        within("types", self.types, MAX_TYPES)?;
        within("types in each other", depth, MAX_TYPE_DEPTH)?;
        let fields = match reader.clone().read_u8().map_err(invalid)? {
            INSTANCE_TYPE => {
                reader.read_u8().map_err(invalid)?;
                let count = reader.read_var_u32().map_err(invalid)?;
                self.counts.add("declarations of types", count, MAX_ITEMS)?;
                for _ in 0..count {
                    self.declaration(reader, depth)?;
                }
                count as usize
            }
            COMPONENT_TYPE => return Err(unsupported("types of components")),
            _ => match reader.read::<ComponentType<'_>>().map_err(invalid)? {
                ComponentType::Defined(ty) => defined(&ty)?,
                ComponentType::Func(ty) => ty.params.len(),
                ComponentType::Resource { .. } => return Err(unsupported("resources")),
                ComponentType::Component(_) | ComponentType::Instance(_) => return Err(unsupported("such types")),
            },
        };
        self.fields += fields as u64;
        within("fields, cases and parameters of types", self.fields, MAX_FIELDS)
    }

    /// One line of an instance's type.
    fn declaration(&mut self, reader: &mut BinaryReader<'_>, depth: u64) -> Result<(), Error> {
        match reader.clone().read_u8().map_err(invalid)? {
            DECLARED_CORE_TYPE => Err(unsupported("types of core modules")),
            DECLARED_TYPE => {
                reader.read_u8().map_err(invalid)?;
                self.ty(reader, depth + 1)
            }
            // An alias, an export, or nothing that is valid.
            _ => reader.read::<InstanceTypeDeclaration<'_>>().map(drop).map_err(invalid),
        }
    }
}

/// How many fields or cases a type has.
fn defined(ty: &wasmparser::ComponentDefinedType<'_>) -> Result<usize, Error> {
    use wasmparser::ComponentDefinedType as Defined;
    Ok(match ty {
        Defined::Record(fields) => fields.len(),
        Defined::Variant(cases) => cases.len(),
        Defined::Tuple(types) => types.len(),
        Defined::Flags(names) | Defined::Enum(names) => names.len(),
        Defined::Primitive(_) | Defined::List(_) | Defined::Option(_) | Defined::Result { .. } => 1,
        Defined::Own(_) | Defined::Borrow(_) => return Err(unsupported("resources")),
        Defined::Future(_) | Defined::Stream(_) => return Err(unsupported("asynchronous functions")),
        Defined::Map(..) | Defined::FixedLengthList(..) => return Err(unsupported("maps and lists of fixed length")),
    })
}

fn check_alias(alias: &ComponentAlias<'_>) -> Result<(), Error> {
    match alias {
        ComponentAlias::InstanceExport {
            kind: ComponentExternalKind::Module | ComponentExternalKind::Component,
            ..
        }
        | ComponentAlias::Outer {
            kind: ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::Component,
            ..
        } => Err(unsupported("a core module or a component of another one")),
        ComponentAlias::InstanceExport { .. } | ComponentAlias::CoreInstanceExport { .. } | ComponentAlias::Outer { .. } => Ok(()),
    }
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!("a WebAssembly component with {what}"))
}
