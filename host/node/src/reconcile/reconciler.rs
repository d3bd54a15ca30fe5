//! One reconcile of a network. Steps that do not need the store also run while it is unreachable.

use std::collections::BTreeSet;
use std::time::Instant;

use gingham_cluster::RoomAnswer;
use gingham_net::netlink::{Route, Socket};
use gingham_net::node_routes::{self, Report, ReversePathProblem, Wanted};
use gingham_net::notice;
use ipnet::IpNet;
use tracing::{debug, info, warn};

use super::status::{State, Status, Unusable};
use super::{Open, Timing};
use crate::cluster_calls::{AgentError, Cluster, Edited, Snapshot, Usage};
use crate::grace_period::GracePeriod;
use crate::networks::Network;

/// If the uplink is down, a few routes are reported, not all.
const REPORTED_ROUTES: usize = 10;

/// Problems that are remembered while the store does not answer: texts may have numbers that change.
const MOST_LOGGED: usize = 100;

pub(super) struct Reconciler {
    open: Open,
    network: Network,
    cluster: Option<Box<dyn Cluster>>,
    /// The store's last answer.
    snapshot: Option<Snapshot>,
    stale: GracePeriod<String>,
    /// In the last reconcile.
    is_member: bool,
    /// Problems that were logged and are not resolved.
    pub(super) logged: BTreeSet<String>,
}

impl Reconciler {
    pub(super) fn new(open: Open, network: Network, timing: Timing) -> Self {
        let stale = GracePeriod::new(timing.grace_period);
        Self { open, network, cluster: None, snapshot: None, stale, is_member: false, logged: BTreeSet::new() }
    }

    pub(super) fn reconcile(&mut self, now: Instant, status: &mut Status) {
        let mut problems = Problems::default();
        let Some(mut cluster) = self.opened(status, &mut problems) else { return self.end(problems, status) };
        self.read(&mut *cluster, now, status, &mut problems);
        // Also while the store is unreachable: another process may have removed a route.
        if let Some(wanted) = self.snapshot.as_ref().and_then(|snapshot| snapshot.routes.as_ref())
            && let Some((report, dropped)) = problems.take(status, reconcile_routes(&self.network.name, wanted))
        {
            problems.add_routes(status, &report, &dropped);
        }
        if let Some(stale) = problems.take(status, cluster.stale_leases()) {
            let stale = self.stale.expired(stale, now);
            if !stale.is_empty() {
                status.collected += problems.take(status, cluster.free(&stale)).unwrap_or_default();
            }
        }
        if self.is_member {
            status.claims += problems.take(status, cluster.claim_ahead()).unwrap_or_default();
            status.releases += problems.take(status, cluster.release_idle()).unwrap_or_default();
        }
        if let Some(usage) = problems.take(status, cluster.usage()) {
            problems.texts.extend(stray(&usage));
            status.usage = usage;
        }
        self.cluster = Some(cluster);
        self.end(problems, status);
    }

    fn opened(&mut self, status: &mut Status, problems: &mut Problems) -> Option<Box<dyn Cluster>> {
        if self.cluster.as_mut().is_some_and(|cluster| cluster.is_outdated()) {
            info!(network = self.network.name, "its policy or the node's labels have changed: opening it again");
            self.cluster = None;
        }
        let opened = self.cluster.take().map_or_else(|| (self.open)(&self.network), Ok);
        opened
            .inspect_err(|fault| {
                status.unusable = Some(match fault {
                    AgentError::Node(reason) => Unusable::Configuration(reason.clone()),
                    AgentError::Store(reason) => Unusable::Cluster(reason.clone()),
                });
                problems.add(status, fault);
            })
            .ok()
    }

    fn read(&mut self, cluster: &mut dyn Cluster, now: Instant, status: &mut Status, problems: &mut Problems) {
        self.is_member = false;
        // Of this node, not of the store: sync returns those of the membership beside what it read.
        status.unusable = None;
        let Some(snapshot) = problems.take(status, cluster.sync()) else { return };
        problems.has_snapshot = true;
        status.store_answered = Some(now);
        status.members = snapshot.members;
        status.ownership_conflicts += snapshot.lost;
        status.unreadable = u64::try_from(snapshot.unreadable.len()).unwrap_or(u64::MAX);
        problems.texts.extend(unreadable(&snapshot.unreadable));
        problems.texts.extend(off_grid(&snapshot.off_grid));
        status.ownership_conflict = ownership_conflict(&snapshot.edited);
        problems.texts.extend(status.ownership_conflict.clone());
        match self.snapshot.insert(snapshot).problem.take() {
            Some(problem) => {
                status.unusable =
                    matches!(problem, AgentError::Node(_)).then(|| Unusable::Cluster(problem.to_string()));
                problems.add(status, &problem);
            }
            // Only a member can send a heartbeat.
            None => self.is_member = problems.take(status, cluster.beat()).is_some(),
        }
    }

    /// For an ADD that waits.
    pub(super) fn make_room(&mut self, addresses: u64, status: &mut Status) -> RoomAnswer {
        let answer = match self.cluster.as_mut() {
            Some(cluster) => cluster.make_room(addresses),
            None => RoomAnswer::Failed(match &status.state {
                State::Failed(reason) | State::StoreUnreachable(reason) => reason.clone(),
                State::Starting | State::Reconciled => "it has not read the network yet".to_owned(),
            }),
        };
        if let RoomAnswer::Claimed(blocks) = answer {
            status.claims += blocks;
        }
        answer
    }

