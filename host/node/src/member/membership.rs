//! Joining the cluster, and reading its members from the store.

use std::time::{Duration, Instant};

use gingham_cluster::Fault as ClusterFault;
use gingham_ownership::error::ClusterError;
use gingham_ownership::grid::Grid;
use gingham_ownership::join::Joined;
use gingham_ownership::snapshot::Snapshot as Records;
use gingham_ownership::sync::SyncError;
use gingham_ownership::takeover::Observation;
use ipnet::IpNet;
use tracing::{info, warn};

use super::{Member, cluster_error, count, deadline};
use crate::cluster_calls::{AgentError, Edited, Snapshot};

/// Another machine may use this node's name. The agent watches its heartbeat between two reconciles.
pub(super) struct Suspicion {
    observation: Box<Observation>,
    since: Instant,
}

impl Suspicion {
    /// The observation, once it is old enough for a decision.
    fn ripe(&self, now: Instant, watch: Duration) -> Option<Observation> {
        let is_ripe = now.saturating_duration_since(self.since) >= watch;
        is_ripe.then(|| self.observation.as_ref().clone())
    }
}

impl Member {
    pub(super) fn sync_with_store(&mut self) -> Result<Snapshot, AgentError> {
        if self.with(|_, parts| parts.cluster.follow_move(deadline())).map_err(cluster_error)? {
            info!(
                network = self.settled().network,
                "the cluster was moved to this store: this node takes its blocks over"
            );
        }
        let before = self.held()?;
        self.confirm_if_due(deadline())?;
        self.follow_node_object()?;
        let mut problem = self.join_if_out()?;
        let (mut records, mut error) = self.read_store()?;
        if let Some(ClusterError::Fenced { .. }) = error {
            let text = "this node was taken over: it has dropped its blocks and joins again";
            warn!(network = self.settled().network, "{text}");
            problem = self.join_if_out()?;
            (records, error) = self.read_store()?;
        }
        let problem = problem.or(error.map(|error| cluster_error(error.into())));
        if problem.is_none() {
            self.follow_departures(&records);
        }
        if problem.is_none() {
            self.claim_blocks_of_leases(&records)?;
        }
        let after = self.held()?;
        let lost = before.iter().filter(|block| !after.contains(block)).count();
        let wanted = self.with(|settled, parts| {
            let ranges = parts.policy.grids().iter().map(Grid::range).collect();
            parts.cluster.wanted(&records, &settled.bridge, ranges)
        });
        let (routes, problem) = match wanted {
            Ok(routes) => (routes, problem),
            Err(error) => (None, problem.or(Some(cluster_error(error)))),
        };
        let members = count(records.member_names().count());
        let off_grid = self.with(|_, parts| {
            let is_on_grid = |block: &IpNet| parts.policy.grids().iter().any(|grid| grid.index(*block).is_some());
            records.blocks.keys().filter(|block| !is_on_grid(block)).copied().collect()
        });
        let edited = self.with(|_, parts| edited(&records, parts.cluster.node()));
        self.edited = edited.iter().map(|edited| edited.block).collect();
        Ok(Snapshot { routes, members, lost: count(lost), unreadable: records.unreadable, off_grid, edited, problem })
    }

    /// The blocks that this node holds, by its local state.
    fn held(&mut self) -> Result<Vec<IpNet>, AgentError> {
        self.with(|_, parts| parts.cluster.held()).map_err(cluster_error)
    }

