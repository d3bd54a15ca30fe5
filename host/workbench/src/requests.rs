//! What runtimes do to a network: ADD and DEL.

use std::net::IpAddr;

use gingham_engine::attachment::{AttachmentKey, Request, Requester};
use gingham_engine::ipam::{self, IpamError, IpamResult};
use gingham_engine::ledger::AttachmentRecord;
use gingham_engine::memory_ledger::{MemoryLedger, MemoryStore};
use gingham_engine::runtime::{LogLine, Policy};

use crate::block_claims::Holdings;
use crate::error::ScenarioError;
use crate::run::Run;
use crate::scenario::{NAME, Scenario};

/// Added to the seed for each request: consecutive seeds differ in many bits, and a run of the same steps has the same ones.
const SEED_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// What the end of attachments freed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Released {
    /// The addresses that cool from now on.
    pub addresses: Vec<IpAddr>,
    /// Why the release hook failed, if it did. The addresses are free all the same.
    pub hook_failure: Option<String>,
}

impl Scenario {
    /// A request of a container for its interface `eth0`, of which nothing else is known, with the next seed.
    pub fn request(&mut self, container: &str) -> Request {
        self.seed = self.seed.wrapping_add(SEED_STEP);
        let key = AttachmentKey { container_id: container.to_owned(), interface: "eth0".to_owned() };
        Request {
            netns: format!("/run/netns/{container}"),
            facts: self.facts.clone(),
            ..Request::new(Requester::Container, key, self.now, self.seed)
        }
    }

    /// An attachment requests addresses. What it gets is leased.
    pub fn add(&mut self, request: &Request) -> Result<Run<IpamResult>, ScenarioError> {
        let of_claims = self.claim_ahead()?;
        let rehearsal = if self.rehearses { Some(self.allocate(request, &self.store.copy())?) } else { None };
        let mut run = self.allocate(request, &self.store)?;
        let of_answer = |first: Run<IpamResult>| first.difference(&run, "the answer", |result| &result.answer);
        run.difference = of_claims.or_else(|| rehearsal.and_then(of_answer));
        if run.result.is_ok() {
            self.adopted = None;
        }
        Ok(run)
    }

    /// An attachment ends. One that is not known is no error, as with DEL.
    pub fn del(&mut self, key: &AttachmentKey) -> Run<Released> {
        self.end(std::slice::from_ref(key))
    }

    /// Several attachments end in one transaction, as with GC.
    pub fn end(&mut self, keys: &[AttachmentKey]) -> Run<Released> {
        let context = self.context();
        self.change(|policy, ledger, log| {
            let hooked = Some((policy, &self.settings, &context));
            let ended = ipam::release_all(ledger, keys, self.now, hooked, log)?;
            let addresses = ended.into_iter().flat_map(|(_, record)| record.addresses).collect();
            Ok(Released { addresses, hook_failure: hook_failure(log) })
        })
    }

    /// An ADD fails after its addresses were leased, and takes them back: they are free immediately, except those that
    /// were cooling before.
    pub fn withdraw(&mut self, key: &AttachmentKey, result: &IpamResult) -> Run<Released> {
        let context = self.context();
        self.change(|policy, ledger, log| {
            let hooked = Some((policy, &self.settings, &context));
            let record = ipam::withdraw(ledger, key, self.now, &result.cooling, hooked, log)?;
            let addresses = record.map_or_else(Vec::new, |record| record.addresses);
            Ok(Released { addresses, hook_failure: hook_failure(log) })
        })
    }

    /// Runs a change on the store, after a rehearsal on a copy.
    fn change(
        &self,
        ask: impl Fn(&Policy, MemoryLedger, &mut Vec<LogLine>) -> Result<Released, IpamError>,
    ) -> Run<Released> {
        let on = |store: &MemoryStore| {
            let run: Result<_, std::convert::Infallible> =
                Run::of(&self.policy, self.traces, |policy, log| Ok(ask(policy, store.ledger(NAME), log)));
            let Ok(run) = run;
            run
        };
        let rehearses = self.rehearses && self.policy.has_release();
        let rehearsal = rehearses.then(|| on(&self.store.copy()));
        let mut run = on(&self.store);
        run.difference = rehearsal.and_then(|first| first.difference(&run, "the end", |released| released));
        run
    }

    fn allocate(&self, request: &Request, store: &MemoryStore) -> Result<Run<IpamResult>, ScenarioError> {
        let mut before = Vec::new();
        // What a node knows before the request costs the request nothing.
        let holdings = match self.holdings(&mut before) {
            Err(ScenarioError::Ipam(error)) => {
                return Ok(Run {
                    result: Err(error),
                    log: before,
                    calls: Vec::new(),
                    trace: Vec::new(),
                    difference: None,
                });
            }
            holdings => holdings?,
        };
        let mut run: Run<IpamResult> = Run::of(&self.policy, self.traces, |policy, log| {
            Ok::<_, ScenarioError>(self.allocate_by(policy, request, store.ledger(NAME), holdings, log))
        })?;
        before.append(&mut run.log);
        Ok(Run { log: before, ..run })
    }

    fn allocate_by(
        &self,
        policy: &Policy,
        request: &Request,
        ledger: MemoryLedger,
        holdings: Option<Holdings>,
        log: &mut Vec<LogLine>,
    ) -> Result<IpamResult, IpamError> {
        let record = AttachmentRecord {
            since: request.now,
            boot: NAME.to_owned(),
            netns: request.netns.clone(),
            pod: request.pod.clone(),
            ..AttachmentRecord::default()
        };
        let prepared = ipam::prepare(policy, &self.settings, &self.context(), log)?;
        let prepared = match holdings {
            Some(Holdings { blocks, picture }) => prepared.restrict(&blocks, picture),
            None => prepared,
        };
        let ledger = self.call_adoption_hook(policy, ledger, log)?;
        prepared.allocate(ledger, request, &record, log)
    }
}

/// The engine logs this line alone of a hook that failed.
fn hook_failure(log: &[LogLine]) -> Option<String> {
    let failed = |line: &&LogLine| line.message.starts_with("the address is free, but the release hook failed: ");
    log.iter().find(failed).map(|line| line.message.clone())
}
