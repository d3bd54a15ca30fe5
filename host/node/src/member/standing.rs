//! Being a member: joining, also again, and what the store shows of the others.

use std::time::{Duration, Instant};

use gingham_cluster::Fault as ClusterFault;
use gingham_ownership::beat::WATCH;
use gingham_ownership::cluster::Cluster as Records;
use gingham_ownership::error::ClusterError;
use gingham_ownership::grid::Grid;
use gingham_ownership::sync::SyncError;
use gingham_ownership::takeover::Sighting;
use ipnet::IpNet;

use super::{Member, count, deadline, fault};
use crate::cluster::{Fault, View};
use crate::log;

/// Somebody may use this node's name. It is watched for a sign of life, and nobody waits for that.
pub(super) struct Suspicion {
    sighting: Box<Sighting>,
    since: Instant,
}

impl Suspicion {
    /// The sighting, once it is old enough to say something.
    fn ripe(&self, now: Instant) -> Option<Sighting> {
        let is_ripe = now.saturating_duration_since(self.since) >= Duration::from_millis(WATCH);
        is_ripe.then(|| self.sighting.as_ref().clone())
    }
}

impl Member {
    pub(super) fn sync_with_store(&mut self) -> Result<View, Fault> {
        let before = self.held()?;
        let mut problem = self.join_if_out()?;
        let (mut records, mut error) = self.look()?;
        if let Some(ClusterError::Fenced { .. }) = error {
            let text = "this node was taken over: it has let go of its blocks and joins again";
            log::warning(Some(&self.ground().network), text);
            problem = self.join_if_out()?;
            (records, error) = self.look()?;
        }
        let problem = problem.or(error.map(|error| fault(error.into())));
        let after = self.held()?;
        let lost = before.iter().filter(|block| !after.contains(block)).count();
        let wanted = self.with(|ground, parts| {
            let ranges = parts.policy.grids().iter().map(Grid::range).collect();
            parts.cluster.wanted(&records, &ground.bridge, ranges)
        });
        let (reach, problem) = match wanted {
            Ok(reach) => (reach, problem),
            Err(error) => (None, problem.or(Some(fault(error)))),
        };
        let members = count(records.member_names().count());
        Ok(View { reach, members, lost: count(lost), unreadable: records.unreadable, problem })
    }

    /// The blocks that this node holds by what it knows itself.
    fn held(&mut self) -> Result<Vec<IpNet>, Fault> {
        self.with(|_, parts| parts.cluster.held()).map_err(fault)
    }

    /// Joins if that is due. What speaks against it is returned, unless it is that the store does not answer.
    fn join_if_out(&mut self) -> Result<Option<Fault>, Fault> {
        let watched = self.suspicion.as_ref().and_then(|suspicion| suspicion.ripe(Instant::now()));
        let had_watched = watched.is_some();
        let joined = self.with(|_, parts| parts.cluster.join_if_out(&parts.policy, watched, deadline()));
        match joined {
            Ok(joined) => {
                self.suspicion = None;
                if let Some(joined) = joined {
                    self.tell_joined(&joined.held, &joined.lost);
                }
                Ok(None)
            }
            Err(ClusterFault::Protocol(ClusterError::Suspicious { node, address, sighting })) => {
                if self.suspicion.is_none() || had_watched {
                    self.suspicion = Some(Suspicion { sighting: sighting.clone(), since: Instant::now() });
                }
                Ok(Some(fault(ClusterError::Suspicious { node, address, sighting }.into())))
            }
            Err(error) => {
                self.suspicion = None;
                match fault(error) {
                    silent @ Fault::Store(_) => Err(silent),
                    refused => Ok(Some(refused)),
                }
            }
        }
    }

    fn tell_joined(&mut self, held: &[IpNet], lost: &[IpNet]) {
        let name = self.with(|_, parts| parts.cluster.node().to_owned());
        let network = &self.ground().network;
        log::info(Some(network), &format!("joined as {name}, with {}", blocks(held)));
        if !lost.is_empty() {
            log::warning(Some(network), &format!("others have taken over {}", blocks(lost)));
        }
    }

    /// What the store says, and what is wrong with this node's membership.
    fn look(&mut self) -> Result<(Records, Option<ClusterError>), Fault> {
        match self.with(|_, parts| parts.cluster.sync(deadline())).map_err(fault)? {
            Ok(synced) => Ok((synced.cluster, None)),
            Err(SyncError { error, cluster: Some(records) }) => Ok((records, Some(error))),
            Err(SyncError { error, cluster: None }) => Err(fault(error.into())),
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
