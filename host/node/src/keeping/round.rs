//! One round of a network's upkeep. What can be done without the store is done without it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gingham_net::netlink::{Route, Socket};
use gingham_net::reach::{self, Report, ReversePathProblem, Wanted};

use super::Open;
use super::looks::Looks;
use super::status::{State, Status};
use crate::cluster::{Cluster, Fault, View};
use crate::log;
use crate::networks::Network;

/// Sandboxes are gone when they were not there twice, this far apart: longer than a runtime needs to make one.
const LOOKS_APART: Duration = Duration::from_secs(30);

/// An uplink that is down is told of a few nodes, not of all.
const COMPLAINTS: usize = 10;

/// What is remembered between rounds.
pub(super) struct Keeping {
    open: Open,
    network: Network,
    cluster: Option<Box<dyn Cluster>>,
    /// The cluster as the store last showed it.
    view: Option<View>,
    orphans: Looks,
    /// What was told already.
    told: BTreeSet<String>,
}

impl Keeping {
    pub(super) fn new(open: Open, network: Network, every: Duration) -> Self {
        let orphans = Looks::new(LOOKS_APART.max(every));
        Self { open, network, cluster: None, view: None, orphans, told: BTreeSet::new() }
    }

    /// Does everything once and writes down how it went.
    pub(super) fn round(&mut self, now: Instant, status: &mut Status) {
        let mut round = Round { complaints: BTreeSet::new(), silent: None, failed: None };
        let cluster = match self.cluster.take().map_or_else(|| (self.open)(&self.network), Ok) {
            Ok(cluster) => self.cluster.insert(cluster),
            Err(fault) => {
                round.note(status, &fault);
                return self.end(round, status);
            }
        };
        // Only a member can give a sign of life, and this makes it one.
        if let Some(view) = round.noted(status, cluster.sync()) {
            status.store_answered = Some(now);
            status.members = view.members;
            status.ownership_conflicts += view.lost;
            self.view = Some(view);
            round.noted(status, cluster.beat());
        }
        // Also when the store is silent: somebody may have removed a route.
        if let Some(wanted) = self.view.as_ref().and_then(|view| view.reach.as_ref())
            && let Some((report, dropped)) = round.noted(status, keep_routes(wanted))
        {
            round.reached(status, &report, &dropped);
        }
        if let Some(seen) = round.noted(status, cluster.orphans()) {
            let gone = self.orphans.again(seen, now);
            if !gone.is_empty() {
                status.collected += round.noted(status, cluster.free(&gone)).unwrap_or_default();
            }
        }
        if round.silent.is_none() {
            status.claims += round.noted(status, cluster.claim_ahead()).unwrap_or_default();
            status.releases += round.noted(status, cluster.give_back()).unwrap_or_default();
        }
        if let Some(usage) = round.noted(status, cluster.usage()) {
            status.usage = usage;
        }
        self.end(round, status);
    }

    /// Tells what is new, and what is over.
    fn end(&mut self, round: Round, status: &mut Status) {
        let name = Some(self.network.name.as_str());
        status.state = match (round.failed, round.silent) {
            (Some(reason), _) => State::Failed(reason),
            (None, Some(reason)) => State::StoreSilent(reason),
            (None, None) => State::Kept,
        };
        for complaint in round.complaints.difference(&self.told) {
            log::warning(name, complaint);
        }
        for settled in self.told.difference(&round.complaints) {
            log::info(name, &format!("settled: {settled}"));
        }
        self.told = round.complaints;
    }
}

fn keep_routes(wanted: &Wanted) -> Result<(Report, Vec<ReversePathProblem>), Fault> {
    let failed = |error: &dyn std::error::Error| Fault::Node(error.to_string());
    let mut kernel = Socket::<Route>::open().map_err(|error| failed(&error))?;
    let report = reach::reconcile(&mut kernel, wanted).map_err(|error| failed(&error))?;
    let dropped = reach::dropped_by_reverse_path_filter(&mut kernel, wanted).map_err(|error| failed(&error))?;
    Ok((report, dropped))
}

/// What went wrong in a round.
struct Round {
    complaints: BTreeSet<String>,
    silent: Option<String>,
    failed: Option<String>,
}

impl Round {
    fn noted<T>(&mut self, status: &mut Status, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.note(status, &fault)).ok()
    }

    fn note(&mut self, status: &mut Status, fault: &Fault) {
        let text = fault.to_string();
        match fault {
            Fault::Store(_) => {
                status.store_errors += 1;
                self.silent.get_or_insert(text.clone());
            }
            Fault::Node(_) => drop(self.failed.get_or_insert(text.clone())),
        }
        self.complaints.insert(text);
    }

    fn reached(&mut self, status: &mut Status, report: &Report, dropped: &[ReversePathProblem]) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        status.routes = count(report.routes.kept + report.routes.added);
        status.route_conflicts = count(report.conflicts.len());
        status.unreached = count(report.problems.len());
        let all = report.conflicts.iter().map(ToString::to_string);
        let mut all = all.chain(report.problems.iter().map(ToString::to_string));
        self.complaints.extend(all.by_ref().take(COMPLAINTS));
        if all.next().is_some() {
            let more = "more is not reached than is told here; gingham_unreached and gingham_route_conflicts count it";
            self.complaints.insert(more.to_owned());
        }
        // One setting, however many nodes it concerns.
        self.complaints.extend(dropped.first().map(ToString::to_string));
    }
}
