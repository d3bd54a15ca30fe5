//! One round of a network's upkeep. What can be done without the store is done without it.

use std::collections::BTreeSet;
use std::time::Instant;

use gingham_net::netlink::{Route, Socket};
use gingham_net::node_routes::{self, Report, ReversePathProblem, Wanted};
use gingham_net::notice;

use super::status::{State, Status};
use super::{Open, Pace};
use crate::cluster::{Cluster, Fault, Usage, View};
use crate::log;
use crate::looks::Looks;
use crate::networks::Network;

/// An uplink that is down is told of a few nodes, not of all.
const COMPLAINTS: usize = 10;

/// What is remembered between rounds.
pub(super) struct Keeping {
    open: Open,
    network: Network,
    cluster: Option<Box<dyn Cluster>>,
    /// The cluster as the store last showed it.
    view: Option<View>,
    orphans: Looks<String>,
    /// Whether this node was a member in the last round.
    is_member: bool,
    /// What was told already.
    told: BTreeSet<String>,
}

impl Keeping {
    pub(super) fn new(open: Open, network: Network, pace: Pace) -> Self {
        let orphans = Looks::new(pace.looks_apart);
        Self { open, network, cluster: None, view: None, orphans, is_member: false, told: BTreeSet::new() }
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
        self.is_member = false;
        if let Some(view) = round.noted(status, cluster.sync()) {
            status.store_answered = Some(now);
            status.members = view.members;
            status.ownership_conflicts += view.lost;
            status.unreadable = u64::try_from(view.unreadable.len()).unwrap_or(u64::MAX);
            round.complaints.extend(unreadable(&view.unreadable));
            match self.view.insert(view).problem.take() {
                Some(problem) => round.note(status, &problem),
                // Only a member can give a sign of life.
                None => self.is_member = round.noted(status, cluster.beat()).is_some(),
            }
        }
        // Also when the store is silent: somebody may have removed a route.
        if let Some(wanted) = self.view.as_ref().and_then(|view| view.reach.as_ref())
            && let Some((report, dropped)) = round.noted(status, keep_routes(&self.network.name, wanted))
        {
            round.reached(status, &report, &dropped);
        }
        if let Some(seen) = round.noted(status, cluster.orphans()) {
            let gone = self.orphans.again(seen, now);
            if !gone.is_empty() {
                status.collected += round.noted(status, cluster.free(&gone)).unwrap_or_default();
            }
        }
        if self.is_member {
            status.claims += round.noted(status, cluster.claim_ahead()).unwrap_or_default();
            status.releases += round.noted(status, cluster.give_back()).unwrap_or_default();
        }
        if let Some(usage) = round.noted(status, cluster.usage()) {
            round.complaints.extend(stray(&usage));
            status.usage = usage;
        }
        self.end(round, status);
    }

    /// A sign of life between two rounds. That it fails is seen in the next round, too.
    pub(super) fn beat(&mut self, status: &mut Status) {
        if let Some(cluster) = self.cluster.as_mut().filter(|_| self.is_member)
            && let Err(Fault::Store(_)) = cluster.beat()
        {
            status.store_errors += 1;
        }
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

/// What is said of records that no node of this version wrote. They are left alone.
fn unreadable(keys: &[String]) -> Option<String> {
    let first = keys.first()?;
    Some(format!(
        "the cluster's store has {} records that this version cannot read, the first of them {first:?}: such a block counts \
         as claimed, such a member as alive; upgrade this node if others run a later version, else delete the records",
        keys.len()
    ))
}

/// What is said of containers whose addresses are not this node's any more. They are left alone: to end them is for who
/// knows them.
fn stray(usage: &Usage) -> Option<String> {
    let whose = match usage.outside.as_slice() {
        [] => return None,
        [one] => format!("a container here has an address of a block that this node does not hold any more, {one}"),
        [first, ..] => format!(
            "containers here have {} addresses of blocks that this node does not hold any more, the first of them {first}",
            usage.outside.len()
        ),
    };
    Some(format!("{whose}: other nodes may hand out the same; end these containers (ginghamctl leases shows them)"))
}

fn keep_routes(network: &str, wanted: &Wanted) -> Result<(Report, Vec<ReversePathProblem>), Fault> {
    let failed = |error: &dyn std::error::Error| Fault::Node(error.to_string());
    let mut kernel = Socket::<Route>::open().map_err(|error| failed(&error))?;
    let reconciled = node_routes::reconcile(&mut kernel, wanted);
    for notice in notice::take() {
        if notice.is_warning {
            log::warning(Some(network), &notice.text);
        } else {
            log::info(Some(network), &notice.text);
        }
    }
    let report = reconciled.map_err(|error| failed(&error))?;
    let dropped = node_routes::dropped_by_reverse_path_filter(&mut kernel, wanted).map_err(|error| failed(&error))?;
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
        status.routes = count(report.routes.unchanged + report.routes.added);
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
