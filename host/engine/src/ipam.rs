//! The heart: what happens to a request between the policy and the ledger. Everything that hands out or takes back an
//! address comes through here, on a node and in a policy's tests alike.

mod error;
mod prepared;
mod release;

use ipnet::IpNet;

use crate::attachment::{Answer, Refusal, Request};
use crate::guard::{self, GuardError};
use crate::ledger::{AttachmentRecord, Cooling, Ledger, Masquerade, recorded};
use crate::network_view::NetworkView;
use crate::occupied::Occupied;
use crate::pool::Pools;
use crate::runtime::{LogLevel, LogLine, PolicyFault, Session, Usage};
use crate::settings::Settings;
use crate::store_error::StoreError;

pub(crate) use error::call_error;
pub use error::{ClusterFault, IpamError};
pub use prepared::{PoolRoom, Prepared, prepare};
pub use release::{release, tell_adoption, withdraw};

/// Addresses whose rest, and reservations whose time, may end within one request; more wait for the next one.
const RESTS_ENDED: usize = 256;

/// A request granted and durable.
#[derive(Debug, Clone)]
pub struct Granted {
    /// What the container gets.
    pub answer: Answer,
    /// The networks its addresses lie in, in the order of the addresses: what masquerading must leave alone.
    pub prefixes: Vec<IpNet>,
    /// The networks of all pools of the policy, each once.
    pub networks: Vec<IpNet>,
    /// Those of its addresses that cooled when they were granted.
    pub cooling: Vec<Cooling>,
    /// What the policy cost.
    pub usage: Usage,
}

