//! A watch of one kind of objects that goes on whatever happens to it: one thread for each.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use gingham_kubernetes::{Api, ApiError, Event, Next, Resource, Selection, Stop};
use serde_json::Value;
use tracing::{debug, warn};

/// For a list, and for the beginning of a watch.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Servers send a bookmark every minute. After this the connection is taken for a broken one.
const SILENCE: Duration = Duration::from_mins(5);

const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Pods,
    Namespaces,
    Node,
}

/// What a source has heard.
#[derive(Debug)]
pub(super) enum News {
    /// All there are.
    All(Kind, Vec<Value>),
    Changed(Kind, Value),
    Gone(Kind, Value),
}

pub(super) struct Source {
    pub(super) api: Api,
    pub(super) kind: Kind,
    pub(super) resource: Resource,
    pub(super) selection: Selection,
}

/// The sources that are needed.
pub(super) struct Sources {
    news: Sender<News>,
    running: BTreeMap<Kind, Stop>,
}

impl Sources {
    pub(super) fn new(news: Sender<News>) -> Self {
        Self { news, running: BTreeMap::new() }
    }

    /// Starts those that are missing, and stops those that nobody needs any more.
    pub(super) fn follow(&mut self, kinds: &[Kind], source: impl Fn(Kind) -> Source) {
        self.running.retain(|kind, stop| {
            let is_needed = kinds.contains(kind);
            if !is_needed {
                stop.stop();
            }
            is_needed
        });
        for kind in kinds {
            if self.running.contains_key(kind) {
                continue;
            }
            let (stop, news, source) = (Stop::new(), self.news.clone(), source(*kind));
            let own = stop.clone();
            let spawned = thread::Builder::new().name(format!("{kind:?}")).spawn(move || source.run(&news, &own));
            match spawned {
                Ok(_) => drop(self.running.insert(*kind, stop)),
                Err(error) => warn!("cannot watch {kind:?}: {error}"),
            }
        }
    }
}

impl Source {
    fn run(&self, news: &Sender<News>, stop: &Stop) {
        let mut pause = SHORTEST_PAUSE;
        while !stop.is_stopped() {
            let begun = Instant::now();
            if let Err(error) = self.list_and_watch(news, stop) {
                warn!("facts of Kubernetes are not up to date: {error}");
            }
            if begun.elapsed() > LONGEST_PAUSE {
                pause = SHORTEST_PAUSE;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Returns when a list is needed again.
    fn list_and_watch(&self, news: &Sender<News>, stop: &Stop) -> Result<(), Box<ApiError>> {
        let listed = self.api.list(&self.resource, &self.selection, Instant::now() + CALL_TIMEOUT)?;
        let mut version = listed.version;
        if news.send(News::All(self.kind, listed.items)).is_err() {
            stop.stop();
        }
        while !stop.is_stopped() {
            let deadline = Instant::now() + CALL_TIMEOUT;
            let mut watch = match self.api.watch(&self.resource, &self.selection, &version, stop, deadline) {
                Err(ApiError::Refused { status, .. }) if status.is_expired() => return Ok(()),
                begun => begun?,
            };
            loop {
                let (object, is_gone) = match watch.next(SILENCE) {
                    Next::Event(Event::Added(object) | Event::Modified(object)) => (object, false),
                    Next::Event(Event::Deleted(object)) => (object, true),
                    Next::Event(Event::Bookmark(at)) => {
                        version = at;
                        continue;
                    }
                    Next::Expired(_) | Next::Stopped => return Ok(()),
                    Next::Ended(reason) => {
                        debug!(kind = ?self.kind, "the watch ended: {reason}");
                        break;
                    }
                    Next::Silence => break,
                };
                if let Some(at) = object["metadata"]["resourceVersion"].as_str() {
                    at.clone_into(&mut version);
                }
                let one = if is_gone { News::Gone(self.kind, object) } else { News::Changed(self.kind, object) };
                if news.send(one).is_err() {
                    return Ok(());
                }
            }
            thread::sleep(SHORTEST_PAUSE);
        }
        Ok(())
    }
}