    /// Joins if this node is not a member. Returns why it cannot; a store that does not answer is an error.
    fn join_if_out(&mut self) -> Result<Option<AgentError>, AgentError> {
        let watch = self.with(|_, parts| parts.cluster.watch_time());
        let watched = self.suspicion.as_ref().and_then(|suspicion| suspicion.ripe(Instant::now(), watch));
        let had_watched = watched.is_some();
        let joined = self.with(|_, parts| parts.cluster.join_if_out(&parts.policy, watched, deadline()));
        match joined {
            Ok(joined) => {
                self.suspicion = None;
                if let Some(joined) = joined {
                    self.confirmation.note();
                    self.has_stray_addresses = true;
                    self.log_joined(&joined);
                }
                Ok(None)
            }
            Err(ClusterFault::Protocol(ClusterError::Suspicious { node, address, observation })) => {
                if self.suspicion.is_none() || had_watched {
                    self.suspicion = Some(Suspicion { observation: observation.clone(), since: Instant::now() });
                }
                Ok(Some(cluster_error(ClusterError::Suspicious { node, address, observation }.into())))
            }
            Err(error) => {
                self.suspicion = None;
                match cluster_error(error) {
                    unreachable @ AgentError::Store(_) => Err(unreachable),
                    refused => Ok(Some(refused)),
                }
            }
        }
    }

    fn log_joined(&mut self, Joined { held, lost, left_alone, .. }: &Joined) {
        let name = self.with(|_, parts| parts.cluster.node().to_owned());
        let network = &self.settled().network;
        info!(network, "joined the cluster as {name} with {}", blocks(held));
        if !lost.is_empty() {
            warn!(network, "other nodes have claimed {}", blocks(lost));
        }
        if !left_alone.is_empty() {
            warn!(
                network,
                "the leases of {} were lost with the node's data directory: containers may use their addresses, so none is given \
                 until the machine is booted; if a data directory with them exists, use that one again, otherwise drain and boot \
                 the node",
                blocks(left_alone)
            );
        }
    }

    fn log_taken_up(&self, adopted: &[IpNet]) {
        let network = &self.settled().network;
        let (corrected, others): (Vec<IpNet>, Vec<IpNet>) =
            adopted.iter().partition(|block| self.edited.contains(block));
        if !corrected.is_empty() {
            info!(
                network,
                "the record of {} has this node, which claimed it, as its owner again: it gives addresses of it again",
                blocks(&corrected)
            );
        }
        if !others.is_empty() {
            warn!(
                network,
                "the store assigns {} to this node, which did not hold it: a claim did not come to its end here, or the record was \
                 edited by hand; this node gives addresses of it; if it was edited, compare ginghamctl leases of the earlier owner",
                blocks(&others)
            );
        }
    }

    /// The store may have lost the records of blocks that this node's containers have addresses of: before any other block.
    fn claim_blocks_of_leases(&mut self, records: &Records) -> Result<(), AgentError> {
        if !self.has_stray_addresses {
            return Ok(());
        }
        let claimed = self.with(|_, parts| parts.cluster.claim_blocks_of_leases(&parts.policy, records, deadline()));
        let claimed = claimed.map_err(cluster_error)?;
        if !claimed.is_empty() {
            warn!(
                network = self.settled().network,
                "claimed {} again: containers have addresses of it, and the store had no record",
                blocks(&claimed)
            );
        }
        Ok(())
    }

    /// The store's records, and the problem of this node's membership.
    fn read_store(&mut self) -> Result<(Records, Option<ClusterError>), AgentError> {
        if let Some(records) = self.watched_records()? {
            return Ok((records, None));
        }
        match self.with(|_, parts| parts.cluster.sync(deadline())).map_err(cluster_error)? {
            Ok(synced) => {
                self.log_taken_up(&synced.adopted);
                Ok((synced.snapshot, None))
            }
            Err(SyncError { error, snapshot: Some(records) }) => Ok((records, Some(error))),
            Err(SyncError { error, snapshot: None }) => Err(cluster_error(error.into())),
        }
    }
}

fn blocks(blocks: &[IpNet]) -> String {
    match blocks {
        [] => "no block yet".to_owned(),
        [one] => format!("the block {one}"),
        [first, ..] => format!("{} blocks, the first of them {first}", blocks.len()),
    }
}

fn edited(records: &Records, node: &str) -> Vec<Edited> {
    let edited = records.edited(node).map(|(block, record)| Edited {
        block,
        owner: record.owner.clone(),
        claimant: record.claimant.clone().unwrap_or_default(),
    });
    edited.collect()
}