impl<L: Ledger + 'static> Prepared<'_, L> {
    /// Lets the policy choose, checks its choice and commits it. After an error the ledger is as it was.
    ///
    /// # Errors
    /// [`IpamError`]
    pub fn allocate(
        self,
        ledger: L,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<Granted, IpamError> {
        let (granted, ledger) = self.grant(ledger, request, record, log)?;
        ledger.commit()?;
        Ok(granted)
    }

    /// The same without committing it: for who records more in the same transaction.
    ///
    /// # Errors
    /// [`IpamError`]
    pub fn grant(
        mut self,
        mut ledger: L,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<(Granted, L), IpamError> {
        if let Some((_, known)) = recorded(&ledger, &request.key)? {
            return Err(IpamError::AlreadyAttached { key: request.key.clone(), addresses: known.addresses });
        }
        let rested = request.now.saturating_sub(millis(self.settings));
        ledger.end_rest(rested, RESTS_ENDED)?;
        ledger.end_reservations(request.now, RESTS_ENDED)?;
        let occupied = Occupied::of(&ledger, &self.pools, request, record)?;
        warn_of_overlaps(&occupied, &self.context.network, log);
        let view = NetworkView::new(ledger, self.pools.clone(), self.settings.exclude.clone())?;
        let mut view = view.at(request.now).asked_by(&request.key, &request.pod);
        view.occupy(occupied);
        request.requested.iter().for_each(|address| view.wake(*address));
        let (said, mut view) = self.ask(view, request, log)?;
        let (said, mut view) = match said {
            Err(Refusal::Exhausted(_)) if self.reuses_early && self.wake_longest_resting(&mut view)? => {
                self.ask_again(view, request, log)?
            }
            said => (said, view),
        };
        let name = || self.policy.name().to_owned();
        let answer = said.map_err(|refusal| IpamError::Refused { policy: name(), refusal })?;
        guard::check(&answer, request, &mut view).map_err(|error| match error {
            GuardError::Store(store) => IpamError::Store(store),
            source => IpamError::Guard { policy: name(), source },
        })?;
        let cooling = cooling(&answer, &view)?;
        self.tell_of_short_rests(&cooling, request, &view, log)?;
        log.extend(answer.reason.as_ref().map(|reason| self.reason_line(request, reason)));
        let prefixes = prefixes(&answer, view.pools());
        let mut ledger = view.into_ledger()?;
        let addresses = answer.addresses.iter().map(|assigned| assigned.address.addr()).collect();
        let masquerade = record.masquerade.clone().map(|masquerade| {
            let within = if masquerade.wanted { prefixes.clone() } else { Vec::new() };
            Masquerade { within, ..masquerade }
        });
        let reason = answer.reason.clone();
        ledger.attach(&request.key, &AttachmentRecord { addresses, reason, masquerade, ..record.clone() })?;
        let (networks, usage) = (self.pools.networks(), self.session.usage());
        Ok((Granted { answer, prefixes, networks, cooling, usage }, ledger))
    }

    fn ask(
        &mut self,
        view: NetworkView<L>,
        request: &Request,
        log: &mut Vec<LogLine>,
    ) -> Result<(Result<Answer, Refusal>, NetworkView<L>), IpamError> {
        self.session.show(view);
        let said = self.session.allocate(&self.settings.policy_config, request);
        log.append(&mut self.session.take_log());
        let said = said.map_err(|error| call_error(self.policy, error))?;
        let gone = || PolicyFault::Misfit { reason: "the view of the leases was lost".to_owned() };
        let view = self.session.hide().ok_or_else(gone).map_err(|fault| call_error(self.policy, fault.into()))?;
        Ok((said, view))
    }

    /// The second try, in a fresh instance, as if the first had not been.
    fn ask_again(
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

    /// Lets the longest-resting address of each pool count as free. Says whether there was one.
    fn wake_longest_resting(&self, view: &mut NetworkView<L>) -> Result<bool, StoreError> {
        let mut any = false;
        for pool in self.pools.iter() {
            let open = pool.ranges.iter().filter(|part| !part.draining);
            let mut permitted = view.permitted(open.map(|part| part.range));
            permitted.sort_unstable();
            if let Some((address, _)) = view.ledger().longest_resting(&permitted)? {
                view.wake(address);
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

    fn tell_of_short_rests(
        &self,
        cooling: &[Cooling],
        request: &Request,
        view: &NetworkView<L>,
        log: &mut Vec<LogLine>,
    ) -> Result<(), StoreError> {
        for Cooling { address, since, .. } in cooling {
            let rested = request.now.saturating_sub(*since);
            if rested >= millis(self.settings) {
                continue;
            }
            let (level, reason) = if view.is_own(*address)? {
                (LogLevel::Info, "whoever had it last came back")
            } else if request.requested.contains(address) {
                (LogLevel::Warn, "it was asked for by name")
            } else {
                (LogLevel::Warn, "no other address of its pool was free")
            };
            let message = format!(
                "network {}: {address} is in use again after {:.1} s of rest instead of {:.1} s, because {reason}",
                self.context.network,
                seconds(rested),
                seconds(millis(self.settings)),
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

fn millis(settings: &Settings) -> u64 {
    u64::try_from(settings.cooldown.as_millis()).unwrap_or(u64::MAX)
}

#[allow(clippy::cast_precision_loss)] // For people, with one digit.
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

/// Those of an answer's addresses that cool.
fn cooling<L: Ledger>(answer: &Answer, view: &NetworkView<L>) -> Result<Vec<Cooling>, StoreError> {
    let mut cooling = Vec::new();
    for address in answer.addresses.iter().map(|assigned| assigned.address.addr()) {
        let Some(since) = view.ledger().resting_since(address)? else { continue };
        let last_holder = view.ledger().last_holder(address)?.map(|(holder, _)| holder);
        cooling.push(Cooling { address, since, last_holder });
    }
    Ok(cooling)
}

fn prefixes(answer: &Answer, pools: &Pools) -> Vec<IpNet> {
    let prefix = |address| pools.locate(address).map(|(_, part)| part.prefix);
    answer.addresses.iter().filter_map(|assigned| prefix(assigned.address.addr())).collect()
}
