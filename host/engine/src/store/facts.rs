//! The facts of Kubernetes in the store: of the node, not of one network.

use std::collections::BTreeMap;

use heed::{RoTxn, RwTxn};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::environment::{Durability, Environment};
use super::key::{self, FactKind};
use super::snapshot::Snapshot;
use super::{Store, StoreError, StoreReader};
use crate::facts::{Facts, Feed, KnownPod, MOST_PODS, NamespaceFacts, NodeFacts, Observed};

/// What writing facts did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Records that were written or removed.
    pub changes: usize,
    /// Pods for which there was no room.
    pub left_out: usize,
}

impl Store {
    /// Makes these the facts of this store: what differs is written, and what is not among them is removed.
    ///
    /// # Errors
    /// Any [`StoreError`]; the facts are then as they were.
    pub fn keep_facts(self, facts: &Facts) -> Result<Kept, StoreError> {
        let before = read_all(&self.environment, &self.environment.read()?)?;
        let mut writing = Writing { environment: &self.environment, txn: self.environment.write()?, changes: 0 };
        if before.feed != facts.feed {
            writing.put(FactKind::Feed, "", &facts.feed)?;
        }
        let node = |facts: &Facts| facts.node.iter().map(|node| (String::new(), node.clone())).collect();
        writing.settle(FactKind::Node, &node(&before), &node(facts))?;
        writing.settle(FactKind::Namespace, &before.namespaces, &facts.namespaces)?;
        let pods = |facts: &Facts| {
            facts
                .pods
                .iter()
                .take(MOST_PODS)
                .map(|((namespace, name), pod)| (pod_key(namespace, name), pod.clone()))
                .collect()
        };
        writing.settle(FactKind::Pod, &pods(&before), &pods(facts))?;
        let kept = Kept { changes: writing.changes, left_out: facts.pods.len().saturating_sub(MOST_PODS) };
        if kept.changes > 0 {
            self.environment.commit(writing.txn, Durability::LastMayBeUndone)?;
        }
        Ok(kept)
    }
}

impl Store {
    /// Makes this what is known of one pod, or nothing, and returns what was known of it before.
    ///
    /// # Errors
    /// Any [`StoreError`]; the facts are then as they were.
    pub fn keep_pod(
        self,
        (namespace, name): (&str, &str),
        pod: Option<&KnownPod>,
    ) -> Result<Option<KnownPod>, StoreError> {
        let mut facts = read_all(&self.environment, &self.environment.read()?)?;
        let before = facts.pods.remove(&(namespace.to_owned(), name.to_owned()));
        let key = pod_key(namespace, name);
        let only = |pod: Option<&KnownPod>| pod.map(|pod| (key.clone(), pod.clone())).into_iter().collect();
        let mut writing = Writing { environment: &self.environment, txn: self.environment.write()?, changes: 0 };
        writing.settle(FactKind::Pod, &only(before.as_ref()), &only(pod))?;
        if writing.changes > 0 {
            self.environment.commit(writing.txn, Durability::LastMayBeUndone)?;
        }
        Ok(before)
    }
}

impl StoreReader {
    /// All facts.
    pub fn facts(&self) -> Result<Facts, StoreError> {
        read_all(&self.environment, &self.environment.read()?)
    }

    pub fn feed(&self) -> Result<Feed, StoreError> {
        Ok(self.fact(FactKind::Feed, "")?.unwrap_or_default())
    }

    pub fn node_facts(&self) -> Result<Option<NodeFacts>, StoreError> {
        self.fact(FactKind::Node, "")
    }

    pub fn namespace_facts(&self, name: &str) -> Result<Option<NamespaceFacts>, StoreError> {
        self.fact(FactKind::Namespace, name)
    }

    pub fn pod_facts(&self, namespace: &str, name: &str) -> Result<Option<KnownPod>, StoreError> {
        self.fact(FactKind::Pod, &pod_key(namespace, name))
    }

    fn fact<T: DeserializeOwned>(&self, kind: FactKind, name: &str) -> Result<Option<T>, StoreError> {
        let Some(key) = key::fact(kind, name) else { return Ok(None) };
        let txn = self.environment.read()?;
        let snapshot = Snapshot::new(&self.environment, &txn);
        snapshot.get(&key)?.map(|bytes| read(&snapshot, bytes)).transpose()
    }
}

/// What the agent does, within a transaction.
pub(super) fn feed(snapshot: &Snapshot<'_>) -> Result<Feed, StoreError> {
    let Some(key) = key::fact(FactKind::Feed, "") else { return Ok(Feed::default()) };
    snapshot.get(&key)?.map_or(Ok(Feed::default()), |bytes| read(snapshot, bytes))
}

/// No name of Kubernetes has a slash.
fn pod_key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

fn read_all(environment: &Environment, txn: &RoTxn<'_, heed::WithoutTls>) -> Result<Facts, StoreError> {
    let snapshot = Snapshot::new(environment, txn);
    let node: BTreeMap<String, NodeFacts> = all(&snapshot, FactKind::Node)?;
    let pods = all(&snapshot, FactKind::Pod)?.into_iter().filter_map(|(key, pod)| {
        let (namespace, name) = key.split_once('/')?;
        Some(((namespace.to_owned(), name.to_owned()), pod))
    });
    Ok(Facts {
        feed: all(&snapshot, FactKind::Feed)?.into_values().next().unwrap_or_default(),
        node: node.into_values().next(),
        namespaces: all(&snapshot, FactKind::Namespace)?,
        pods: pods.collect(),
    })
}

fn all<T: DeserializeOwned>(snapshot: &Snapshot<'_>, kind: FactKind) -> Result<BTreeMap<String, T>, StoreError> {
    let mut all = BTreeMap::new();
    let prefix = key::facts(kind);
    snapshot.scan(&prefix, |key, value| {
        let name = std::str::from_utf8(&key[prefix.len()..]).map_err(|_| snapshot.broken("the name of a fact"))?;
        all.insert(name.to_owned(), read(snapshot, value)?);
        Ok(true)
    })?;
    Ok(all)
}

fn read<T: DeserializeOwned>(snapshot: &Snapshot<'_>, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|_| snapshot.broken("a fact"))
}

struct Writing<'e> {
    environment: &'e Environment,
    txn: RwTxn<'e>,
    changes: usize,
}

impl Writing<'_> {
    fn settle<T: Observed + Serialize>(
        &mut self,
        kind: FactKind,
        before: &BTreeMap<String, T>,
        wanted: &BTreeMap<String, T>,
    ) -> Result<(), StoreError> {
        for (name, facts) in wanted {
            if !before.get(name).is_some_and(|known| known.says_the_same_as(facts)) {
                self.put(kind, name, facts)?;
            }
        }
        for name in before.keys().filter(|name| !wanted.contains_key(*name)) {
            let Some(key) = key::fact(kind, name) else { continue };
            self.environment.tree().delete(&mut self.txn, &key).map_err(|error| self.fault(error))?;
            self.changes += 1;
        }
        Ok(())
    }

    fn put(&mut self, kind: FactKind, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        // Longer than any name in Kubernetes.
        let Some(key) = key::fact(kind, name) else { return Ok(()) };
        let json = serde_json::to_vec(value).map_err(|error| self.fault(heed::Error::Encoding(error.into())))?;
        self.environment.tree().put(&mut self.txn, &key, &json).map_err(|error| self.fault(error))?;
        self.changes += 1;
        Ok(())
    }

    fn fault(&self, error: heed::Error) -> StoreError {
        StoreError::lmdb("keep facts in the lease store", self.environment.path(), error)
    }
}
