//! Allocation on a network whose range is divided among nodes: from the blocks that this node holds. It makes a network call,
//! of bounded time, only where they have no free address: then it claims another block.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use gingham_cluster::{Claimed, Cluster, Fault, Policy as ClusterPolicy};
use gingham_cni::error::Code;
use gingham_engine::attachment::{Answer, AttachmentKey, Context, Pod, Refusal, Request, Requester};
use gingham_engine::ipam::{self, IpamError, Prepared, Shadow, ShadowPolicy};
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::pool::Pools;
use gingham_engine::runtime::{LogLine, Policy};
use gingham_engine::settings::Settings;
use gingham_engine::store::StoreLedger;
use gingham_ownership::error::ClusterError;

use super::{Allocation, Observed};
use crate::error::NetworkError;
use crate::failpoint;
use crate::records::Records;

/// How long an ADD waits for the cluster's store in all: less than any runtime waits for an ADD.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long STATUS waits for it: runtimes call STATUS every few seconds.
const STATUS_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a claimed block may be full again before an ADD gives up: other ADDs were faster each time.
const ATTEMPTS: usize = 4;

/// One allocation on a network that a cluster policy divides.
pub struct ClusterAllocation<'a> {
    pub network: &'a str,
    pub policy: &'a Policy,
    pub settings: &'a Settings,
    pub records: &'a Records<'a>,
    /// The bridge that the node's own address is for.
    pub bridge: &'a str,
    pub observed: Option<&'a Observed>,
    pub shadow: Option<&'a ShadowPolicy>,
    pub context: Context,
}

/// What an allocation does with cooling addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CoolingAddresses {
    /// A new block is better.
    Keep,
    /// They are better than no address.
    Reuse,
}

/// How an attempt ended that did not fail.
enum Attempt {
    Allocated(Box<Allocation>),
    /// The policy finds no free address in the blocks of this node.
    NoRoom(IpamError),
    /// This node is no member, or its list of members is new.
    NotReady,
}

