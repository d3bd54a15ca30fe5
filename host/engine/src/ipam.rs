//! What happens to a request between the policy and the ledger. Everything that allocates or frees an address comes
//! through here, on a node and in a policy's tests alike.

mod error;
mod prepared;
mod release;
mod result;
mod shadow;

use crate::attachment::{Answer, Refusal, Request};
use crate::guard::{self, GuardError};
use crate::ledger::{AttachmentRecord, Cooling, Ledger, Masquerade, recorded};
use crate::network_view::NetworkView;
use crate::occupied::Occupied;
use crate::policy_counters::RequestEnd;
use crate::runtime::{LogLevel, LogLine, Session};
use crate::store_error::StoreError;

pub(crate) use error::call_error;
pub use error::{ClusterFault, IpamError};
pub use prepared::{PoolRoom, Prepared, prepare};
pub use release::{Hooks, call_adoption_hook, release, release_all, withdraw};
pub use result::IpamResult;
use shadow::Answered;
pub use shadow::{Comparison, Shadow, ShadowAnswer, ShadowCounters, ShadowPolicy};

/// Addresses whose cooldown, and reservations whose time, may end within one request; more wait for the next one.
const ENDED_PER_REQUEST: usize = 256;

impl Prepared<'_> {
    /// Lets the policy choose, checks its choice and commits it. After an error the ledger is as it was.
    pub fn allocate<L: Ledger + 'static>(
        self,
        ledger: L,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<IpamResult, IpamError> {
        let (result, ledger) = self.allocate_uncommitted(ledger, request, record, log)?;
        ledger.commit()?;
        tracing::debug!("lease committed");
        Ok(result)
    }

    /// The same without the commit: for callers that record more in the same transaction.
    pub fn allocate_uncommitted<L: Ledger + 'static>(
        mut self,
        ledger: L,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<(IpamResult, L), IpamError> {
        let view = self.view(ledger, request, record, log)?;
        let (answer, mut view) = self.ask(view, request, log)?;
        let (answer, mut view) = match answer {
            Err(Refusal::Exhausted(_)) if self.reuses_early && self.free_longest_cooling(&mut view)? => {
                self.ask_again(view, request, log)?
            }
            answer => (answer, view),
        };
        let name = || self.policy.name().to_owned();
        let answer = answer.map_err(|refusal| IpamError::Refused { policy: name(), refusal })?;
        let addresses = || answer.addresses.iter().map(|assigned| assigned.address.to_string()).collect::<Vec<_>>();
        tracing::debug!(policy = name(), addresses = addresses().join(" "), "policy answered");
        guard::check(&answer, request, &mut view).map_err(|error| match error {
            GuardError::Store(store) => IpamError::Store(store),
            source => IpamError::Guard { policy: name(), source },
        })?;
        tracing::debug!("guard passed");
        let mut result = IpamResult::of(answer, &view, self.session.usage())?;
        self.log_short_cooldowns(&result.cooling, request, &view, log)?;
        log.extend(result.answer.reason.as_ref().map(|reason| self.reason_line(request, reason)));
        let (mut ledger, shadow) = self.compare_with_shadow(view, request, record, &result.answer, log)?;
        result.shadow = shadow;
        self.record(&mut ledger, request, record, &result)?;
        Ok((result, ledger))
    }

    /// Hands the ledger back with what the policy changed. A shadow sees it as the policy saw it.
    fn compare_with_shadow<L: Ledger + 'static>(
        &mut self,
        view: NetworkView<L>,
        request: &Request,
        record: &AttachmentRecord,
        answer: &Answer,
        log: &mut Vec<LogLine>,
    ) -> Result<(L, Option<ShadowAnswer>), IpamError> {
        let Some(shadow) = self.shadow.take() else { return Ok((view.into_ledger()?, None)) };
        let answered = Answered { request, record, answer, free_early: view.free_early().clone() };
        let (ledger, changes) = view.into_parts();
        let (mut ledger, shadow) = shadow.compare(ledger, &answered, &self.context.network, log)?;
        changes.write(&mut ledger)?;
        Ok((ledger, Some(shadow)))
    }

    /// What the policy sees: the ledger without what is over, and without addresses that are used elsewhere.
    fn view<L: Ledger>(
        &self,
        mut ledger: L,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<NetworkView<L>, IpamError> {
        if let Some((_, known)) = recorded(&ledger, &request.key)? {
            return Err(IpamError::AlreadyAttached { key: request.key.clone(), addresses: known.addresses });
        }
        ledger.end_cooldowns(self.settings.cooldown_began(request.now), ENDED_PER_REQUEST)?;
        ledger.end_reservations(request.now, ENDED_PER_REQUEST)?;
        let occupied = Occupied::of(&ledger, &self.pools, request, record)?;
        warn_of_overlaps(&occupied, &self.context.network, log);
        let view = NetworkView::new(ledger, self.pools.clone(), self.settings.exclude.clone())?;
        let mut view = view.at(request.now).requested_by(&request.key, &request.pod);
        view.occupy(occupied);
        request.requested.iter().for_each(|address| view.count_as_free(*address));
        Ok(view)
    }

    fn record<L: Ledger>(
        &self,
        ledger: &mut L,
        request: &Request,
        record: &AttachmentRecord,
        result: &IpamResult,
    ) -> Result<(), StoreError> {
        let masquerade = record.masquerade.clone().map(|masquerade| {
            let within = if masquerade.wanted { result.prefixes.clone() } else { Vec::new() };
            Masquerade { within, ..masquerade }
        });
        let (addresses, reason) = (result.addresses().collect(), result.answer.reason.clone());
        let policy = self.policy.title();
        ledger.count_for_policy(&policy, RequestEnd::Granted { fuel: result.usage.fuel }, request.now)?;
        let policy = Some(policy);
        ledger.attach(&request.key, &AttachmentRecord { addresses, policy, reason, masquerade, ..record.clone() })?;
        for address in result.addresses() {
            if let Some(pool) = self.pools.number_of(address) {
                ledger.put_last_allocated(pool, address)?;
            }
        }
        Ok(())
    }

    fn ask<L: Ledger + 'static>(
        &mut self,
        view: NetworkView<L>,
        request: &Request,
        log: &mut Vec<LogLine>,
    ) -> Result<(Result<Answer, Refusal>, NetworkView<L>), IpamError> {
        self.session.show(view);
        let answer = self.session.allocate(&self.settings.policy_config, request);
        log.append(&mut self.session.take_log());
        let answer = answer.map_err(|error| call_error(self.policy, error))?;
        let view = self.session.hide().ok_or(StoreError::Lost)?;
        Ok((answer, view))
    }

    /// The second try, in a fresh instance, as if the first had not been.
    fn ask_again<L: Ledger + 'static>(
        &mut self,
        mut view: NetworkView<L>,
        request: &Request,
        log: &mut Vec<LogLine>,
    ) -> Result<(Result<Answer, Refusal>, NetworkView<L>), IpamError> {
        view.start_over()?;
        self.session = Session::new(self.policy, self.settings.limits, &self.context)
            .map_err(|error| call_error(self.policy, error))?;
        self.show_cluster();
        self.ask(view, request, log)
    }

    /// Lets the address of each pool that was freed first count as free. Returns whether there was one.
    fn free_longest_cooling<L: Ledger>(&self, view: &mut NetworkView<L>) -> Result<bool, StoreError> {
        let mut any = false;
        for pool in self.pools.iter() {
            let open = pool.ranges.iter().filter(|part| !part.draining);
            let mut permitted = view.permitted(open.map(|part| part.range));
            permitted.sort_unstable();
            if let Some((address, _)) = view.ledger().longest_cooling(&permitted)? {
                view.count_as_free(address);
                any = true;
            }
        }
        Ok(any)
    }

    fn reason_line(&self, request: &Request, reason: &str) -> LogLine {
        let container = &request.key.container_id;
        let message = format!("network {}: container {container}: {reason}", self.context.network);
        LogLine { level: LogLevel::Info, message }
    }

    fn log_short_cooldowns<L: Ledger>(
        &self,
        cooling: &[Cooling],
        request: &Request,
        view: &NetworkView<L>,
        log: &mut Vec<LogLine>,
    ) -> Result<(), StoreError> {
        for Cooling { address, since, .. } in cooling {
            let cooled = request.now.saturating_sub(*since);
            if cooled >= self.settings.cooldown_millis() {
                continue;
            }
            let (level, reason) = if view.is_own(*address)? {
                (LogLevel::Info, "its last holder came back")
            } else if request.requested.contains(address) {
                (LogLevel::Warn, "the runtime requested it")
            } else {
                (LogLevel::Warn, "no other address of its pool was free")
            };
            let message = format!(
                "network {}: {address} is in use again after {:.1} s instead of {:.1} s (ipam.cooldown): {reason}",
                self.context.network,
                seconds(cooled),
                seconds(self.settings.cooldown_millis()),
            );
            log.push(LogLine { level, message });
        }
        Ok(())
    }
}

fn warn_of_overlaps(occupied: &Occupied, network: &str, log: &mut Vec<LogLine>) {
    for (other, count) in occupied.networks() {
        let message = format!(
            "network {network}: network {other} of this node holds {count} of its addresses on the same link; give each \
             network a range of its own"
        );
        log.push(LogLine { level: LogLevel::Warn, message });
    }
}

#[allow(clippy::cast_precision_loss)] // For people, with one digit.
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
