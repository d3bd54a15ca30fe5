//! What one invocation of a policy may cost, and has cost.

use std::ops::RangeInclusive;

use wasmtime::ResourceLimiter;

use super::process::ProcessError;

/// Bounds of an invocation. The time is bounded by fuel: it is exact, so that a test meets the bound of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wasm instructions, roughly, of at most some 50 ns each; 10 million take some 10 ms.
    pub fuel: u64,
    /// Bytes of linear memories and tables, all of the component together.
    pub memory: usize,
    /// Calls of the host that one instance may make; 64 bytes that they carry cost as much as a call.
    pub host_calls: u64,
}

impl Limits {
    /// The fuel that a configuration may grant.
    pub const FUEL: RangeInclusive<u64> = 1..=500_000_000;
    /// The memory that a configuration may grant.
    pub const MEMORY: RangeInclusive<usize> = 64 << 10..=1 << 30;
    /// The host calls that a configuration may grant: at most some seconds under the store's lock.
    pub const HOST_CALLS: RangeInclusive<u64> = 1..=1_000_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: 100_000_000, memory: 64 << 20, host_calls: 100_000 }
    }
}

/// What a session has cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Fuel of all calls, instantiation apart.
    pub fuel: u64,
    pub host_calls: u64,
    /// Bytes of linear memory at the end.
    pub memory: usize,
}

/// Bytes the host allocates for what a policy passes in one call: strings, lists.
pub(crate) const HOST_CALL_BYTES: usize = 1 << 20;

/// Handles to requests, leases, pools and answers that a policy may hold at a time.
pub(crate) const HANDLES: usize = 100_000;

/// Core instances of one component. A Python policy links some 30 libraries, others have 3.
pub const INSTANCES: usize = 64;
pub const TABLES: usize = 64;
/// Linear memories of all instances. Each reserves address space.
pub const MEMORIES: usize = 4;

/// Elements of all tables together; a Rust guest needs some hundreds, a JavaScript engine some ten thousand.
pub const TABLE_ELEMENTS: usize = 100_000;

/// Bytes that the runtime allocates for an element of a table.
const ELEMENT_BYTES: usize = size_of::<usize>();

/// The policy wanted more memory than its bound.
#[derive(Debug, thiserror::Error)]
#[error("it wanted {wanted} bytes of memory, more than {limit}")]
pub(crate) struct MemoryLimitReached {
    pub(crate) wanted: usize,
    pub(crate) limit: usize,
}

/// The policy wanted more elements of tables than any policy gets.
#[derive(Debug, thiserror::Error)]
#[error("it wanted more than {TABLE_ELEMENTS} elements of tables")]
pub(crate) struct TableLimitReached;

/// Counts what all instances of one store have, because wasmtime's own limits are per memory and per table.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: usize,
    used: usize,
    elements: usize,
}

impl Meter {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, used: 0, elements: 0 }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    fn take(&mut self, bytes: usize) -> Result<(), MemoryLimitReached> {
        let used = self.used.saturating_add(bytes);
        if used > self.limit {
            return Err(MemoryLimitReached { wanted: used, limit: self.limit });
        }
        self.used = used;
        Ok(())
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // The guest sees that its own bound is reached; nothing is allocated, so nothing is counted.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.take(desired.saturating_sub(current))?;
        Ok(true)
    }

    /// Without this a guest would see that it cannot grow, and most of them crash then.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        if ProcessError::of(&error).is_some() { Err(error) } else { Ok(()) }
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let grown = desired.saturating_sub(current);
        let elements = self.elements.saturating_add(grown);
        if elements > TABLE_ELEMENTS {
            return Err(TableLimitReached.into());
        }
        self.take(grown.saturating_mul(ELEMENT_BYTES))?;
        self.elements = elements;
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_bound() {
        let mut meter = Meter::new(1 << 20);
        assert!(meter.memory_growing(0, 512 << 10, None).unwrap());
        assert!(meter.table_growing(0, 40_000, None).unwrap());
        assert_eq!(meter.used(), (512 << 10) + 40_000 * size_of::<usize>());
        assert!(meter.table_growing(0, 40_000, None).unwrap_err().is::<MemoryLimitReached>());
        assert!(meter.memory_growing(512 << 10, 768 << 10, None).unwrap_err().is::<MemoryLimitReached>());
        assert!(meter.memory_growing(512 << 10, 576 << 10, None).unwrap());
    }

    #[test]
    fn elements_are_counted_over_all_tables() {
        let mut meter = Meter::new(1 << 30);
        assert!(meter.table_growing(0, 60_000, None).unwrap());
        assert!(meter.table_growing(0, 40_001, None).unwrap_err().is::<TableLimitReached>());
        assert!(meter.table_growing(60_000, 100_000, None).unwrap());
        assert!(meter.table_growing(0, 1, None).unwrap_err().is::<TableLimitReached>());
    }

    #[test]
    fn what_is_beyond_the_guests_own_maximum_is_not_counted() {
        let mut meter = Meter::new(1 << 20);
        for _ in 0..100 {
            assert!(!meter.memory_growing(0, 1 << 17, Some(1 << 16)).unwrap());
            assert!(!meter.table_growing(0, 20_000, Some(10_000)).unwrap());
        }
        assert_eq!(meter.used(), 0);
    }
}
