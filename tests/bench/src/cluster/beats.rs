//! Signs of life of members that have no agent: each writes one every five seconds, as agents do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gingham_etcd::Etcd;
use gingham_ownership::beat::PERIOD;
use gingham_ownership::etcd_settings::{EtcdSettings, PREFIX};
use gingham_ownership::record::{LifeRecord, life_key, write};
use gingham_ownership::shared_store::{Call, Reply, SharedStore, Version};

/// Connections that the signs of life go through.
const THREADS: usize = 4;

/// Ends with the value.
pub(super) struct Beats {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Beats {
    /// Of these members.
    pub(super) fn start(network: &'static str, endpoints: &[String], names: &[String]) -> Result<Self, String> {
        let is_over = Arc::new(AtomicBool::new(false));
        let endpoints: Vec<_> =
            endpoints.iter().map(|url| url.parse()).collect::<Result<_, _>>().map_err(|error| format!("{error:?}"))?;
        let threads = names.chunks(names.len().div_ceil(THREADS).max(1)).map(|names| {
            let settings =
                EtcdSettings { endpoints: endpoints.clone(), prefix: PREFIX.to_owned(), login: None, tls: None };
            let (names, is_over) = (names.to_vec(), Arc::clone(&is_over));
            thread::spawn(move || beat(&mut Etcd::new(settings, network), &names, &is_over))
        });
        Ok(Self { threads: threads.collect(), is_over })
    }
}

impl Drop for Beats {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Spread over the period, as they are among nodes.
fn beat(store: &mut Etcd, names: &[String], is_over: &AtomicBool) {
    let pause = Duration::from_millis(PERIOD) / u32::try_from(names.len()).unwrap_or(u32::MAX);
    let mut seen: Vec<Option<Version>> = vec![None; names.len()];
    let mut next = Instant::now();
    for beat in 1.. {
        for (name, seen) in names.iter().zip(&mut seen) {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let (key, value) = (life_key(name), write(&LifeRecord { incarnation: 1, beat }));
            let call = match *seen {
                None => Call::Create { key, value },
                Some(expected) => Call::Update { key, value, expected },
            };
            *seen = match store.call(&call, Instant::now() + Duration::from_millis(PERIOD)) {
                Reply::Written(version) => Some(version),
                Reply::Conflict(found) => found.map(|found| found.version),
                _ => *seen,
            };
            next += pause;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }
}
