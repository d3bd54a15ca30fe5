//! The one configuration of wasmtime. The compiler and the plugin must agree on every tunable, or a compiled policy
//! does not load; so nothing here depends on the environment or on cargo features.

use std::sync::Arc;

use wasmtime::{Config, ModuleVersionStrategy, WasmBacktraceDetails, WasmFeatures};

use super::code::InPlace;
use super::fuel;

/// The exact version of wasmtime: it compiles policies, and counts their fuel.
pub const WASMTIME: &str = env!("GINGHAM_WASMTIME_VERSION");

/// What a compiled artefact was made by and for: another key means it must be compiled again. It holds the *exact*
/// wasmtime version, because a security release may repair the machine code itself.
pub const ARTEFACT_KEY: &str = concat!(env!("CARGO_PKG_VERSION"), "-wasmtime-", env!("GINGHAM_WASMTIME_VERSION"), "-4");

/// The processor family artefacts are compiled for, without extensions: one artefact runs on every node of the family. The C
/// library is that of this program, as wasmtime requires; artefacts load whichever it was.
pub const TARGET: &str = match (cfg!(target_arch = "aarch64"), cfg!(target_env = "musl")) {
    (true, true) => "aarch64-unknown-linux-musl",
    (true, false) => "aarch64-unknown-linux-gnu",
    (false, true) => "x86_64-unknown-linux-musl",
    (false, false) => "x86_64-unknown-linux-gnu",
};

/// Bytes of native stack a policy may use.
pub(super) const STACK: usize = 256 << 10;

/// Switches off what no policy needs: each of these had its own security advisories.
const UNUSED_FEATURES: WasmFeatures = WasmFeatures::THREADS
    .union(WasmFeatures::GC)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::TAIL_CALL);

/// The configuration both sides start from.
///
/// # Errors
/// Only if this file is wrong, or the target is unknown.
pub(crate) fn base(target: &str) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config
        .target(target)?
        .wasm_component_model(true)
        .concurrency_support(false)
        .gc_support(false)
        .wasm_features(UNUSED_FEATURES, false)
        .consume_fuel(true)
        .operator_cost(fuel::costs())
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // For native debuggers and profilers. The names of functions in faults are kept elsewhere.
        .debug_symbols(false)
        .native_unwind_info(false)
        // The reservation is address space, not memory. Small enough for `ulimit -v` and for boards with 39 bits, and as
        // much as the default of `limits.memory`, so that such a memory is never moved.
        .memory_reservation(64 << 20)
        // Every growth beyond the reservation copies the whole memory, and costs no fuel. So there are few of them.
        .memory_reservation_for_growth(256 << 20)
        .memory_guard_size(64 << 10)
        .max_wasm_stack(STACK)
        .with_custom_code_memory(Some(Arc::new(InPlace)))
        .module_version(ModuleVersionStrategy::Custom(ARTEFACT_KEY.to_owned()))?;
    Ok(config)
}
