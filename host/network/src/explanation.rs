//! Why an address is given or not: each rule of the host as it holds now, and what a new request would get. Nothing is changed.

use std::net::IpAddr;

use gingham_cluster::{Claimed, Cluster};
use gingham_engine::attachment::{AttachmentKey, Pod};
use gingham_engine::clock;
use gingham_engine::ipam::{self, IpamResult};
use gingham_engine::ledger::LedgerQueries;
use gingham_engine::memory_ledger::MemoryStore;
use gingham_engine::store::ReadLedger;

use crate::error::NetworkError;
use crate::network::Addresses;
use crate::records::Records;

/// A rule of the guard, for one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// "pool", "block", "draining", "exclude", "special", "node", "network", "lease", "reservation" or "cooldown".
    pub name: &'static str,
    /// Whether an answer with the address passes it.
    pub passes: bool,
    /// What was found, as a sentence without a full stop.
    pub found: String,
}

impl Rule {
    /// One that passes if nothing was found.
    fn unless(name: &'static str, found: Option<String>, otherwise: &str) -> Self {
        Self { name, passes: found.is_none(), found: found.unwrap_or_else(|| otherwise.to_owned()) }
    }
}

/// The store is read once for all rules of an address.
struct Rules<'r> {
    address: IpAddr,
    addresses: &'r Addresses<'r>,
    ledger: Option<ReadLedger>,
    now: u64,
}

impl Addresses<'_> {
    /// Every rule that an answer with this address must pass.
    pub fn rules(&self, address: IpAddr) -> Result<Vec<Rule>, NetworkError> {
        let records = self.management.records()?;
        let rules = Rules { address, addresses: self, ledger: records.look()?, now: clock::now() };
        let mut all = vec![rules.pool()];
        all.extend(rules.block(&records)?);
        all.extend(rules.draining());
        all.extend([rules.exclude(), rules.special(), rules.node()?]);
        all.extend([rules.network(records.link())?, rules.lease()?, rules.reservation()?, rules.cooldown()?]);
        Ok(all)
    }

    /// What a new container of this pod would get now, or why it would get nothing. The transaction is not committed.
    pub fn next(&self, pod: &Pod) -> Result<IpamResult, NetworkError> {
        let records = self.management.records()?;
        let key = AttachmentKey { container_id: "a-new-container".to_owned(), interface: "eth0".to_owned() };
        let (request, record) = self.management.question(key, pod, &records)?;
        let (settings, context) = (&self.management.settings, self.management.context());
        let policy = self.management.policy(&self.choice)?;
        let mut log = Vec::new();
        let Some(ledger) = records.uncommitted()? else {
            let prepared = ipam::prepare(policy, settings, &context, &mut log)?;
            let ledger = MemoryStore::new().ledger(self.network.name());
            return Ok(prepared.allocate_uncommitted(ledger, &request, &record, &mut log)?.0);
        };
        let prepared = ipam::prepare(policy, settings, &context, &mut log)?;
        let prepared = match self.claimed(&records, &ledger)? {
            Some(Claimed::Blocks(blocks)) => prepared.restrict(&blocks.all, blocks.block_map.clone()),
            _ => prepared,
        };
        Ok(prepared.allocate_uncommitted(ledger, &request, &record, &mut log)?.0)
    }

    /// None where the range is not divided among nodes.
    fn claimed(&self, records: &Records<'_>, ledger: &impl LedgerQueries) -> Result<Option<Claimed>, NetworkError> {
        let settings = &self.management.settings;
        if settings.cluster.is_none() {
            return Ok(None);
        }
        Ok(Some(Cluster::new(self.network.name(), settings, records.boot())?.claimed(ledger)?))
    }
}

