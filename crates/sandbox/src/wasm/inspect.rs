//! A module's measures, taken before it is compiled.
//!
//! A compiler spends far more than a byte of memory and a moment of time on a byte of code, and a few bytes
//! can declare much: fifty thousand locals, a thousand results. The worst are many locals in a function of many
//! branches: the compiler keeps something for each local in each block, and a megabyte of such code made it ask for
//! 26 gigabytes at once, which ends the process. Each bound here keeps the cost of compiling in proportion to the
//! module's size, to some seconds a megabyte at worst. Whether the module is valid is the compiler's own question.

mod parts;

use wasmparser::{
    BlockType, CompositeInnerType, Encoding, FunctionBody, FunctionSectionReader, Operator, Parser, Payload, TypeSectionReader,
};

use self::parts::Parts;
pub use self::parts::{MAX_INSTANCES, MAX_TABLES};
use crate::error::Error;
use crate::meter::MAX_TABLE_ELEMENTS;

/// A whole module, data included.
pub const MAX_MODULE_BYTES: usize = 16 << 20;
/// All code of a module.
const MAX_CODE_BYTES: usize = 4 << 20;
/// One function: the cost of compiling one grows faster than its size.
const MAX_FUNCTION_BYTES: usize = 128 << 10;
const MAX_FUNCTIONS: u32 = 50_000;
/// Types, imports, exports, globals, segments, each.
const MAX_ITEMS: u32 = 50_000;
/// Declared locals of all functions.
const MAX_LOCALS: u64 = 2_000_000;
/// Parameters of a type: a call of it costs that much in two bytes.
const MAX_PARAMETERS: u64 = 128;
/// Results of a type.
const MAX_RESULTS: u64 = 16;
/// Parameters and results of a block.
const MAX_BLOCK_VALUES: u64 = 16;
/// Blocks of one function, and how deep they nest, of which the cost is the square. A switch of a thousand cases is a
/// thousand blocks in each other.
const MAX_FUNCTION_BLOCKS: u64 = 20_000;
const MAX_DEPTH: u64 = 2_000;
/// Locals times blocks of one function. What compilers write stays far below: a large interpreter loop has some
/// hundred locals and some thousand blocks.
const MAX_FUNCTION_CELLS: u64 = 2_000_000;
/// The same, of all functions.
const MAX_CELLS: u64 = 32_000_000;
/// The largest memory that any policy grants.
pub const MAX_MEMORY_BYTES: usize = 128 << 20;
const PAGE_BYTES: u64 = 65_536;

/// What a binary is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Module,
    Component,
}

/// Refuses what is no module and no component, or one that would cost too much.
pub fn check(module: &[u8]) -> Result<Kind, Error> {
    let mut code = Code::default();
    let mut parts = Parts::default();
    let mut kind = Kind::Module;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(invalid)? {
            Payload::Version {
                encoding: Encoding::Component,
                ..
            } => kind = Kind::Component,
            // One of a component's: its types and functions are its own, what it costs is everybody's.
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } => code.next_module(),
            Payload::TypeSection(section) => code.types(section)?,
            Payload::FunctionSection(section) => code.functions(section)?,
            Payload::CodeSectionEntry(body) => code.body(&body)?,
            Payload::ImportSection(section) => code.counts.add("imports", section.count(), MAX_ITEMS)?,
            Payload::GlobalSection(section) => code.counts.add("globals", section.count(), MAX_ITEMS)?,
            Payload::ExportSection(section) => code.counts.add("exports", section.count(), MAX_ITEMS)?,
            Payload::ElementSection(section) => code.counts.add("element segments", section.count(), MAX_ITEMS)?,
            Payload::DataSection(section) => code.counts.add("data segments", section.count(), MAX_ITEMS)?,
            Payload::TableSection(tables) => {
                parts.tables(tables.count());
                for table in tables {
                    within("elements of a table", table.map_err(invalid)?.ty.initial, MAX_TABLE_ELEMENTS as u64)?;
                }
            }
            Payload::MemorySection(memories) => {
                parts.memories(memories.count());
                for memory in memories {
                    let bytes = memory.map_err(invalid)?.initial.saturating_mul(PAGE_BYTES);
                    within("bytes of memory at its start", bytes, MAX_MEMORY_BYTES as u64)?;
                }
            }
            Payload::ModuleSection { .. } => parts.module()?,
            payload => parts.see(payload, module)?,
        }
    }
    Ok(kind)
}

/// What has been seen of the code so far.
#[derive(Default)]
struct Code {
    /// Parameters and results of each type.
    types: Vec<(u64, u64)>,
    /// The type of each function.
    functions: Vec<u32>,
    counts: Counts,
    bodies: usize,
    bytes: usize,
    locals: u64,
    cells: u64,
}

