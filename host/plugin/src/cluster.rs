//! Addresses out of what this node has claimed of a cluster's range.
//!
//! An ADD is served from this node's own blocks and asks nobody. Only where they have no room the cluster's store is asked
//! for more, within a bound.

use std::time::{Duration, Instant};

use gingham_cluster::{Claimed, Cluster, Fault};
use gingham_engine::attachment::{AttachmentKey, Pod, Refusal, Request};
use gingham_engine::cluster_policy::ClusterPolicy;
use gingham_engine::ipam::{self, Granted, IpamError, PoolRoom};
use gingham_engine::ledger::{AttachmentRecord, Ledger as _, LedgerQueries as _};
use gingham_engine::pool::Pools;
use gingham_engine::runtime::{LogLine, Policy};
use gingham_engine::settings::{Settings, SettingsError};
use gingham_engine::store::StoreLedger;

use crate::cni::error::{CniError, Code};
use crate::journal;
use crate::records::{Records, RecordsError};

/// How long the cluster's store may keep an ADD waiting, in all.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request for addresses of a cluster's range.
pub(crate) struct ClusterGrant<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) settings: &'a Settings,
    pub(crate) records: &'a Records<'a>,
    /// The bridge that is the containers' gateway, if one is.
    pub(crate) gateway: Option<&'a str>,
}

/// Which of this node's blocks count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reserve {
    /// Not those that rest because somebody who is gone used them.
    Kept,
    /// All: nothing else is free.
    Touched,
}

/// What came of one try.
enum Tried {
    Granted(Box<Granted>),
    /// The policy finds nothing free.
    NoRoom(IpamError),
    /// This node has to become a member first, or has to look at the list of members.
    NotReady,
}

/// A policy that divides no range must not be given one to divide: it would hand out what other nodes hand out too.
pub(crate) fn refuse_for(policy: &Policy, settings: &Settings) -> Result<(), SettingsError> {
    match settings.cluster {
        Some(_) if !policy.is_cluster() => Err(SettingsError {
            key: "cluster".to_owned(),
            message: format!(
                "the policy {} does not divide its range among nodes, so each node would hand out the same addresses; \
                 use one that does (weave-split), or remove the key",
                policy.name()
            ),
        }),
        _ => Ok(()),
    }
}