impl ClusterAllocation<'_> {
    #[must_use]
    pub fn observed_by<'o>(self, observed: &'o Observed) -> ClusterAllocation<'o>
    where
        Self: 'o,
    {
        ClusterAllocation { observed: Some(observed), ..self }
    }

    /// The network and the node, for the policy.
    pub fn context(&self) -> Context {
        self.context.clone()
    }

    /// Gives a container its addresses, and the node its own the first time. What the policy logged is in `log` all the
    /// same.
    pub fn allocate(
        &self,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<Allocation, NetworkError> {
        let deadline = Instant::now() + STORE_TIMEOUT;
        let mut cluster = Cluster::new(self.network, self.settings, self.records.boot())?;
        // Without another block to claim, the address that cooled longest is the best there is.
        let cooling = if cluster.is_shared() { CoolingAddresses::Keep } else { CoolingAddresses::Reuse };
        let mut asked_store = false;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let refused = match self.attempt(&cluster, cooling, request, record, log)? {
                Attempt::Allocated(allocation) => return Ok(Allocation { asked_store, ..*allocation }),
                Attempt::NoRoom(refused) if !cluster.is_shared() => return Err(refused.into()),
                Attempt::NoRoom(refused) => Some(refused),
                Attempt::NotReady => None,
            };
            failpoint::reach("add.no-room")?;
            tracing::debug!(network = self.network, "no free address in the blocks of this node");
            if let Err(fault) = self.get_room(&mut cluster, deadline, log) {
                let no_room = NoRoom { node: cluster.node().to_owned(), fault, refused };
                return self.reuse_cooling(&cluster, no_room, request, record, log);
            }
            failpoint::reach("add.room")?;
            tracing::debug!(network = self.network, "another block claimed");
            asked_store = cluster.is_shared();
            last = refused;
        }
        let Some(refused) = last else { return Err(Fault::from(ClusterError::Contended).into()) };
        // The blocks have addresses, and all of them cool: in a block that was another node's, for one.
        match self.attempt(&cluster, CoolingAddresses::Reuse, request, record, log)? {
            Attempt::Allocated(allocation) => Ok(Allocation { asked_store, ..*allocation }),
            Attempt::NoRoom(_) | Attempt::NotReady => Err(refused.into()),
        }
    }

    fn attempt(
        &self,
        cluster: &Cluster<'_>,
        cooling: CoolingAddresses,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<Attempt, NetworkError> {
        // No lock is held while the policies check their configurations.
        let prepared = ipam::prepare(self.policy, self.settings, &self.context(), log);
        let prepared =
            prepared.inspect_err(|error| self.observed.into_iter().for_each(|observed| observed.error(error)))?;
        let shadow = self.shadow.map(|shadow| Shadow::prepare(shadow, &self.context(), log));
        let prepared = prepared.with_shadow(shadow);
        let ledger = self.records.write_for((self.policy, self.settings, &self.context()), log)?;
        let claimed = cluster.claimed(&ledger)?;
        let Some(prepared) = narrowed(prepared, &claimed, cooling) else { return Ok(Attempt::NotReady) };
        let Own { ledger, gateways, requested } =
            match self.own_address(cluster, &claimed, prepared.pools(), ledger, request, log) {
                Ok(done) => done,
                Err(error) => return exhausted_or(error),
            };
        if let (Some(observed), Claimed::Blocks(blocks)) = (self.observed, &claimed) {
            *observed.blocks.borrow_mut() = Some(blocks.all.iter().map(|range| range.to_string()).collect());
        }
        let allocated = prepared.allocate_uncommitted(ledger, request, record, log);
        match allocated.inspect_err(|error| self.observed.into_iter().for_each(|observed| observed.error(error))) {
            Ok((ipam, ledger)) => {
                ledger.commit().map_err(IpamError::from)?;
                tracing::debug!("lease committed");
                if let Some(observed) = self.observed {
                    observed.own.replace(requested);
                    observed.answer.replace(Some(ipam.answer.clone()));
                }
                Ok(Attempt::Allocated(Box::new(Allocation::in_cluster(ipam, &gateways, self.settings))))
            }
            Err(error) => exhausted_or(error),
        }
    }

    /// The node's own lease, made if it is not there: its bridge's address must be unique among
    /// nodes and containers. A policy that names gateways itself has none.
    fn own_address(
        &self,
        cluster: &Cluster<'_>,
        claimed: &Claimed,
        pools: &Pools,
        ledger: StoreLedger,
        request: &Request,
        log: &mut Vec<LogLine>,
    ) -> Result<Own, IpamError> {
        let known = |ledger, gateways| Own { ledger, gateways, requested: None };
        if pools.iter().flat_map(|pool| &pool.ranges).all(|part| part.gateway.is_some()) && !pools_are_empty(pools) {
            return Ok(known(ledger, Vec::new()));
        }
        let key = AttachmentKey::of_node(cluster.node(), self.bridge);
        let mut ledger = ledger;
        if let Some(lease) = ledger.attachment(&key)? {
            if still_ours(claimed, &lease.addresses) {
                return Ok(known(ledger, lease.addresses));
            }
            // Its block is another's by now.
            ledger.detach(&key, request.now)?;
        }
        let prepared = ipam::prepare(self.policy, self.settings, &self.context(), log)?;
        let Some(prepared) = narrowed(prepared, claimed, CoolingAddresses::Reuse) else {
            return Ok(known(ledger, Vec::new()));
        };
        let own = Request {
            resolv_conf: request.resolv_conf.clone(),
            node_addresses: request.node_addresses.clone(),
            ..Request::new(Requester::Node, key, request.now, request.seed)
        };
        let (ipam, ledger) = prepared.allocate_uncommitted(
            ledger,
            &own,
            &self.records.fresh(Path::new(""), Pod::default(), None),
            log,
        )?;
        let gateways = ipam.addresses().collect();
        Ok(Own { ledger, gateways, requested: Some((own, ipam.answer)) })
    }

    /// Joins, or claims a block; or looks at a list of members that is new.
    fn get_room(&self, cluster: &mut Cluster<'_>, deadline: Instant, log: &mut Vec<LogLine>) -> Result<(), Fault> {
        let cluster_policy = ClusterPolicy::new(self.policy, self.settings, &self.context(), log)?;
        if cluster.is_shared() {
            let key = AttachmentKey::of_node(cluster.node(), self.bridge);
            // The node's own address and the container's come together.
            let wanted = if cluster.ledger()?.attachment(&key)?.is_some() { 1 } else { 2 };
            return cluster.ensure(&cluster_policy, wanted, deadline, log).map(drop);
        }
        let mut ledger = cluster.ledger()?;
        cluster.settle_list(&cluster_policy, &mut ledger, log)?;
        Ok(ledger.commit()?)
    }

    /// Without a block, a cooling address is better than none.
    fn reuse_cooling(
        &self,
        cluster: &Cluster<'_>,
        no_room: NoRoom,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<Allocation, NetworkError> {
        if no_room.refused.is_some()
            && let Attempt::Allocated(allocation) =
                self.attempt(cluster, CoolingAddresses::Reuse, request, record, log)?
        {
            return Ok(*allocation);
        }
        Err(no_room.error())
    }
}

/// The node's own lease, and the transaction in which it is.
struct Own {
    ledger: StoreLedger,
    gateways: Vec<IpAddr>,
    /// If it was made in that transaction.
    requested: Option<(Request, Answer)>,
}

/// Whether ADDs can be served.
pub struct Availability {
    /// Whether there is an address here or a block to be claimed, as far as that is known.
    pub room: bool,
    /// Whether this node has joined: without that it has no block, and cannot have one.
    pub member: bool,
    /// Whether the cluster's store answers.
    pub store: Result<(), NetworkError>,
}

impl ClusterAllocation<'_> {
    /// Looks ahead, without claiming anything.
    pub fn availability(&self) -> Result<Availability, NetworkError> {
        let mut log = Vec::new();
        let mut cluster = Cluster::new(self.network, self.settings, self.records.boot())?;
        let prepared = ipam::prepare(self.policy, self.settings, &self.context(), &mut log)?;
        let ledger = self.records.write()?;
        let claimed = cluster.claimed(&ledger)?;
        let member = !matches!(claimed, Claimed::NotJoined);
        let here = if let Some(prepared) = narrowed(prepared, &claimed, CoolingAddresses::Reuse) {
            prepared.room(ledger, self.records.now())?.iter().any(|room| room.free > 0 || room.cooling > 0)
        } else {
            // Not held while the store is asked.
            drop(ledger);
            // A new list of members is enough here; a node that joins needs the cluster.
            !cluster.is_shared()
        };
        if !cluster.is_shared() {
            return Ok(Availability { room: here, member, store: Ok(()) });
        }
        if !cluster.can_call_store() {
            // The agent joins, and claims ahead; it is asked when an ADD finds no room.
            let store = if member { Ok(()) } else { Err(agent_has_not_joined(self.network)) };
            return Ok(Availability { room: here || member, member, store });
        }
        let cluster_policy = ClusterPolicy::new(self.policy, self.settings, &self.context(), &mut log)?;
        match cluster.has_unclaimed(&cluster_policy, Instant::now() + STATUS_TIMEOUT, &mut log) {
            Ok(unclaimed) => Ok(Availability { room: here || unclaimed, member, store: Ok(()) }),
            Err(fault) => Ok(Availability { room: here, member, store: Err(fault.into()) }),
        }
    }
}

