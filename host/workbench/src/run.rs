//! One question to a policy: what came of it, and what it cost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gingham_engine::ipam::IpamError;
use gingham_engine::runtime::{ExportCall, HostCall, LogLine, Observer, Policy, Usage};

use crate::difference::{Describe, Difference};

/// What came of a step that called the policy.
#[derive(Debug)]
pub struct Run<T> {
    /// What the plugin would report.
    pub result: Result<T, IpamError>,
    /// What the policy and the engine logged.
    pub log: Vec<LogLine>,
    /// The calls of the policy's exports, in order.
    pub calls: Vec<ExportCall>,
    /// The calls of the host, in order; none unless the scenario [traces](crate::Scenario::set_trace).
    pub trace: Vec<TracedCall>,
    /// How a second, fresh instance on an equal store differed. None if it did not, or was not tried.
    pub difference: Option<Difference>,
}

/// A call of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedCall {
    /// The export that made it: `check-config`, `allocate` and so on.
    pub export: &'static str,
    pub call: HostCall,
}

impl<T> Run<T> {
    /// Asks a policy, and notes what it cost.
    pub(crate) fn of<E>(
        policy: &Policy,
        traces: bool,
        ask: impl FnOnce(&Policy, &mut Vec<LogLine>) -> Result<Result<T, IpamError>, E>,
    ) -> Result<Self, E> {
        let calls = Arc::new(Calls { traces, ..Calls::default() });
        let mut log = Vec::new();
        let result = ask(&policy.observed(Arc::<Calls>::clone(&calls)), &mut log)?;
        let (calls, trace) = calls.take();
        Ok(Self { result, log, calls, trace, difference: None })
    }

    /// What all calls cost together: the sums of fuel and host calls, and the most memory.
    pub fn usage(&self) -> Usage {
        let sum = |sum: Usage, call: &ExportCall| Usage {
            fuel: sum.fuel.saturating_add(call.usage.fuel),
            host_calls: sum.host_calls.saturating_add(call.usage.host_calls),
            memory: sum.memory.max(call.usage.memory),
        };
        self.calls.iter().fold(Usage::default(), sum)
    }

    /// How this run, the first, differs from the second. Of an answer, what `part` gives has to be the same.
    pub(crate) fn difference<P: Describe + PartialEq>(
        &self,
        second: &Self,
        what: &str,
        part: impl Fn(&T) -> &P,
    ) -> Option<Difference> {
        let outcome = match (&self.result, &second.result) {
            (Ok(one), Ok(two)) => Difference::of(what, part(one), part(two)),
            (Err(one), Err(two)) => Difference::of_errors(one, two),
            (one, two) => {
                let described = |result: &Result<T, IpamError>| match result {
                    Ok(answer) => part(answer).describe(),
                    Err(error) => format!("the error: {error}"),
                };
                Difference::of("the outcome", described(one).as_str(), described(two).as_str())
            }
        };
        outcome
            .or_else(|| Difference::of("the cost", &self.usage(), &second.usage()))
            .or_else(|| Difference::of("the log", &self.log, &second.log))
    }
}

#[derive(Default)]
struct Calls {
    traces: bool,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    exports: Vec<ExportCall>,
    trace: Vec<TracedCall>,
    /// Of the call that has not ended.
    pending: Vec<HostCall>,
}

impl Calls {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> (Vec<ExportCall>, Vec<TracedCall>) {
        let Seen { exports, trace, .. } = std::mem::take(&mut *self.seen());
        (exports, trace)
    }
}

impl Observer for Calls {
    fn export_ended(&self, call: &ExportCall) {
        let mut seen = self.seen();
        let pending = std::mem::take(&mut seen.pending);
        seen.trace.extend(pending.into_iter().map(|host| TracedCall { export: call.export, call: host }));
        seen.exports.push(*call);
    }

    fn wants_host_calls(&self) -> bool {
        self.traces
    }

    fn host_called(&self, call: HostCall) {
        self.seen().pending.push(call);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gingham_engine::attachment::{Answer, Dns};
    use gingham_engine::runtime::LogLevel;
    use gingham_engine::store::StoreError;

    use super::*;

    fn run(fuel: u64, message: &str) -> Run<Answer> {
        let usage = Usage { fuel, ..Usage::default() };
        let call = ExportCall { export: "allocate", usage, elapsed: Duration::ZERO, trapped: false };
        let log = vec![LogLine { level: LogLevel::Info, message: message.to_owned() }];
        Run { result: Ok(Answer::default()), log, calls: vec![call], trace: Vec::new(), difference: None }
    }

    fn difference(one: &Run<Answer>, two: &Run<Answer>) -> String {
        one.difference(two, "the answer", |answer| answer).map(|found| found.to_string()).unwrap_or_default()
    }

    #[test]
    fn two_runs_differ_in_answer_cost_or_log() {
        assert_eq!(difference(&run(7, "x"), &run(7, "x")), "");
        assert!(difference(&run(7, "x"), &run(8, "x")).starts_with("the cost differs: first 7 fuel, 0 host calls, "));
        assert!(
            difference(&run(7, "x"), &run(7, "y")).starts_with(r#"the log differs: first info "x", then info "y""#)
        );
        let mut other = run(7, "x");
        other.result.as_mut().unwrap().dns = Some(Dns::default());
        assert!(difference(&run(7, "x"), &other).starts_with(r#"the answer differs: first {"addresses":[]}, then {"#));
        let refused = Run { result: Err(IpamError::Store(StoreError::Lost)), ..run(7, "x") };
        assert!(difference(&refused, &run(7, "x")).starts_with("the outcome differs: first the error: "));
    }

    #[test]
    fn time_is_no_difference() {
        let mut slow = run(7, "x");
        slow.calls[0].elapsed = Duration::from_secs(1);
        assert_eq!(difference(&run(7, "x"), &slow), "");
    }
}