impl Rules<'_> {
    fn pool(&self) -> Rule {
        match self.addresses.pools.locate(self.address) {
            Some((pool, part)) => {
                Rule { name: "pool", passes: true, found: format!("it is in pool {}, range {}", pool.name, part.range) }
            }
            None => Rule { name: "pool", passes: false, found: "it is in no pool of the policy".to_owned() },
        }
    }

    /// Only in a cluster.
    fn block(&self, records: &Records<'_>) -> Result<Option<Rule>, NetworkError> {
        let Some(ledger) = &self.ledger else { return Ok(None) };
        let not_ours = |found: &str| Rule { name: "block", passes: false, found: found.to_owned() };
        Ok(match self.addresses.claimed(records, ledger)? {
            None | Some(Claimed::All) => None,
            Some(Claimed::Blocks(blocks)) => Some(match blocks.all.holding(self.address) {
                Some(block) => Rule { name: "block", passes: true, found: format!("this node holds {block}") },
                None => not_ours("it is in none of the blocks that this node holds"),
            }),
            Some(Claimed::NotJoined | Claimed::Unsettled) => Some(not_ours("this node holds no block yet")),
        })
    }

    /// Only of an address in a range.
    fn draining(&self) -> Option<Rule> {
        self.addresses.pools.locate(self.address)?;
        let is_draining = self.addresses.pools.is_draining(self.address);
        let found = is_draining.then(|| "its range is draining: it hands out nothing new".to_owned());
        Some(Rule::unless("draining", found, "its range is not draining"))
    }

    fn exclude(&self) -> Rule {
        let range = self.addresses.management.settings.exclude.holding(self.address);
        Rule::unless("exclude", range.map(|range| format!("ipam.exclude has {range}")), "ipam.exclude does not have it")
    }

    fn special(&self) -> Rule {
        let is_special = self.addresses.pools.is_unusable(self.address);
        let found = is_special.then(|| "it is a network, broadcast or gateway address".to_owned());
        Rule::unless("special", found, "it is no network, broadcast or gateway address")
    }

    fn node(&self) -> Result<Rule, NetworkError> {
        let is_nodes = gingham_net::address::of_node()?.contains(&self.address);
        let found = is_nodes.then(|| "this node has it on one of its interfaces".to_owned());
        Ok(Rule::unless("node", found, "no interface of this node has it"))
    }

    fn network(&self, link: Option<&str>) -> Result<Rule, NetworkError> {
        let range = gingham_engine::address::IpRange::single(self.address);
        let held = self.ledger.as_ref().map_or(Ok(Vec::new()), |ledger| ledger.held_by_others(&[range], link))?;
        let found = held.first().map(|(_, network)| format!("network {network} holds it on the same link"));
        Ok(Rule::unless("network", found, "no other network of this node holds it on the same link"))
    }

    fn lease(&self) -> Result<Rule, NetworkError> {
        let holder = self.ledger.as_ref().map_or(Ok(None), |ledger| ledger.holder(self.address))?;
        let found = holder.map(|key| format!("container {}, interface {}, holds it", key.container_id, key.interface));
        Ok(Rule::unless("lease", found, "it is not leased"))
    }

    fn reservation(&self) -> Result<Rule, NetworkError> {
        let reservation = self.ledger.as_ref().map_or(Ok(None), |ledger| ledger.reservation(self.address))?;
        let current = reservation.filter(|reservation| reservation.until > self.now);
        let found = current.map(|current| {
            let seconds = (current.until - self.now).div_ceil(1000);
            format!("it is reserved for {:?} for another {seconds} s", current.key)
        });
        Ok(Rule::unless("reservation", found, "it is not reserved"))
    }

    fn cooldown(&self) -> Result<Rule, NetworkError> {
        let Some(ledger) = &self.ledger else { return Ok(Rule::unless("cooldown", None, "it is not cooling")) };
        let cooldown = u64::try_from(self.addresses.management.settings.cooldown.as_millis()).unwrap_or(u64::MAX);
        let since = ledger.cooling_since(self.address)?;
        let left = since.map(|since| since.saturating_add(cooldown).saturating_sub(self.now).div_ceil(1000));
        let holder = ledger.last_holder(self.address)?.map(|(holder, _)| holder.key.container_id);
        let found = left.filter(|left| *left > 0).map(|left| {
            let of = holder.map(|container| format!(" after its use by container {container}")).unwrap_or_default();
            format!("it is cooling{of} for another {left} s (ipam.cooldown); it is free to its last holder, and when no other address is")
        });
        Ok(Rule::unless("cooldown", found, "it is not cooling"))
    }
}
