//! A network that lives again what a history has of it, with any policy.

use std::collections::BTreeSet;
use std::net::IpAddr;

use gingham_engine::attachment::{AttachmentKey, Request};
use gingham_engine::cluster_policy::ClusterPolicy;
use gingham_engine::history::{CoolingAddress, Ended, HeldAddresses, Outcome, Requested, Snapshot, Start};
use gingham_engine::ipam::{IpamError, IpamResult};
use gingham_engine::ledger::{AttachmentRecord, Cooling, Ledger, LedgerQueries, Reservation};
use gingham_engine::memory_ledger::{MemoryLedger, MemoryStore};
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::Policy;
use gingham_ownership::grid::Grid;
use ipnet::IpNet;
use serde_json::Value;

use super::ReplayError;
use crate::scenario::NAME;
use crate::{Run, Scenario};

/// The key of the policy's configuration that the runtime sends.
const IP_RANGES: &str = "ipRanges";

/// A network in the middle of a history.
pub(crate) struct Player {
    policy: Policy,
    /// Instead of what the history has.
    ipam: Option<Value>,
    scenario: Option<Scenario>,
    boot: String,
    /// Attachments that must have ended, and of whose ends there is no line.
    unseen_ends: usize,
}

impl Player {
    pub(crate) fn new(policy: &Policy, ipam: Option<&Value>) -> Self {
        Self { policy: policy.clone(), ipam: ipam.cloned(), scenario: None, boot: String::new(), unseen_ends: 0 }
    }

    /// The configuration holds from now on. With another boot, the leases of containers are gone.
    pub(crate) fn start(&mut self, start: &Start) -> Result<(), ReplayError> {
        let mut ipam = self.ipam.clone().unwrap_or_else(|| Value::Object(start.ipam.clone()));
        if let Some(object) = ipam.as_object_mut() {
            // In a file it is an unknown key: no policy on a node sees it there.
            object.retain(|key, _| !key.eq_ignore_ascii_case(IP_RANGES));
        }
        match &mut self.scenario {
            Some(scenario) => scenario.reconfigure(ipam)?,
            None => {
                let mut scenario = Scenario::new(&self.policy, ipam)?;
                scenario.set_claiming(false);
                // Nobody looks at a second run of each call.
                scenario.set_rehearsal(false);
                self.scenario = Some(scenario);
            }
        }
        let is_boot = self.boot != start.boot && !self.boot.is_empty();
        self.boot.clone_from(&start.boot);
        let scenario = self.scenario()?;
        scenario.set_network_name(&start.network);
        scenario.set_node(&start.node);
        scenario.set_alone(scenario.settings().cluster.is_none());
        if is_boot { Ok(scenario.reboot()?) } else { Ok(()) }
    }

