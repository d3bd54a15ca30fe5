//! What pods are refused becomes Events on them, where people look first: `kubectl describe pod`.
//!
//! A kubelet repeats an ADD that failed, with all pods of a Deployment together. So the same refusal again and again is one
//! Event with a count, each is written once in a while, and all of them have a bound.

mod event;
mod posted;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{io, thread};

use gingham_engine::boot_id::{self, BootIdError};
use gingham_engine::clock;
use gingham_engine::pod_refusal::PodRefusal;
use gingham_engine::store::{Store, StoreError};
use gingham_kubernetes::{ApiError, Patch, Resource};
use tracing::{debug, warn};

use crate::facts::{Places, directories};
use crate::kubernetes::Kubernetes;
use crate::last_fault::LastFault;
use posted::{Key, Posted};

/// Between two looks into the stores.
const INTERVAL: Duration = Duration::from_secs(2);

/// In one of so many, the configurations are read again for where the stores are.
const LOOKS_AT_STORES: u64 = 5;

/// For one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
enum ReportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Boot(#[from] BootIdError),
    #[error(transparent)]
    Api(Box<ApiError>),
}

/// Starts a thread that runs until the process ends.
pub(crate) fn start(kubernetes: Kubernetes, places: Places) -> io::Result<()> {
    let run = move || {
        let mut reporter = Reporter { kubernetes, posted: Posted::default() };
        let (mut faults, mut stores) = (BTreeMap::<_, LastFault>::new(), directories(&places));
        for look in 1_u64.. {
            thread::sleep(INTERVAL);
            if look.is_multiple_of(LOOKS_AT_STORES) {
                stores = directories(&places);
            }
            for directory in &stores {
                match reporter.report(directory) {
                    Ok(()) => drop(faults.remove(directory)),
                    Err(error) => {
                        if let Some(text) = faults.entry(directory.clone()).or_default().news(&error) {
                            warn!("what pods are refused is not reported as Events for now: {text}");
                        }
                    }
                }
            }
        }
    };
    thread::Builder::new().name("pod-events".to_owned()).spawn(run).map(drop)
}

struct Reporter {
    kubernetes: Kubernetes,
    posted: Posted,
}

impl Reporter {
    /// Those that were reported are forgotten also if a later one fails.
    fn report(&mut self, directory: &Path) -> Result<(), ReportError> {
        let waiting = Store::open_read_only(directory)?.map_or(Ok(Vec::new()), |store| store.refusals())?;
        let due = self.posted.due(waiting, Instant::now());
        let (mut reported, mut fault) = (Vec::new(), None);
        for refusal in due {
            match self.post(&refusal) {
                Ok(()) => reported.push(refusal),
                // The API server does not want it: the namespace is about to end, for example.
                Err(error) if error.status().is_some() && error.had_no_effect() && !is_temporary(&error) => {
                    debug!("an Event is dropped: {error}");
                    reported.push(refusal);
                    fault = fault.or(Some(error));
                }
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            }
        }
        if !reported.is_empty() {
            Store::open(directory, &boot_id::read()?, clock::now())?.forget_refusals(&reported)?;
        }
        fault.map_or(Ok(()), |error| Err(ReportError::Api(error)))
    }

    fn post(&mut self, refusal: &PodRefusal) -> Result<(), Box<ApiError>> {
        let (api, key) = (&self.kubernetes.api, Key::of(refusal));
        let events = Resource::events().within(&key.namespace);
        let deadline = Instant::now() + CALL_TIMEOUT;
        if let Some(earlier) = self.posted.get(&key) {
            let count = earlier.count.saturating_add(refusal.count);
            let patch = event::again(refusal, count);
            match api.patch(&events, (&earlier.name, None), (Patch::Merge, &patch), deadline) {
                // API servers forget Events after an hour.
                Err(error) if error.status().is_some_and(|status| status.code == 404) => {}
                patched => {
                    patched?;
                    self.posted.again(&key, count, Instant::now());
                    return Ok(());
                }
            }
        }
        let name = event::name(refusal);
        let event = event::first(refusal, &name, &self.kubernetes.node);
        match api.create(&events, &event, deadline) {
            // An answer was lost, or the agent died before the refusal was forgotten.
            Err(error) if error.status().is_some_and(|status| status.reason == "AlreadyExists") => {}
            created => drop(created?),
        }
        self.posted.insert(key, name, refusal.count, Instant::now());
        Ok(())
    }
}

/// 429 and 401 pass.
fn is_temporary(error: &ApiError) -> bool {
    error.status().is_some_and(|status| [401, 408, 429].contains(&status.code))
}

/// By pod, so that one which is refused for two reasons has two Events.
type All<T> = BTreeMap<Key, T>;
