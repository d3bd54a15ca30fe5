//! What an API server has of a kind, kept current by a list and watches: in the steady state nothing is listed.
//!
//! This is hearsay, and may lag behind. Where a decision needs what is stored now, ask the API.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::Api;
use crate::backoff::Backoff;
use crate::objects::{ApiError, Objects, Selection};
use crate::resource::Resource;
use crate::status::Status;
use crate::watch::{Event, Next, Stop, Watch};

/// For a list, and for the beginning of a watch.
const TIMEOUT: Duration = Duration::from_mins(1);

/// How long a watch may be silent before the store is asked whether it has reached the version at all: after a restore
/// from a backup it may not have. Where a kind does not change, an API server of Kubernetes 1.20 sends no bookmark either.
pub const SILENCE: Duration = Duration::from_mins(10);

/// What an informer keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InformerSettings {
    pub resource: Resource,
    pub selection: Selection,
    /// See [`SILENCE`].
    pub silence: Duration,
}

/// Namespace (empty for objects of the cluster) and name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    pub namespace: String,
    pub name: String,
}

/// The objects at a version.
#[derive(Debug, Clone)]
pub struct Cached {
    pub objects: Arc<BTreeMap<ObjectKey, Arc<Value>>>,
    /// Nothing that happened up to here is missing.
    pub version: String,
}

/// Keeps the objects of a selection. The watch ends when it is dropped.
pub struct Informer {
    shared: Arc<Shared>,
    stop: Stop,
    thread: Thread,
}

/// Wakes who waits for a change of what one or several informers have.
#[derive(Debug, Default)]
pub struct Signal {
    changes: Mutex<u64>,
    changed: Condvar,
}

struct Shared {
    kind: String,
    state: Mutex<State>,
    signal: Arc<Signal>,
}

#[derive(Default)]
struct State {
    cached: Option<Cached>,
    /// Why it is not current.
    failure: Option<String>,
    lists: u64,
}

/// What of an object is kept; none for nothing.
type Keep = Box<dyn Fn(Value) -> Option<Value> + Send>;

struct Worker {
    api: Api,
    settings: InformerSettings,
    keep: Keep,
    shared: Arc<Shared>,
    stop: Stop,
    backoff: Backoff,
}

impl Informer {
    /// Begins in the background. `keep` takes away what is not needed: an object has about 600 bytes, a pod ten times that.
    pub fn start(
        api: Api,
        settings: InformerSettings,
        keep: impl Fn(Value) -> Option<Value> + Send + 'static,
        signal: &Arc<Signal>,
    ) -> Self {
        let kind = settings.resource.plural.to_string();
        let shared = Arc::new(Shared { kind, state: Mutex::default(), signal: Arc::clone(signal) });
        let stop = Stop::new();
        let name = format!("watch {}", settings.resource.plural);
        let worker = Worker {
            api,
            settings,
            keep: Box::new(keep),
            shared: Arc::clone(&shared),
            stop: stop.clone(),
            backoff: Backoff::new(),
        };
        let started = thread::Builder::new().name(name).spawn(move || worker.run());
        let thread = match started {
            Ok(handle) => handle.thread().clone(),
            Err(error) => {
                shared.failed(&format!("cannot start a thread: {error}"));
                thread::current()
            }
        };
        Self { shared, stop, thread }
    }

    /// None until the first list has come.
    pub fn cached(&self) -> Option<Cached> {
        self.shared.state().cached.clone()
    }

    /// Why the objects are not current, as far as that is known.
    pub fn failure(&self) -> Option<String> {
        self.shared.state().failure.clone()
    }

    /// How many lists have come so far.
    pub fn lists(&self) -> u64 {
        self.shared.state().lists
    }
}

impl Drop for Informer {
    /// A call that is under way is not waited for.
    fn drop(&mut self) {
        self.stop.stop();
        self.thread.unpark();
    }
}