    /// A sign of life between two rounds. A failure is visible in the next reconcile, too.
    pub(super) fn beat(&mut self, status: &mut Status) {
        if let Some(cluster) = self.cluster.as_mut().filter(|_| self.is_member)
            && let Err(AgentError::Store(_)) = cluster.beat()
        {
            status.store_errors += 1;
        }
    }

    /// Logs problems that are new or settled.
    fn end(&mut self, problems: Problems, status: &mut Status) {
        let network = self.network.name.as_str();
        status.state = match (problems.failed, problems.unreachable) {
            (Some(reason), _) => State::Failed(reason),
            (None, Some(reason)) => State::StoreUnreachable(reason),
            (None, None) => State::Reconciled,
        };
        for problem in problems.texts.difference(&self.logged) {
            warn!(network, "{problem}");
        }
        if problems.has_snapshot || self.logged.len() > MOST_LOGGED {
            for settled in self.logged.difference(&problems.texts) {
                info!(network, "resolved: {settled}");
            }
            self.logged = problems.texts;
        } else {
            // What was not looked at is not resolved.
            self.logged.extend(problems.texts);
        }
        debug!(network, routes = status.routes, members = status.members, "reconciled: {:?}", status.state);
    }
}

/// Records that no node of this version wrote. They stay.
fn unreadable(keys: &[String]) -> Option<String> {
    let first = keys.first()?;
    Some(format!(
        "cannot read {} records of the cluster's store, the first of them {first:?}: such a block counts as claimed and such \
         a member as alive; upgrade this node if others run a later version, otherwise delete the records",
        keys.len()
    ))
}

/// Written by hand, or of a range that was divided otherwise.
fn off_grid(blocks: &[IpNet]) -> Option<String> {
    let first = blocks.first()?;
    Some(format!(
        "the cluster's store has {} records of blocks that no node can have, the first of them {first}: the range is divided into \
         other blocks; delete these records, blocks that they overlap stay unclaimed until then",
        blocks.len()
    ))
}

/// Two nodes could give the same addresses if either did.
fn ownership_conflict(edited: &[Edited]) -> Option<String> {
    let Edited { block, owner, claimant } = edited.first()?;
    let more = match edited.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!(
        "AddressBlock {block} was claimed by {claimant}, and its spec.owner was edited to {owner}: neither gives addresses of it; set \
         spec.owner to {claimant} again{more}"
    ))
}

/// Containers whose addresses are not this node's any more. An operator must stop them: the agent cannot know whether that
/// is safe.
pub(crate) fn stray(usage: &Usage) -> Option<String> {
    let what = match usage.outside.as_slice() {
        [] => return None,
        [one] => {
            format!("a container on this node has the address {one} of a block that this node does not hold any more")
        }
        [first, ..] => format!(
            "containers on this node have {} addresses of blocks that this node does not hold any more, the first is {first}",
            usage.outside.len()
        ),
    };
    Some(format!(
        "{what}: other nodes may hand out the same addresses; stop these containers (ginghamctl leases lists \
     them)"
    ))
}

fn reconcile_routes(network: &str, wanted: &Wanted) -> Result<(Report, Vec<ReversePathProblem>), AgentError> {
    let failed = |error: &dyn std::error::Error| AgentError::Node(error.to_string());
    let mut kernel = Socket::<Route>::open().map_err(|error| failed(&error))?;
    let reconciled = node_routes::reconcile(&mut kernel, wanted);
    for notice in notice::take() {
        if notice.is_warning {
            warn!(network, "{}", notice.text);
        } else {
            info!(network, "{}", notice.text);
        }
    }
    let report = reconciled.map_err(|error| failed(&error))?;
    let dropped = node_routes::dropped_by_reverse_path_filter(&mut kernel, wanted).map_err(|error| failed(&error))?;
    Ok((report, dropped))
}

/// The problems of one reconcile.
#[derive(Default)]
struct Problems {
    texts: BTreeSet<String>,
    unreachable: Option<String>,
    failed: Option<String>,
    /// Whether the store answered, so that what is not found is not there.
    has_snapshot: bool,
}

impl Problems {
    /// Adds the error, if it is one.
    fn take<T>(&mut self, status: &mut Status, result: Result<T, AgentError>) -> Option<T> {
        result.map_err(|error| self.add(status, &error)).ok()
    }

    fn add(&mut self, status: &mut Status, error: &AgentError) {
        let text = error.to_string();
        match error {
            AgentError::Store(_) => {
                status.store_errors += 1;
                self.unreachable.get_or_insert(text.clone());
            }
            AgentError::Node(_) => drop(self.failed.get_or_insert(text.clone())),
        }
        self.texts.insert(text);
    }

    fn add_routes(&mut self, status: &mut Status, report: &Report, dropped: &[ReversePathProblem]) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        status.routes = count(report.routes.unchanged + report.routes.added);
        status.route_conflicts = count(report.conflicts.len());
        status.missing_routes = count(report.problems.len());
        let all = report.conflicts.iter().map(ToString::to_string);
        let mut all = all.chain(report.problems.iter().map(ToString::to_string));
        self.texts.extend(all.by_ref().take(REPORTED_ROUTES));
        if all.next().is_some() {
            let more = "more routes are missing; gingham_missing_routes and gingham_route_conflicts count them";
            self.texts.insert(more.to_owned());
        }
        // One setting concerns many nodes.
        self.texts.extend(dropped.first().map(ToString::to_string));
    }
}
