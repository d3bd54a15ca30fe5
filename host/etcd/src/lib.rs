//! etcd (version 3 of its interface) as the store of a cluster.
//!
//! Nothing happens until the first call: no connection, no thread, no asynchronous runtime. A call lasts until its
//! deadline at most, whatever the network or the servers do; its failures name the endpoint and the key of the
//! configuration at fault, and are `Refused` only where it is certain that nothing was done.

mod calls;
mod connection;
mod failure;
mod listing;
mod message;
mod resolve;
mod rewound;
mod session;
mod tls;

use std::time::Instant;

use gingham_ownership::etcd_settings::EtcdSettings;
use gingham_ownership::shared_store::{Call, Reply, SharedStore, StoreFault};
use tokio::runtime::{Builder, Runtime};

use failure::{Doubt, Failure, Scope};
use session::Session;

/// One network's records in an etcd.
pub struct Etcd {
    settings: EtcdSettings,
    /// What all keys of the network begin with: `/gingham/NETWORK/`.
    root: String,
    /// The index of the endpoint of the next call.
    current: usize,
    session: Option<Session>,
    seen: Seen,
    runtime: Option<Runtime>,
}

/// What etcd has sent of itself: it must be the same etcd, and never an older state of it.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    cluster: Option<u64>,
    revision: i64,
}

impl Etcd {
    /// The store of a network. Nothing is opened yet.
    pub fn new(settings: EtcdSettings, network: &str) -> Self {
        let root = format!("{}/{network}/", settings.prefix);
        Self { settings, root, current: 0, session: None, seen: Seen::default(), runtime: None }
    }

    /// One try at the current endpoint.
    fn attempt(&mut self, call: &Call, limit: Instant) -> Result<Reply, Failure> {
        let runtime = match self.runtime.take() {
            Some(runtime) => runtime,
            None => start()?,
        };
        let done = self.attempt_on(&runtime, call, limit);
        self.runtime = Some(runtime);
        done
    }

    fn attempt_on(&mut self, runtime: &Runtime, call: &Call, limit: Instant) -> Result<Reply, Failure> {
        let mut session = match self.present_session(runtime, limit) {
            Some(session) => session,
            None => Session::open(runtime, &self.settings, self.current, &mut self.seen, limit)?,
        };
        let done = runtime.block_on(calls::carry_out(&mut session, &self.root, call, &mut self.seen, limit));
        if !done.as_ref().is_err_and(|failure| failure.scope == Scope::Endpoint) {
            self.session = Some(session);
        }
        done
    }

    fn present_session(&mut self, runtime: &Runtime, limit: Instant) -> Option<Session> {
        let mut session = self.session.take()?;
        runtime.block_on(session.is_alive(limit)).then_some(session)
    }
}

impl SharedStore for Etcd {
    fn call(&mut self, call: &Call, deadline: Instant) -> Reply {
        let is_read = matches!(call, Call::Get { .. } | Call::List { .. });
        let mut failures = Vec::new();
        for left in (1..=self.settings.endpoints.len()).rev() {
            if Instant::now() >= deadline {
                failures
                    .push(Failure::unasked(StoreFault::Unreachable("no time is left to call the store".to_owned())));
                break;
            }
            // A silent endpoint must leave time for the others.
            let share = deadline.saturating_duration_since(Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
            let mut failure = match self.attempt(call, Instant::now() + share) {
                Ok(reply) => return reply,
                Err(failure) => failure,
            };
            if is_read {
                failure.doubt = Doubt::None;
            }
            let ends_here = failure.scope == Scope::Store || failure.doubt == Doubt::Effect;
            if failure.scope == Scope::Endpoint {
                self.current = (self.current + 1) % self.settings.endpoints.len();
            }
            failures.push(failure);
            if ends_here {
                break;
            }
        }
        Failure::reply(failures)
    }
}

fn start() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(|error| {
        let text = format!("this process cannot use the network: {error}");
        Failure::unasked(StoreFault::Unusable(text))
    })
}