impl Signal {
    /// How many changes there were.
    pub fn changes(&self) -> u64 {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there were more changes than `seen`, for at most `patience`, and returns how many there were.
    pub fn wait(&self, seen: u64, patience: Duration) -> u64 {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(changes, patience, |changes| *changes <= seen);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Also ends a wait for another reason.
    pub fn notify(&self) {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What fails again in the same way is no news.
    fn failed(&self, reason: &str) {
        let mut state = self.state();
        if state.failure.as_deref() == Some(reason) {
            return;
        }
        state.failure = Some(reason.to_owned());
        drop(state);
        tracing::warn!(reason, kind = self.kind, "what is known of the cluster's objects may be old");
    }

    fn recovered(&self, state: &mut State) {
        if let Some(reason) = state.failure.take() {
            tracing::info!(reason, kind = self.kind, "resolved: what is known of the cluster's objects is current");
        }
    }

    fn replace(&self, objects: BTreeMap<ObjectKey, Arc<Value>>, version: String) {
        let mut state = self.state();
        state.cached = Some(Cached { objects: Arc::new(objects), version });
        self.recovered(&mut state);
        state.lists += 1;
        drop(state);
        self.signal.notify();
    }

    fn apply(&self, change: Option<(ObjectKey, Option<Value>)>, version: String) {
        let mut state = self.state();
        self.recovered(&mut state);
        let Some(cached) = &mut state.cached else { return };
        cached.version = version;
        let Some((key, object)) = change else { return };
        let objects = Arc::make_mut(&mut cached.objects);
        match object {
            Some(object) => drop(objects.insert(key, Arc::new(object))),
            None => drop(objects.remove(&key)),
        }
        drop(state);
        self.signal.notify();
    }
}

impl Worker {
    fn run(mut self) {
        let mut last = None;
        while !self.stop.is_stopped() {
            match self.list(last.as_deref()) {
                Ok(version) => last = self.follow(version),
                Err(error) => {
                    // What the cache should have reached may be a version that the store has lost.
                    last = None;
                    self.shared.failed(&error.to_string());
                }
            }
            self.pause();
        }
    }

    fn list(&self, last: Option<&str>) -> Result<String, ApiError> {
        let deadline = Instant::now() + TIMEOUT;
        let InformerSettings { resource, selection, .. } = &self.settings;
        let Objects { items, version } = match last {
            Some(version) => self.api.list_since(resource, selection, version, deadline)?,
            None => self.api.list(resource, selection, deadline)?,
        };
        let objects = items.into_iter().filter_map(|object| {
            let key = key(&object);
            Some((key, Arc::new(self.kept(object)?)))
        });
        self.shared.replace(objects.collect(), version.clone());
        Ok(version)
    }

    /// Watches from a version until everything has to be listed again. Returns the version that was reached, if the list
    /// must not be older.
    fn follow(&mut self, mut version: String) -> Option<String> {
        while !self.stop.is_stopped() {
            let deadline = Instant::now() + TIMEOUT;
            let InformerSettings { resource, selection, .. } = &self.settings;
            match self.api.watch(resource, selection, &version, &self.stop, deadline) {
                Ok(mut watch) => {
                    self.shared.recovered(&mut self.shared.state());
                    if self.collect(&mut watch, &mut version).is_none() {
                        let is_stopped = self.stop.is_stopped();
                        return Some(version).filter(|version| !is_stopped && self.has_reached(version));
                    }
                }
                Err(error) if error.status().is_some_and(Status::is_expired) => return Some(version),
                Err(error) => self.shared.failed(&error.to_string()),
            }
            self.pause();
        }
        None
    }

    /// Takes what a watch sends until it ends; none if another watch from there would be of no use.
    fn collect(&mut self, watch: &mut Watch, version: &mut String) -> Option<()> {
        loop {
            let event = match watch.next(self.settings.silence) {
                Next::Event(event) => event,
                Next::Ended(reason) => {
                    tracing::debug!(reason, kind = &*self.settings.resource.plural, "the watch has ended");
                    return Some(());
                }
                // The connection may be dead as well, so another watch is begun.
                Next::Silence => return self.has_reached(version).then_some(()),
                Next::Expired(_) | Next::Stopped => return None,
            };
            self.backoff.reset();
            let (object, is_there) = match event {
                Event::Bookmark(reached) => {
                    // It is the version of the kind's last event, which may be older than the list.
                    if is_later(&reached, version) {
                        version.clone_from(&reached);
                        self.shared.apply(None, reached);
                    }
                    continue;
                }
                Event::Added(object) | Event::Modified(object) => (object, true),
                Event::Deleted(object) => (object, false),
            };
            let reached = object["metadata"]["resourceVersion"].as_str()?.to_owned();
            version.clone_from(&reached);
            let key = key(&object);
            let object = if is_there { self.kept(object) } else { None };
            self.shared.apply(Some((key, object)), reached);
        }
    }

    /// Whether the store is at a version or after it; true if that is unknown now.
    fn has_reached(&self, version: &str) -> bool {
        let latest = self.api.latest_version(&self.settings.resource, Instant::now() + TIMEOUT);
        latest.map_or(true, |latest| !is_later(version, &latest))
    }

    fn kept(&self, mut object: Value) -> Option<Value> {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            // Nearly half of an object.
            metadata.remove("managedFields");
        }
        (self.keep)(object)
    }

    fn pause(&mut self) {
        let end = Instant::now() + self.backoff.pause();
        while !self.stop.is_stopped() && Instant::now() < end {
            thread::park_timeout(end.saturating_duration_since(Instant::now()));
        }
    }
}

fn is_later(version: &str, than: &str) -> bool {
    let number = |text: &str| text.parse::<u64>();
    matches!((number(version), number(than)), (Ok(version), Ok(than)) if version > than)
}

fn key(object: &Value) -> ObjectKey {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    ObjectKey { namespace: text("namespace"), name: text("name") }
}
