//! The engine that modules run in, and what they may import.

use std::num::NonZeroUsize;

use wasmtime::component::Linker as ComponentLinker;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, Linker, PoolingAllocationConfig};

use super::inspect::{MAX_INSTANCES, MAX_MEMORY_BYTES, MAX_TABLES as MAX_COMPONENT_TABLES};
use crate::error::Error;
use crate::host::{self, State};
use crate::machine::DEFAULT_STACK_BYTES;
use crate::meter::MAX_TABLE_ELEMENTS;

/// Instances that may live in the pool at once. Each holds four gigabytes of address space, which costs nothing
/// but itself.
const SLOTS: u32 = 256;
/// Memory of a slot that is kept and wiped rather than given back.
const KEPT_BYTES: usize = 256 << 10;
const MAX_TABLES: u32 = 4;
/// Frames that an error shows.
const MAX_FRAMES: usize = 16;

/// An engine of one stack limit, which wasmtime fixes for the whole engine.
pub struct Machine {
    engine: Engine,
    linker: Linker<State>,
    component_linker: ComponentLinker<State>,
}

impl Machine {
    /// `pooled`: instances take ready slots. Without it each makes and unmaps its own memory, ten times as slow; for
    /// stacks that few functions ask for, and for when the slots are used up.
    pub fn new(stack_bytes: usize, pooled: bool) -> Result<Machine, Error> {
        let engine = Engine::new(&config(stack_bytes, pooled)).map_err(broken)?;
        let mut linker = Linker::new(&engine);
        host::link(&mut linker).map_err(broken)?;
        host::wasi::link(&mut linker, host::wasi::Guest::Module).map_err(broken)?;
        let mut component_linker = ComponentLinker::new(&engine);
        host::world::link(&mut component_linker).map_err(broken)?;
        Ok(Machine {
            engine,
            linker,
            component_linker,
        })
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn linker(&self) -> &Linker<State> {
        &self.linker
    }

    pub fn component_linker(&self) -> &ComponentLinker<State> {
        &self.component_linker
    }
}

fn config(stack_bytes: usize, pooled: bool) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(stack_bytes)
        // Not used, but wasmtime insists that it is not smaller.
        .async_stack_size(stack_bytes.max(DEFAULT_STACK_BYTES))
        .concurrency_support(false)
        .native_unwind_info(false)
        .generate_address_map(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(MAX_FRAMES))
        // One memory is what the limiter and the guest interface know.
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        // Its results differ from machine to machine.
        .wasm_relaxed_simd(false);
    if pooled {
        let mut pool = PoolingAllocationConfig::new();
        // A component is several core instances, which share a memory.
        pool.total_core_instances(SLOTS * 4)
            .total_component_instances(SLOTS)
            .max_core_instances_per_component(MAX_INSTANCES)
            .max_memories_per_component(1)
            .max_tables_per_component(MAX_COMPONENT_TABLES)
            .total_memories(SLOTS)
            .total_tables(SLOTS * MAX_TABLES)
            .max_tables_per_module(MAX_TABLES)
            .table_elements(MAX_TABLE_ELEMENTS)
            .max_memory_size(MAX_MEMORY_BYTES)
            .linear_memory_keep_resident(KEPT_BYTES)
            .table_keep_resident(KEPT_BYTES / 16)
            .pagemap_scan(Enabled::Auto);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Host(format!("the sandbox for WebAssembly modules does not work: {error}"))
}