impl Code {
    fn next_module(&mut self) {
        self.types.clear();
        self.functions.clear();
        self.bodies = 0;
    }

    fn types(&mut self, section: TypeSectionReader<'_>) -> Result<(), Error> {
        self.counts.add("types", section.count(), MAX_ITEMS)?;
        for group in section {
            for ty in group.map_err(invalid)?.into_types() {
                let (params, results) = match &ty.composite_type.inner {
                    CompositeInnerType::Func(ty) => (ty.params().len() as u64, ty.results().len() as u64),
                    // Not supported: the compiler says so.
                    CompositeInnerType::Array(_) | CompositeInnerType::Struct(_) | CompositeInnerType::Cont(_) => (0, 0),
                };
                within("parameters of a type", params, MAX_PARAMETERS)?;
                within("results of a type", results, MAX_RESULTS)?;
                self.types.push((params, results));
            }
        }
        Ok(())
    }

    fn functions(&mut self, section: FunctionSectionReader<'_>) -> Result<(), Error> {
        self.counts.add("functions", section.count(), MAX_FUNCTIONS)?;
        for ty in section {
            self.functions.push(ty.map_err(invalid)?);
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), Error> {
        let bytes = body.range().len();
        self.bytes += bytes;
        within("bytes of code in a function", bytes as u64, MAX_FUNCTION_BYTES as u64)?;
        within("bytes of code", self.bytes as u64, MAX_CODE_BYTES as u64)?;
        let (mut locals, _) = self.functions.get(self.bodies).map_or((0, 0), |ty| self.ty(*ty));
        self.bodies += 1;
        for declared in body.get_locals_reader().map_err(invalid)? {
            let count = u64::from(declared.map_err(invalid)?.0);
            locals = locals.saturating_add(count);
            self.locals = self.locals.saturating_add(count);
        }
        within("locals", self.locals, MAX_LOCALS)?;
        // One local more: what the block itself takes and gives.
        let blocks = self.blocks(body)?;
        within("blocks in a function", blocks, MAX_FUNCTION_BLOCKS)?;
        let cells = (locals + 1).saturating_mul(blocks);
        self.cells = self.cells.saturating_add(cells);
        within("locals times blocks in a function", cells, MAX_FUNCTION_CELLS)?;
        within("locals times blocks", self.cells, MAX_CELLS)
    }

    /// At most so many places in a function's code begin a block for the compiler.
    fn blocks(&self, body: &FunctionBody<'_>) -> Result<u64, Error> {
        let (mut blocks, mut depth) = (1, 0u64);
        let mut operators = body.get_operators_reader().map_err(invalid)?;
        while !operators.eof() {
            match operators.read().map_err(invalid)? {
                Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                    if let BlockType::FuncType(ty) = blockty {
                        let (params, results) = self.ty(ty);
                        within("parameters and results of a block", params + results, MAX_BLOCK_VALUES)?;
                    }
                    blocks += 2;
                    depth += 1;
                    within("blocks in each other", depth, MAX_DEPTH)?;
                }
                Operator::End => depth = depth.saturating_sub(1),
                Operator::Else | Operator::Br { .. } | Operator::BrIf { .. } | Operator::Return | Operator::Unreachable => blocks += 1,
                Operator::BrTable { targets } => blocks += u64::from(targets.len()) + 1,
                _ => {}
            }
        }
        Ok(blocks)
    }

    /// Parameters and results of a type.
    fn ty(&self, number: u32) -> (u64, u64) {
        self.types.get(number as usize).copied().unwrap_or_default()
    }
}

/// How many there are of each kind of thing, in all sections of all modules.
#[derive(Default)]
struct Counts(Vec<(&'static str, u64)>);

impl Counts {
    fn add(&mut self, what: &'static str, count: u32, most: u32) -> Result<(), Error> {
        let at = self.0.iter().position(|(known, _)| *known == what).unwrap_or_else(|| {
            self.0.push((what, 0));
            self.0.len() - 1
        });
        let total = &mut self.0[at].1;
        *total = total.saturating_add(u64::from(count));
        within(what, *total, u64::from(most))
    }
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

#[allow(clippy::needless_pass_by_value)] // the shape that `map_err` takes
fn invalid(error: wasmparser::BinaryReaderError) -> Error {
    Error::Definition {
        message: "the body is not a valid WebAssembly module".into(),
        detail: Some(format!("At byte {}: {}.", error.offset(), error.message())),
        hint: None,
    }
}
