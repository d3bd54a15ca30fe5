//! Driving a task: each step under the local store's lock, its changes durable before its call leaves; the call itself
//! without the lock.

use std::thread;
use std::time::{Duration, Instant};

use gingham_engine::clock::now;
use gingham_engine::ledger::Ledger;
use gingham_engine::store::{Store, StoreLedger};
use gingham_ownership::local::LocalState;
use gingham_ownership::shared_store::{Call, Reply, StoreFault};
use gingham_ownership::task::{Step, Task};

use crate::Cluster;
use crate::error::Fault;

/// Between two tries at a store that is not there for the moment.
const PAUSE: Duration = Duration::from_millis(100);

/// How much of the time until its deadline a call may try again: a store that elects a leader is back soon, and one that
/// is down should be reported soon.
const SHARE_FOR_RETRIES: u32 = 2;

impl Cluster<'_> {
    /// Opens this node's own store. Others wait until the ledger is dropped.
    pub fn ledger(&self) -> Result<StoreLedger, Fault> {
        let store = Store::open(&self.settings.data_dir, self.boot, now())?;
        Ok(store.into_ledger(self.network)?)
    }

    /// Runs a task to its end, or until the deadline.
    pub(crate) fn drive<T: Task>(&mut self, mut task: T, deadline: Instant) -> Result<(T::Output, T), Fault> {
        let step = self.step(|local, _| Ok(task.start(local, now())))?;
        self.go_on(task, step, deadline)
    }

    /// The same for a task that is made in the transaction of its first step.
    pub(crate) fn drive_made<T: Task>(
        &mut self,
        make: impl FnOnce(&LocalState, &StoreLedger) -> Result<T, Fault>,
        deadline: Instant,
    ) -> Result<(T::Output, T), Fault> {
        let mut kept = None;
        let step = self.step(|local, ledger| {
            let task = kept.insert(make(local, ledger)?);
            Ok(task.start(local, now()))
        })?;
        match kept {
            Some(task) => self.go_on(task, step, deadline),
            None => Err(self.no_store()),
        }
    }

    fn go_on<T: Task>(
        &mut self,
        mut task: T,
        mut step: Step<T::Output>,
        deadline: Instant,
    ) -> Result<(T::Output, T), Fault> {
        loop {
            let call = match step {
                Step::Done(output) => return Ok((output, task)),
                Step::Call(call) => call,
            };
            let reply = self.carry_out(&call, deadline)?;
            step = self.step(|local, _| Ok(task.resume(reply, local, now())))?;
        }
    }

    /// What was refused was not carried out: it can be tried again.
    pub(crate) fn carry_out(&mut self, call: &Call, deadline: Instant) -> Result<Reply, Fault> {
        let left = deadline.saturating_duration_since(Instant::now());
        let last_try = Instant::now() + left / SHARE_FOR_RETRIES;
        loop {
            let reply = self.store()?.call(call, deadline);
            match reply {
                Reply::Refused(StoreFault::Unreachable(_)) if Instant::now() + PAUSE < last_try => thread::sleep(PAUSE),
                reply => return Ok(reply),
            }
        }
    }

    /// One change of this node's own state, without a call.
    pub(crate) fn change(&self, change: impl FnOnce(&mut LocalState)) -> Result<(), Fault> {
        self.step(|local, _| {
            change(local);
            Ok(())
        })
    }

    fn step<T>(&self, step: impl FnOnce(&mut LocalState, &StoreLedger) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut ledger = self.ledger()?;
        let mut local = self.local(&ledger)?;
        let before = ledger_state(&ledger)?;
        let done = step(&mut local, &ledger)?;
        let after = local.to_bytes();
        if before.as_deref() != Some(after.as_slice()) {
            ledger.put_cluster_state(&after)?;
            ledger.commit()?;
        }
        Ok(done)
    }
}

fn ledger_state(ledger: &StoreLedger) -> Result<Option<Vec<u8>>, Fault> {
    use gingham_engine::ledger::LedgerQueries as _;
    Ok(ledger.cluster_state()?)
}
