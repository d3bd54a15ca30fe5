//! The records of one network as watches show them: for routes to other nodes, and for what a policy sees.
//!
//! Not for decisions: blocks and members may be of different moments, and both may lag behind. A claim that was proposed
//! from here is decided by the create.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gingham_ownership::shared_store::{Record, Version};
use serde_json::Value;

use crate::api::Api;
use crate::informer::{Cached, Informer, InformerSettings, ObjectKey, Signal};
use crate::name::{NetworkNameError, check_network};
use crate::object::{self, parse_version};
use crate::objects::Selection;
use crate::resource::Resource;
use crate::store::record;

/// Keeps a network's blocks, members and configuration. The watches end when it is dropped.
pub struct Watched {
    network: String,
    kinds: [(Resource, Informer); 3],
    signal: Arc<Signal>,
}

/// As a list of the store has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedRecords {
    /// Keys and records, in the order of the keys.
    pub records: Vec<(String, Record)>,
    /// Nothing that happened up to here is missing; some of the records may be later.
    pub at: Version,
}

impl Watched {
    /// Begins in the background. `silence` is [`crate::SILENCE`], except in tests.
    ///
    /// # Errors
    /// [`NetworkNameError`]: no object can have a name with this network's in it.
    pub fn start(api: &Api, network: &str, silence: Duration) -> Result<Self, NetworkNameError> {
        check_network(network)?;
        let signal = Arc::default();
        let informer = |resource: Resource, selection: Selection| {
            let (network, kind) = (network.to_owned(), resource.clone());
            let keep = move |object: Value| object::key(&network, &kind, &object).is_some().then_some(object);
            let settings = InformerSettings { resource: resource.clone(), selection, silence };
            (resource, Informer::start(api.clone(), settings, keep, &signal))
        };
        let this = Selection::fields(&format!("metadata.name={network}"));
        let kinds = [
            informer(Resource::blocks(), Selection::default()),
            informer(Resource::members(), Selection::default()),
            informer(Resource::networks(), this),
        ];
        Ok(Self { network: network.to_owned(), kinds, signal })
    }

    /// What is known; none until everything was listed once.
    pub fn records(&self) -> Option<WatchedRecords> {
        let mut known = WatchedRecords { records: Vec::new(), at: Version(u64::MAX) };
        for (resource, informer) in &self.kinds {
            let Cached { objects, version } = informer.cached()?;
            known.at = known.at.min(parse_version(&version).ok()?);
            let found = objects.values().filter_map(|found| record(&self.network, resource, found).ok().flatten());
            known.records.extend(found);
        }
        known.records.sort_by(|(a, _), (b, _)| a.cmp(b));
        Some(known)
    }

    /// The objects themselves of one of the kinds; none until they were listed once.
    pub fn objects(&self, resource: &Resource) -> Option<Arc<BTreeMap<ObjectKey, Arc<Value>>>> {
        let (_, informer) = self.kinds.iter().find(|(kind, _)| kind == resource)?;
        Some(informer.cached()?.objects)
    }

    /// Counts and awaits changes.
    pub fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// Waits until everything was listed once, or for `patience`.
    pub fn wait_until_listed(&self, patience: Duration) -> Option<WatchedRecords> {
        let end = Instant::now() + patience;
        loop {
            let changes = self.signal.changes();
            let left = end.saturating_duration_since(Instant::now());
            match self.records() {
                None if !left.is_zero() => drop(self.signal.wait(changes, left)),
                known => return known,
            }
        }
    }

    /// Why something is not current, as far as that is known.
    pub fn failure(&self) -> Option<String> {
        self.kinds.iter().find_map(|(_, informer)| informer.failure())
    }

    /// How many lists have come so far: three, and more after an API server was away for long.
    pub fn lists(&self) -> u64 {
        self.kinds.iter().map(|(_, informer)| informer.lists()).sum()
    }
}