impl ClusterGrant<'_> {
    /// Lets the policy give addresses and commits them. The bridge has its own address before the first container has one.
    pub(crate) fn grant(
        &self,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<Granted, CniError> {
        let deadline = Instant::now() + PATIENCE;
        let mut cluster = Cluster::new(self.records.network(), self.settings, self.records.boot())?;
        let gateways = self.gateways(&mut cluster, request, deadline, log)?;
        let mut granted = self.obtain(&mut cluster, request, record, deadline, log)?;
        for assigned in &mut granted.answer.addresses {
            let of_family = |gateway: &&std::net::IpAddr| gateway.is_ipv4() == assigned.address.addr().is_ipv4();
            assigned.gateway = assigned.gateway.or_else(|| gateways.iter().find(of_family).copied());
        }
        Ok(granted)
    }

    /// The addresses of this node's own bridge, out of its own blocks: leased to the node itself, once.
    fn gateways(
        &self,
        cluster: &mut Cluster<'_>,
        request: &Request,
        deadline: Instant,
        log: &mut Vec<LogLine>,
    ) -> Result<Vec<std::net::IpAddr>, CniError> {
        let Some(bridge) = self.gateway else { return Ok(Vec::new()) };
        let key = AttachmentKey::of_node(cluster.node(), bridge);
        if let Some(known) = self.known(&key)? {
            return Ok(known.addresses);
        }
        let record = self.records.fresh(std::path::Path::new(""), Pod::default());
        let own = Request {
            key,
            netns: String::new(),
            pod: Pod::default(),
            arguments: Vec::new(),
            annotations: std::collections::BTreeMap::new(),
            requested: Vec::new(),
            mac: None,
            ..request.clone()
        };
        match self.obtain(cluster, &own, &record, deadline, log) {
            Ok(granted) => Ok(granted.answer.addresses.iter().map(|assigned| assigned.address.addr()).collect()),
            // Another ADD was faster.
            Err(error) if error.code == Code::ALREADY_ALLOCATED => {
                Ok(self.known(&own.key)?.map(|known| known.addresses).unwrap_or_default())
            }
            Err(error) => Err(error),
        }
    }

    fn known(&self, key: &AttachmentKey) -> Result<Option<AttachmentRecord>, CniError> {
        let Some(ledger) = self.records.read()? else { return Ok(None) };
        Ok(ledger.attachment(key).map_err(RecordsError::from)?)
    }

    fn obtain(
        &self,
        cluster: &mut Cluster<'_>,
        request: &Request,
        record: &AttachmentRecord,
        deadline: Instant,
        log: &mut Vec<LogLine>,
    ) -> Result<Granted, CniError> {
        if let Tried::Granted(granted) = self.attempt(cluster, Reserve::Kept, request, record, log)? {
            return Ok(*granted);
        }
        let more = self.get_room(cluster, deadline, log);
        for reserve in [Reserve::Kept, Reserve::Touched] {
            match self.attempt(cluster, reserve, request, record, log)? {
                Tried::Granted(granted) => return Ok(*granted),
                Tried::NoRoom(refused) if reserve == Reserve::Touched && more.is_ok() => return Err(refused.into()),
                Tried::NoRoom(_) | Tried::NotReady => {}
            }
        }
        match more {
            Ok(()) => {
                Err(CniError::new(Code::TRY_AGAIN, "another process of this node changed its membership meanwhile"))
            }
            Err(fault) if fault.is_temporary() => {
                let text = format!("node {} has no free address of its own: {fault}", cluster.node());
                Err(CniError::new(Code::TRY_AGAIN, text))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// By what this node knows itself.
    fn attempt(
        &self,
        cluster: &Cluster<'_>,
        reserve: Reserve,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<Tried, CniError> {
        // No lock is held while the policy checks its configuration.
        let prepared = ipam::prepare::<StoreLedger>(self.policy, self.settings, log)?;
        let ledger = self.records.write()?;
        let prepared = match cluster.claimed(&ledger)? {
            Claimed::All => prepared,
            Claimed::Blocks(blocks) => {
                let counting = if reserve == Reserve::Kept { &blocks.rested } else { &blocks.all };
                prepared.restrict(counting, blocks.picture)
            }
            Claimed::NotJoined | Claimed::Unsettled => return Ok(Tried::NotReady),
        };
        match prepared.allocate(ledger, request, record, log) {
            Ok(granted) => Ok(Tried::Granted(Box::new(granted))),
            Err(refused @ IpamError::Refused { refusal: Refusal::Exhausted(_), .. }) => Ok(Tried::NoRoom(refused)),
            Err(error) => Err(error.into()),
        }
    }

    fn get_room(&self, cluster: &mut Cluster<'_>, deadline: Instant, log: &mut Vec<LogLine>) -> Result<(), Fault> {
        let policy = ClusterPolicy::<StoreLedger>::new(self.policy, self.settings, log)?;
        if cluster.is_fixed() {
            let mut ledger = cluster.ledger()?;
            cluster.settle_list(&policy, &mut ledger, log)?;
            return Ok(ledger.commit()?);
        }
        let ensured = cluster.ensure(&policy, deadline, log)?;
        if ensured.joined {
            journal::info(format!("node {} joined the cluster of its network", cluster.node()));
        }
        Ok(())
    }
}

/// STATUS of a network whose range is divided: how full this node's own blocks are. Where they are full, whether the
/// cluster's store can be asked for more.
pub(crate) fn room(
    policy: &Policy,
    settings: &Settings,
    records: &Records<'_>,
    log: &mut Vec<LogLine>,
) -> Result<(Pools, Vec<PoolRoom>), CniError> {
    let mut cluster = Cluster::new(records.network(), settings, records.boot())?;
    let prepared = ipam::prepare::<StoreLedger>(policy, settings, log)?;
    let pools = prepared.pools().clone();
    let ledger = records.write()?;
    let rooms = match cluster.claimed(&ledger)? {
        Claimed::All => prepared.room(ledger)?,
        Claimed::Blocks(blocks) => prepared.restrict(&blocks.all, blocks.picture).room(ledger)?,
        Claimed::NotJoined | Claimed::Unsettled => Vec::new(),
    };
    let is_full = rooms.is_empty() || rooms.iter().any(|room| room.free == 0 && room.resting == 0);
    if is_full && cluster.is_shared() {
        // Whoever answers a list answers a claim.
        if let Err(fault) = cluster.sync(Instant::now() + PATIENCE)? {
            journal::warn(fault);
        }
        return Ok((pools, Vec::new()));
    }
    Ok((pools, rooms))
}