fn agent_has_not_joined(network: &str) -> NetworkError {
    let text = format!(
        "this node is not a member of the cluster of network {network} yet: gingham-node joins it; check that it runs here \
         and what its log reports"
    );
    NetworkError::new(Code::TRY_AGAIN, text)
}

/// Why there is no room, and why none could be had.
struct NoRoom {
    node: String,
    fault: Fault,
    refused: Option<IpamError>,
}

impl NoRoom {
    fn error(self) -> NetworkError {
        let temporary = self.fault.is_temporary();
        let error = NetworkError::from(self.fault);
        let Some(refused) = self.refused.filter(|_| temporary) else { return error };
        let text = format!("node {}: {refused}, and no further block can be claimed now: {}", self.node, error.msg);
        NetworkError { code: Code::TRY_AGAIN, msg: text, details: error.details }
    }
}

fn exhausted_or(error: IpamError) -> Result<Attempt, NetworkError> {
    match error {
        IpamError::Refused { refusal: Refusal::Exhausted(_), .. } => Ok(Attempt::NoRoom(error)),
        error => Err(error.into()),
    }
}

/// The policy with nothing to give but what is claimed; none if that is not known.
fn narrowed<'p>(prepared: Prepared<'p>, claimed: &Claimed, cooling: CoolingAddresses) -> Option<Prepared<'p>> {
    match (claimed, cooling) {
        (Claimed::All, _) => Some(prepared),
        // The agent is asked first.
        (Claimed::Blocks(blocks), _) if !blocks.is_confirmed => None,
        (Claimed::Blocks(blocks), CoolingAddresses::Keep) => {
            Some(prepared.restrict(&blocks.cooled, blocks.block_map.clone()).without_early_reuse())
        }
        (Claimed::Blocks(blocks), CoolingAddresses::Reuse) => {
            Some(prepared.restrict(&blocks.all, blocks.block_map.clone()))
        }
        (Claimed::NotJoined | Claimed::Unsettled, _) => None,
    }
}

fn pools_are_empty(pools: &Pools) -> bool {
    pools.iter().all(|pool| pool.ranges.is_empty())
}

fn still_ours(claimed: &Claimed, addresses: &[IpAddr]) -> bool {
    match claimed {
        Claimed::Blocks(blocks) => addresses.iter().all(|address| blocks.all.holding(*address).is_some()),
        Claimed::All => true,
        Claimed::NotJoined | Claimed::Unsettled => false,
    }
}
