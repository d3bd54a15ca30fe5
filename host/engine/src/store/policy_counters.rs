//! [`PolicyCounters`] in the store. They are kept only where a node agent reads them.

use std::collections::BTreeMap;

use super::facts::feed;
use super::key;
use super::snapshot::Snapshot;
use super::writer::Writer;
use super::{StoreError, StoreReader};
use crate::policy_counters::{MOST_COUNTED, PolicyCounters, RequestEnd};

impl StoreReader {
    /// By policy, NAME@sha256:HEX.
    pub fn policy_counters(&self, network: &str) -> Result<BTreeMap<String, PolicyCounters>, StoreError> {
        let txn = self.environment.read()?;
        let snapshot = Snapshot::new(&self.environment, &txn);
        let Some(network) = snapshot.network(network)? else { return Ok(BTreeMap::new()) };
        snapshot.policy_counters(network.id)
    }
}

impl Snapshot<'_> {
    fn policy_counters(&self, network: key::NetworkId) -> Result<BTreeMap<String, PolicyCounters>, StoreError> {
        let mut all = BTreeMap::new();
        self.scan(&key::prefix(key::Table::PolicyCounters, network), |key, value| {
            let policy = String::from_utf8_lossy(&key[key::PREFIX..]).into_owned();
            // What another version wrote and this one cannot read counts as nothing.
            all.extend(serde_json::from_slice(value).ok().map(|counters| (policy, counters)));
            Ok(true)
        })?;
        Ok(all)
    }
}

impl Writer<'_, '_> {
    pub(super) fn count_for_policy(&mut self, policy: &str, end: RequestEnd, now: u64) -> Result<(), StoreError> {
        if key::check_state_key(policy).is_err() || !feed(&self.snapshot())?.events {
            return Ok(());
        }
        let mut all = self.snapshot().policy_counters(self.id())?;
        let mut counters = all.remove(policy).unwrap_or(PolicyCounters { since: now, ..PolicyCounters::default() });
        counters.count(end);
        while all.len() >= MOST_COUNTED {
            let oldest = all.iter().min_by_key(|(_, counters)| counters.since).map(|(policy, _)| policy.clone());
            let Some(oldest) = oldest else { break };
            all.remove(&oldest);
            self.delete(&key::by_text(key::Table::PolicyCounters, self.id(), &oldest))?;
        }
        let json = self.json(&counters)?;
        self.put(&key::by_text(key::Table::PolicyCounters, self.id(), policy), &json)
    }
}