    /// Everything that is held, from now on.
    pub(crate) fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), ReplayError> {
        let scenario = self.scenario()?;
        scenario.store = MemoryStore::new();
        let mut ledger = scenario.ledger();
        for cooling in &snapshot.cooling {
            cool(&mut ledger, cooling)?;
        }
        for held in &snapshot.leases {
            ledger.attach(&key(&held.container_id, &held.interface), &record(held))?;
        }
        for reserved in &snapshot.reservations {
            let (address, key, until) = (reserved.address, reserved.key.clone(), reserved.until);
            ledger.reserve(&Reservation { address, key, until })?;
        }
        for entry in &snapshot.state {
            let value = entry.bytes().ok_or_else(|| ReplayError::State { key: entry.key.clone() })?;
            ledger.put_state(&entry.key, Some(&value))?;
        }
        Ok(ledger.commit()?)
    }

    /// Part of what makes a history less than what happened.
    pub(crate) fn unseen_ends_note(&self) -> Option<String> {
        let ends = match self.unseen_ends {
            0 => return None,
            1 => "the end of an attachment is".to_owned(),
            count => format!("the ends of {count} attachments are"),
        };
        Some(format!(
            "{ends} not in the history, as after a DEL by a configuration without `record`: it is taken to be just before \
             the address or the container is granted again, and differences may follow from that"
        ))
    }

    /// What the policy answers. What it got is leased until [`Self::settle`] puts right what is.
    pub(crate) fn ask(&mut self, requested: &Requested) -> Result<Asked, ReplayError> {
        let recorded = &requested.request;
        let scenario = self.scenario()?;
        scenario.set_now(recorded.now);
        scenario.set_node_labels(recorded.node_labels.clone());
        hold(scenario, requested)?;
        let request = recorded.request();
        let unseen = end_unseen(scenario, &request.key, &requested.outcome)?;
        let before = scenario.branch();
        let run = with_ip_ranges(scenario, recorded.ip_ranges.as_ref(), |scenario| Ok(scenario.add(&request)?))?;
        self.unseen_ends += unseen;
        Ok(Asked { request, run, before })
    }

    /// Makes the leases those of the history, whatever this policy answered. Its state stays its own.
    pub(crate) fn settle(&mut self, asked: Asked, outcome: &Outcome) -> Result<(), ReplayError> {
        let Outcome::Granted(answer) = outcome else {
            // A refused request changed nothing.
            self.scenario = Some(asked.before);
            return Ok(());
        };
        let addresses: Vec<IpAddr> = answer.addresses.iter().map(|assigned| assigned.address.addr()).collect();
        self.scenario()?.force(&asked, &addresses, answer.reason.clone())
    }

    /// An attachment ends, as the history has it.
    pub(crate) fn end(&mut self, ended: &Ended) -> Result<(), ReplayError> {
        let scenario = self.scenario()?;
        scenario.set_now(ended.now);
        let key = key(&ended.container_id, &ended.interface);
        let run = if ended.was_used {
            scenario.end(std::slice::from_ref(&key))
        } else {
            let cooling = ended.still_cooling.iter().map(still_cooling).collect();
            scenario.withdraw(&key, &IpamResult { cooling, ..IpamResult::default() })
        };
        run.result.map(|_| ()).map_err(ReplayError::Ipam)
    }

    /// An operator ends reservations.
    pub(crate) fn end_reservations(&mut self, addresses: &[IpAddr]) -> Result<(), ReplayError> {
        let mut ledger = self.scenario()?.ledger();
        for address in addresses {
            ledger.end_reservation(*address)?;
        }
        Ok(ledger.commit()?)
    }

    fn scenario(&mut self) -> Result<&mut Scenario, ReplayError> {
        self.scenario.as_mut().ok_or(ReplayError::NoStart)
    }
}

/// A request that the policy was asked, and the network as it was before.
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) run: Run<IpamResult>,
    before: Scenario,
}

impl Asked {
    pub(crate) fn new(request: Request, run: Run<IpamResult>, before: Scenario) -> Self {
        Self { request, run, before }
    }

    /// The network as if the policy had not been asked.
    pub(crate) fn into_before(self) -> Scenario {
        self.before
    }

    pub(crate) fn result(&self) -> &Result<IpamResult, IpamError> {
        &self.run.result
    }
}

impl Scenario {
    fn grids(&self) -> Result<Vec<Grid>, ReplayError> {
        let log = &mut Vec::new();
        let policy = ClusterPolicy::new(self.policy(), self.settings(), &self.context(), log)?;
        Ok(policy.grids().to_vec())
    }

    /// The container holds these addresses, whatever the policy answered.
    pub(crate) fn force(
        &mut self,
        asked: &Asked,
        addresses: &[IpAddr],
        reason: Option<String>,
    ) -> Result<(), ReplayError> {
        let mut ledger = self.ledger();
        if let Ok(result) = asked.result() {
            if result.addresses().eq(addresses.iter().copied()) {
                return Ok(());
            }
            ledger.withdraw(&asked.request.key, &result.cooling)?;
        }
        let record = AttachmentRecord {
            addresses: addresses.to_vec(),
            since: asked.request.now,
            boot: NAME.to_owned(),
            pod: asked.request.pod.clone(),
            reason,
            ..AttachmentRecord::default()
        };
        ledger.attach(&asked.request.key, &record)?;
        Ok(ledger.commit()?)
    }
}

