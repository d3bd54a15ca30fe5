//! What is known, and what of it each store has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gingham_engine::boot_id::{self, BootIdError};
use gingham_engine::clock;
use gingham_engine::facts::{Facts, Feed, KnownPod, NamespaceFacts, NodeFacts};
use gingham_engine::runtime::FactImports;
use gingham_engine::store::{Store, StoreError};
use tracing::{debug, warn};

use super::Kind;
use super::known::{self, Objects};
use super::wanted::Wanted;

/// A store that was replaced meanwhile has them again after this time.
const CHECK_INTERVAL: Duration = Duration::from_mins(1);

#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Boot(#[from] BootIdError),
}

/// None of a kind: not listed yet.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    wanted: Wanted,
    heard: BTreeMap<Kind, Arc<Objects>>,
    node: Option<BTreeMap<String, NodeFacts>>,
    namespaces: Option<BTreeMap<String, NamespaceFacts>>,
    pods: Option<BTreeMap<(String, String), KnownPod>>,
    written: BTreeMap<PathBuf, (Facts, Instant)>,
    /// Stores that could not be written, so that this is logged once.
    failed: BTreeSet<PathBuf>,
}

impl Keeper {
    pub(super) fn want(&mut self, wanted: Wanted) {
        let kinds = wanted.kinds();
        // What is not watched any more becomes old.
        self.heard.retain(|kind, _| kinds.contains(kind));
        if !kinds.contains(&Kind::Pods) {
            self.pods = None;
        }
        if !kinds.contains(&Kind::Namespaces) {
            self.namespaces = None;
        }
        if !kinds.contains(&Kind::Node) {
            self.node = None;
        }
        self.wanted = wanted;
    }

    /// What the API server has of a kind.
    pub(super) fn hear(&mut self, kind: Kind, objects: Arc<Objects>) {
        // Held, so that an informer that changes them makes others.
        if self.heard.get(&kind).is_some_and(|heard| Arc::ptr_eq(heard, &objects)) {
            return;
        }
        match kind {
            Kind::Pods => self.pods = Some(known::all(&objects, known::pod)),
            Kind::Namespaces => self.namespaces = Some(known::all(&objects, known::namespace)),
            Kind::Node => self.node = Some(known::all(&objects, known::node)),
        }
        self.heard.insert(kind, objects);
    }

    /// Brings every store up to date. One that fails is tried again with the next news.
    pub(super) fn write(&mut self) {
        let due: Vec<_> = self.wanted.of().map(|(directory, imports)| (directory.to_owned(), imports)).collect();
        for (directory, imports) in due {
            match self.write_one(&directory, imports) {
                Ok(()) => drop(self.failed.remove(&directory)),
                Err(error) => {
                    if self.failed.insert(directory.clone()) {
                        warn!("policies do not learn facts of Kubernetes: {error}");
                    }
                }
            }
        }
    }

    fn write_one(&mut self, directory: &Path, imports: FactImports) -> Result<(), KeepError> {
        let last = self.written.get(directory);
        let before = last.map(|(facts, _)| facts.clone());
        let before = before.map_or_else(|| read(directory), Ok)?;
        let facts = self.facts(imports, before.clone());
        let is_due = last.is_none_or(|(_, at)| at.elapsed() > CHECK_INTERVAL);
        if !is_due && facts.say_the_same_as(&before) {
            return Ok(());
        }
        if !facts.say_the_same_as(&read(directory)?) {
            let store = Store::open(directory, &boot_id::read()?, clock::now())?;
            store.events().iter().for_each(|event| warn!("{event}"));
            let kept = store.keep_facts(&facts)?;
            debug!(changes = kept.changes, directory = %directory.display(), "facts of Kubernetes kept");
            if kept.left_out > 0 {
                warn!("{} pods are more than can be kept: their facts are unknown to policies", kept.left_out);
            }
        }
        self.written.insert(directory.to_owned(), (facts, Instant::now()));
        Ok(())
    }

    /// What a store is to have. Of a kind that is not listed yet, it keeps what it has from an earlier agent.
    fn facts(&self, imports: FactImports, before: Facts) -> Facts {
        let feed = Feed { facts: imports.any(), events: true };
        let node = match &self.node {
            Some(node) => node.values().next().cloned(),
            None => before.node,
        };
        let namespaces = match (&self.pods, &self.namespaces) {
            (Some(pods), Some(namespaces)) => {
                let of_pods: BTreeSet<&String> = pods.keys().map(|(namespace, _)| namespace).collect();
                let known = |name: &String| Some((name.clone(), namespaces.get(name)?.clone()));
                of_pods.into_iter().filter_map(known).collect()
            }
            _ => before.namespaces,
        };
        let pods = self.pods.clone().unwrap_or(before.pods);
        Facts {
            feed,
            node: node.filter(|_| imports.node),
            namespaces: if imports.namespace { namespaces } else { BTreeMap::new() },
            pods: if imports.pod || imports.annotations { pods } else { BTreeMap::new() },
        }
    }
}

fn read(directory: &Path) -> Result<Facts, StoreError> {
    Store::open_read_only(directory)?.map_or(Ok(Facts::default()), |store| store.facts())
}

pub(super) fn forget_all(directory: &Path) -> Result<(), KeepError> {
    if read(directory)? != Facts::default() {
        Store::open(directory, &boot_id::read()?, clock::now())?.keep_facts(&Facts::default())?;
    }
    Ok(())
}
