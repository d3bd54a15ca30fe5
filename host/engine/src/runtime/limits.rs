//! What one invocation of a policy may cost.

use wasmtime::ResourceLimiter;

/// Bounds of an invocation. The time is bounded by fuel: it is exact, so that a test meets the bound of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wasm instructions, roughly; 10 million take some 10 ms.
    pub fuel: u64,
    /// Bytes of linear memory, all memories of the component together.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: 50_000_000, memory: 64 << 20 }
    }
}

/// Bytes the host allocates for what a policy passes in one call: strings, lists.
pub(crate) const HOST_CALL_BYTES: usize = 1 << 20;

/// Host calls an invocation may make, and steps through the leases they may take together.
pub(crate) const HOST_CALLS: u64 = 100_000;

/// Elements of all tables; a Rust guest needs some hundreds, a JavaScript engine some ten thousand.
const TABLE_ELEMENTS: usize = 100_000;

/// The policy wanted more linear memory than its bound.
#[derive(Debug, thiserror::Error)]
#[error("it wanted more than {limit} bytes of memory")]
pub(crate) struct MemoryLimitReached {
    pub(crate) limit: usize,
}

/// Counts the memory of all instances of one store, because wasmtime's own limit is per memory.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: usize,
    used: usize,
}

impl Meter {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, used: 0 }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            return Err(MemoryLimitReached { limit: self.limit }.into());
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}
