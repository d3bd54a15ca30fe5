//! What is known, and what of it each store has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gingham_engine::boot_id::{self, BootIdError};
use gingham_engine::clock;
use gingham_engine::facts::{Facts, Feed, KnownPod, NamespaceFacts, NodeFacts};
use gingham_engine::runtime::FactImports;
use gingham_engine::store::{Store, StoreError};
use serde_json::Value;
use tracing::{debug, warn};

use super::known;
use super::source::{Kind, News};
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

    pub(super) fn hear(&mut self, news: News) {
        let now = clock::now();
        match news {
            News::All(Kind::Pods, items) => self.pods = Some(known::all(items, |object| known::pod(object, now))),
            News::All(Kind::Namespaces, items) => {
                self.namespaces = Some(known::all(items, |object| known::namespace(object, now)));
            }
            News::All(Kind::Node, items) => self.node = Some(known::all(items, |object| known::node(object, now))),
            News::Changed(Kind::Pods, object) => put(&mut self.pods, known::pod(object, now)),
            News::Changed(Kind::Namespaces, object) => put(&mut self.namespaces, known::namespace(object, now)),
            News::Changed(Kind::Node, object) => put(&mut self.node, known::node(object, now)),
            News::Gone(kind, object) => self.forget(kind, &object),
        }
    }

    fn forget(&mut self, kind: Kind, object: &Value) {
        match kind {
            Kind::Pods => remove(&mut self.pods, known::pod_name(object)),
            Kind::Namespaces => remove(&mut self.namespaces, known::name(object)),
            Kind::Node => remove(&mut self.node, known::name(object)),
        }
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

fn put<K: Ord, T>(all: &mut Option<BTreeMap<K, T>>, one: Option<(K, T)>) {
    if let (Some(all), Some((name, facts))) = (all.as_mut(), one) {
        all.insert(name, facts);
    }
}

fn remove<K: Ord, T>(all: &mut Option<BTreeMap<K, T>>, name: Option<K>) {
    if let (Some(all), Some(name)) = (all, name) {
        all.remove(&name);
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
