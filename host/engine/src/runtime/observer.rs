//! Who wants to know what a policy's calls cost: tools. The plugin observes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Policy;
use super::limits::Usage;

/// Hears of every call of a policy, from all sessions of it.
pub trait Observer: Send + Sync {
    /// A call of one of the policy's exports has ended, well or not.
    fn export_ended(&self, call: &ExportCall);

    /// Whether [`Self::host_called`] wants to know. Only a host with the compiler reports this.
    fn wants_host_calls(&self) -> bool {
        false
    }

    /// The policy has called the host, within a call of an export that has not ended.
    fn host_called(&self, _: HostCall) {}
}

/// One call of the host by a policy, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCall {
    /// The function's name, after its interface or resource: `leases.next-free`, `request.pod-name`.
    pub function: String,
    pub arguments: Vec<String>,
    /// What it returned, empty for nothing; or why the policy was stopped.
    pub result: Result<String, String>,
}

/// One call of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportCall {
    /// The function's name in the contract: `check-config`, `allocate` and so on.
    pub export: &'static str,
    /// What this call alone cost; the memory is that of its end.
    pub usage: Usage,
    pub elapsed: Duration,
    /// Whether it trapped. A refusal is an ordinary end.
    pub trapped: bool,
}

impl Policy {
    /// The same policy, whose sessions report to an observer.
    #[must_use]
    pub fn observed(&self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self.clone() }
    }
}

/// A call that is going on.
pub(super) struct Observed {
    observer: Arc<dyn Observer>,
    export: &'static str,
    before: Usage,
    began: Instant,
}

impl Observed {
    pub(super) fn begin(observer: Arc<dyn Observer>, export: &'static str, before: Usage) -> Self {
        Self { observer, export, before, began: Instant::now() }
    }

    pub(super) fn end(self, after: Usage, trapped: bool) {
        let elapsed = self.began.elapsed();
        let usage = Usage {
            fuel: after.fuel - self.before.fuel,
            host_calls: after.host_calls - self.before.host_calls,
            memory: after.memory,
        };
        self.observer.export_ended(&ExportCall { export: self.export, usage, elapsed, trapped });
    }
}
