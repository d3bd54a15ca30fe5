//! Facts of Kubernetes for policies: what the API server has of this node, its pods and their namespaces goes into the stores
//! that the plugin reads. Only what a policy of this node can read is watched.

mod keeper;
mod known;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use gingham_engine::clock;
use gingham_kubernetes::{Informer, InformerSettings, Resource, SILENCE, Selection, Signal};
use gingham_network::published::staging;
use tracing::warn;

use crate::disk_state::DiskState;
use crate::kubernetes::Kubernetes;
use crate::networks::{self, Directories, Found};
use keeper::Keeper;
use wanted::Wanted;
pub(crate) use wanted::configured;

/// Between two looks at which facts the policies can read.
const WANTED_INTERVAL: Duration = Duration::from_secs(10);

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Pods,
    Namespaces,
    Node,
}

/// Where the agent finds this node's networks and keeps what it knows.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) config_dir: PathBuf,
    pub(crate) library: PathBuf,
    pub(crate) data_dir: PathBuf,
}

impl Places {
    /// Those that wait to be published count: facts are there when their first pods come.
    pub(crate) fn networks(&self) -> Found {
        networks::read_all(&Directories { configured: self.config_dir.clone(), staged: staging(&self.data_dir) })
    }

    /// Of the configurations and the policies.
    fn disk_state(&self) -> DiskState {
        DiskState::of([self.config_dir.clone(), staging(&self.data_dir), self.library.clone()])
    }
}

/// Starts a thread that runs until the process ends.
pub(crate) fn start(kubernetes: Kubernetes, places: Places) -> io::Result<()> {
    thread::Builder::new().name("facts".to_owned()).spawn(move || run(&kubernetes, &places)).map(drop)
}

fn run(kubernetes: &Kubernetes, places: &Places) {
    let signal = Arc::default();
    let mut sources: BTreeMap<Kind, Informer> = BTreeMap::new();
    let mut keeper = Keeper::default();
    let (mut due, mut seen) = (Instant::now(), 0);
    let mut disk = places.disk_state();
    loop {
        // Machine code is loaded to see what a policy imports.
        if Instant::now() >= due && disk.has_changed() {
            let wanted = Wanted::read(places);
            sources.retain(|kind, _| wanted.kinds().contains(kind));
            for kind in wanted.kinds() {
                sources.entry(*kind).or_insert_with(|| source(kubernetes, *kind, &signal));
            }
            keeper.want(wanted);
        }
        if Instant::now() >= due {
            due = Instant::now() + WANTED_INTERVAL;
        }
        for (kind, source) in &sources {
            source.cached().into_iter().for_each(|cached| keeper.hear(*kind, cached.objects));
        }
        keeper.write();
        seen = signal.wait(seen, due.saturating_duration_since(Instant::now()));
    }
}

fn source(Kubernetes { api, node, .. }: &Kubernetes, kind: Kind, signal: &Arc<Signal>) -> Informer {
    let (resource, fields) = match kind {
        Kind::Pods => (Resource::pods(), Some(format!("spec.nodeName={node}"))),
        Kind::Namespaces => (Resource::namespaces(), None),
        Kind::Node => (Resource::nodes(), Some(format!("metadata.name={node}"))),
    };
    let settings = InformerSettings { resource, selection: Selection { labels: None, fields }, silence: SILENCE };
    Informer::start(api.clone(), settings, |object| Some(known::kept(&object, clock::now())), signal)
}

/// Where the plugin of this node's networks looks. No policy is loaded for it.
pub(crate) fn directories(places: &Places) -> BTreeSet<PathBuf> {
    let found = places.networks();
    let directory = |network| Some(configured(network, &places.library).ok()?.settings().ok()?.data_dir);
    let networks = found.all();
    networks.filter_map(directory).chain([places.data_dir.clone()]).collect()
}

/// Without Kubernetes no agent writes facts, and no ADD may wait for one that an earlier agent promised.
pub(crate) fn switch_off(places: &Places) {
    for directory in directories(places) {
        if let Err(error) = keeper::forget_all(&directory) {
            warn!("the facts in {} are kept, though they are not kept up to date: {error}", directory.display());
        }
    }
}
