//! What the host keeps beside a running policy, and what each of its calls costs.

use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTable};

use super::limits::{Limits, Meter};
#[cfg(feature = "compiler")]
use super::observer::Observer;
use super::view::{PolicyView, ViewError};
use super::weight::Weight;
use gingham_ownership::grid::BlockMap;

/// How much the operator should care about a line of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the policy's author.
    Debug,
    /// Worth a line.
    Info,
    Warn,
    Error,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub level: LogLevel,
    /// Its text, at most 1,024 bytes.
    pub message: String,
}

/// Bytes in or out of a call that cost as much as the call itself. Without this a policy could make the host copy, or
/// keep, many gigabytes within its budget of calls.
const BYTES_PER_CALL: usize = 64;

/// The state of one session. The view is none while the configuration is checked: then there are no leases to see.
pub(crate) struct HostState {
    pub(crate) table: ResourceTable,
    pub(crate) meter: Meter,
    pub(crate) view: Option<Box<dyn PolicyView>>,
    /// The cluster, for a policy that divides one.
    pub(crate) picture: Option<Arc<BlockMap>>,
    pub(crate) node: String,
    pub(crate) lines: Vec<LogLine>,
    pub(crate) lines_dropped: usize,
    pub(crate) calls_left: u64,
    pub(crate) most_calls: u64,
    #[cfg(feature = "compiler")]
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

impl HostState {
    pub(crate) fn new(limits: Limits, node: String) -> Self {
        Self {
            table: ResourceTable::new(),
            meter: Meter::new(limits.memory),
            view: None,
            picture: None,
            node,
            lines: Vec::new(),
            lines_dropped: 0,
            calls_left: limits.host_calls,
            most_calls: limits.host_calls,
            #[cfg(feature = "compiler")]
            observer: None,
        }
    }

    /// Each question to the host costs a piece of the budget, however small.
    pub(super) fn charge(&mut self) -> Result<(), ViewError> {
        self.charge_for(0)
    }

    /// The same for a call that carries texts or lists. What a call brings is charged first of all, and what it takes
    /// back before it is written into the policy's memory: wasmtime bounds one call, this bounds all of them.
    pub(super) fn charge_for(&mut self, bytes: usize) -> Result<(), ViewError> {
        self.spend(1 + (bytes / BYTES_PER_CALL) as u64)
    }

    pub(super) fn spend(&mut self, calls: u64) -> Result<(), ViewError> {
        let spent = ViewError::HostCalls { limit: self.most_calls };
        self.calls_left = self.calls_left.checked_sub(calls).ok_or(spent)?;
        Ok(())
    }

    /// Answers a getter of a resource, at the price of what it gives.
    pub(super) fn getter<R: 'static, T: Weight>(
        &mut self,
        resource: &Resource<R>,
        get: impl FnOnce(&R) -> T,
    ) -> wasmtime::Result<T> {
        let value = get(self.table.get(resource)?);
        self.charge_for(value.bytes())?;
        Ok(value)
    }
}
