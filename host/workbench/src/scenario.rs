//! One network on one node, in memory.

use std::time::Duration;

use gingham_engine::attachment::{Adopted, Context, Labels, PodFacts};
use gingham_engine::ipam::{self, IpamError, PoolRoom};
use gingham_engine::memory_ledger::MemoryStore;
use gingham_engine::pool::Pool;
use gingham_engine::runtime::{LogLine, Policy};
use gingham_engine::settings::Settings;
use gingham_engine::unknown_keys::UnknownKey;
use serde_json::Value;

use crate::block_claims::Cluster;
use crate::difference::Describe;
use crate::error::ScenarioError;
use crate::run::Run;

/// 2026-01-01 00:00 UTC, when every scenario begins: milliseconds since 1970-01-01 UTC.
pub const BEGINNING: u64 = 1_767_225_600_000;

/// The name of the network in the store, whatever it is called in its configuration.
pub(crate) const NAME: &str = "test";

/// A network: a policy, its configuration, and the leases it has given. Time stands still unless [advanced](Self::advance).
pub struct Scenario {
    pub(crate) policy: Policy,
    ipam: Value,
    pub(crate) settings: Settings,
    pub(crate) store: MemoryStore,
    pub(crate) now: u64,
    pub(crate) seed: u64,
    pub(crate) cluster: Cluster,
    pub(crate) facts: PodFacts,
    pub(crate) name: String,
    pub(crate) node_labels: Option<Labels>,
    /// What was adopted before the next call of the adoption hook.
    pub(crate) adopted: Option<Adopted>,
    pub(crate) rehearses: bool,
    pub(crate) traces: bool,
}

impl Scenario {
    /// A network without leases, with this object under `ipam`.
    pub fn new(policy: &Policy, ipam: Value) -> Result<Self, ScenarioError> {
        let settings = settings(&ipam)?;
        Ok(Self {
            policy: policy.clone(),
            ipam,
            settings,
            store: MemoryStore::new(),
            now: BEGINNING,
            seed: 0,
            cluster: Cluster::default(),
            facts: PodFacts::default(),
            name: NAME.to_owned(),
            node_labels: None,
            adopted: None,
            rehearses: true,
            traces: false,
        })
    }

    /// A scenario of its own in the same situation: what happens in one is not seen in the other.
    #[must_use]
    pub fn branch(&self) -> Self {
        Self {
            policy: self.policy.clone(),
            ipam: self.ipam.clone(),
            settings: self.settings.clone(),
            store: self.store.copy(),
            cluster: self.cluster.clone(),
            facts: self.facts.clone(),
            name: self.name.clone(),
            node_labels: self.node_labels.clone(),
            adopted: self.adopted.clone(),
            ..*self
        }
    }

    /// The configuration changes; leases, reservations and the policy's state stay.
    pub fn reconfigure(&mut self, ipam: Value) -> Result<(), ScenarioError> {
        self.settings = settings(&ipam)?;
        self.ipam = ipam;
        Ok(())
    }

    /// Another policy from now on, as after an upgrade; everything else stays.
    pub fn set_policy(&mut self, policy: &Policy) {
        self.policy = policy.clone();
    }

    /// Whether each step runs twice, to find policies that are not deterministic.
    pub fn set_rehearsal(&mut self, rehearses: bool) {
        self.rehearses = rehearses;
    }

    /// Whether each call of the host is noted in [`Run::trace`]. It takes time.
    pub fn set_trace(&mut self, traces: bool) {
        self.traces = traces;
    }

    /// The network's name in its configuration: `test` otherwise.
    pub fn set_network_name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// The labels of the node; none while they are unknown.
    pub fn set_node_labels(&mut self, labels: Option<Labels>) {
        self.node_labels = labels;
    }

    /// What requests know of their pods beyond what the runtime passes on.
    pub fn set_facts(&mut self, facts: PodFacts) {
        self.facts = facts;
    }

    /// Time passes.
    pub fn advance(&mut self, by: Duration) {
        self.now = self.now.saturating_add(millis(by));
    }

    /// The clock is set back.
    pub fn set_back(&mut self, by: Duration) {
        self.now = self.now.saturating_sub(millis(by));
    }

    /// The clock is set: milliseconds since 1970-01-01 UTC.
    pub fn set_now(&mut self, now: u64) {
        self.now = now;
    }

    /// What the clock shows: milliseconds since 1970-01-01 UTC.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The seeds of the requests from now on follow from this number.
    pub fn set_seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The object under `ipam`.
    pub fn ipam(&self) -> &Value {
        &self.ipam
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What requests see of the network and the node.
    pub fn context(&self) -> Context {
        Context { network: self.name.clone(), node: self.cluster.me.clone(), node_labels: self.node_labels.clone() }
    }

    /// The pools that the policy declares, or what it finds wrong in the configuration.
    pub fn check_config(&self) -> Run<Vec<Pool>> {
        let context = self.context();
        self.twice("the pools", |policy, log| {
            let prepared = ipam::prepare(policy, &self.settings, &context, log);
            prepared.map(|prepared| prepared.pools().iter().cloned().collect())
        })
    }

    /// Keys of the configuration that the policy does not know. None where it refuses the configuration: then the error
    /// has them.
    pub fn unknown_keys(&self) -> Vec<UnknownKey> {
        let prepared = ipam::prepare(&self.policy, &self.settings, &self.context(), &mut Vec::new());
        prepared.map_or_else(|_| Vec::new(), |prepared| prepared.unknown_keys().to_vec())
    }

    /// How full the pools are; those of a cluster policy as far as this node holds blocks of them.
    pub fn room(&self) -> Result<Vec<PoolRoom>, ScenarioError> {
        let mut log = Vec::new();
        let holdings = self.holdings(&mut log)?;
        Ok(self.room_in(holdings.as_ref(), &mut log)?)
    }

    /// Asks what changes nothing, twice.
    pub(crate) fn twice<T: Describe + PartialEq>(
        &self,
        what: &str,
        ask: impl Fn(&Policy, &mut Vec<LogLine>) -> Result<T, IpamError>,
    ) -> Run<T> {
        let once = || {
            let run: Result<Run<T>, std::convert::Infallible> =
                Run::of(&self.policy, self.traces, |policy, log| Ok(ask(policy, log)));
            let Ok(run) = run;
            run
        };
        let rehearsal = self.rehearses.then(once);
        let mut run = once();
        run.difference = rehearsal.and_then(|first| first.difference(&run, what, |answer| answer));
        run
    }
}

fn settings(ipam: &Value) -> Result<Settings, ScenarioError> {
    let object = ipam.as_object().ok_or_else(|| ScenarioError::NoObject { ipam: ipam.clone() })?;
    Ok(Settings::parse(object)?)
}

/// As requests have times.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