/// A DEL whose configuration recorded nothing, a full disk or a kill leaves no line. What was granted afterwards shows it.
fn end_unseen(scenario: &mut Scenario, key: &AttachmentKey, outcome: &Outcome) -> Result<usize, ReplayError> {
    let Outcome::Granted(answer) = outcome else { return Ok(0) };
    let ledger = scenario.ledger();
    let mut ended = BTreeSet::new();
    if ledger.attachment(key)?.is_some() {
        ended.insert(key.clone());
    }
    for assigned in &answer.addresses {
        ended.extend(ledger.holder(assigned.address.addr())?);
    }
    drop(ledger);
    let ended: Vec<AttachmentKey> = ended.into_iter().collect();
    if !ended.is_empty() {
        scenario.end(&ended).result?;
    }
    Ok(ended.len())
}

/// In a cluster: the node holds the blocks that it held.
fn hold(scenario: &mut Scenario, requested: &Requested) -> Result<(), ReplayError> {
    let Some(ranges) = requested.held_blocks().filter(|_| scenario.policy().is_cluster()) else { return Ok(()) };
    let blocks: Vec<IpNet> = scenario.grids()?.iter().flat_map(|grid| blocks_within(grid, &ranges)).collect();
    let (me, held) = (scenario.context().node, scenario.claims().clone());
    for block in held.keys().filter(|block| !blocks.contains(block)) {
        scenario.unclaim(*block)?;
    }
    for block in blocks.iter().filter(|block| !held.contains_key(block)) {
        scenario.claim(&me, *block)?;
    }
    Ok(())
}

fn blocks_within(grid: &Grid, ranges: &RangeSet) -> Vec<IpNet> {
    let whole = ranges.iter().filter_map(|range| grid.whole_blocks(range));
    whole.flat_map(|(first, last)| (first..=last).filter_map(|index| grid.block(index))).collect()
}

/// The runtime may send ranges with a request: they are a key of the configuration while it lasts.
fn with_ip_ranges<T>(
    scenario: &mut Scenario,
    ip_ranges: Option<&Value>,
    ask: impl FnOnce(&mut Scenario) -> Result<T, ReplayError>,
) -> Result<T, ReplayError> {
    let Some(ip_ranges) = ip_ranges else { return ask(scenario) };
    let plain = scenario.ipam().clone();
    let mut with = plain.clone();
    if let Some(object) = with.as_object_mut() {
        object.insert(IP_RANGES.to_owned(), ip_ranges.clone());
    }
    scenario.reconfigure(with)?;
    let answer = ask(scenario)?;
    scenario.reconfigure(plain)?;
    Ok(answer)
}

fn key(container: &str, interface: &str) -> AttachmentKey {
    AttachmentKey { container_id: container.to_owned(), interface: interface.to_owned() }
}

fn record(held: &HeldAddresses) -> AttachmentRecord {
    AttachmentRecord {
        addresses: held.addresses.clone(),
        since: held.since,
        boot: NAME.to_owned(),
        pod: held.pod.clone(),
        reason: held.reason.clone(),
        ..AttachmentRecord::default()
    }
}

/// An address cools because an attachment ended.
fn cool(ledger: &mut MemoryLedger, cooling: &CoolingAddress) -> Result<(), ReplayError> {
    // An earlier version wrote down no holder, and a lease has one.
    let container = if cooling.container_id.is_empty() { "unknown" } else { cooling.container_id.as_str() };
    let key = key(container, &cooling.interface);
    let addresses = vec![cooling.address];
    ledger.attach(&key, &AttachmentRecord { addresses, pod: cooling.pod.clone(), ..AttachmentRecord::default() })?;
    ledger.detach(&key, cooling.freed_at)?;
    Ok(())
}

fn still_cooling(address: &CoolingAddress) -> Cooling {
    Cooling { address: address.address, since: address.freed_at, last_holder: None }
}
