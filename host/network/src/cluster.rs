//! Networks whose range is divided among nodes: addresses come only from what this node has claimed, and more is claimed
//! where that has no room.
//!
//! In the steady state nothing here leaves the node. The cluster's store is asked only when nothing is free, and then for
//! a bounded time.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use gingham_cluster::{Claimed, Cluster, Fault, Policy as Dividing};
use gingham_cni::error::Code;
use gingham_cni::result::Route;
use gingham_engine::attachment::{AttachmentKey, Context, Labels, Pod, PodFacts, Refusal, Request, Requester};
use gingham_engine::ipam::{self, IpamResult, IpamError, Prepared};
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::pool::Pools;
use gingham_engine::runtime::{LogLine, Policy};
use gingham_engine::settings::Settings;
use gingham_engine::settings::cluster::Routing;
use gingham_engine::store::StoreLedger;
use gingham_net::node_routes;
use gingham_ownership::error::ClusterError;

use crate::allotment::Allotment;
use crate::error::NetworkError;
use crate::failpoint;
use crate::records::Records;

/// What an ADD gives the cluster's store in all: less than any runtime's patience.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What STATUS gives it: runtimes ask every few seconds.
const GLANCE: Duration = Duration::from_secs(1);

/// How often room that was claimed may be gone again before an ADD gives up: others were faster each time.
const ROUNDS: usize = 4;

/// One allocation on a network that a cluster policy divides.
pub struct Allocation<'a> {
    pub network: &'a str,
    pub policy: &'a Policy,
    pub settings: &'a Settings,
    pub records: &'a Records<'a>,
    /// The bridge that the node's own address is for.
    pub bridge: &'a str,
}

/// What was granted.
pub struct Divided {
    pub granted: IpamResult,
    /// This node's own addresses on the bridge: the gateways of a policy that names none.
    pub gateways: Vec<IpAddr>,
    /// Whether the store was asked: then the ways to the other nodes may be new.
    pub asked_store: bool,
}

impl Divided {
    /// As CNI has it: the node's own addresses are the gateways where the policy names none, and a container that is to
    /// reach other nodes gets the network that this takes.
    pub fn into_allotment(self, settings: &Settings) -> Allotment {
        let mut allotment = Allotment::of(self.granted);
        let mut routes = Vec::new();
        for (ip, range) in allotment.ips.iter_mut().zip(&allotment.prefixes) {
            let own = self.gateways.iter().find(|own| own.is_ipv4() == ip.address.addr().is_ipv4());
            ip.gateway = ip.gateway.or(own.copied());
            if let (Some(gateway), true) = (ip.gateway, settings.routing != Routing::None) {
                let (address, needed) = node_routes::container_network(ip.address.addr(), *range, gateway);
                // A policy may have given a smaller network of its own.
                ip.address = if address.addr().is_ipv6() { address } else { ip.address };
                routes.extend(needed.into_iter().map(told));
            }
        }
        routes.append(&mut allotment.routes);
        Allotment { routes, own_gateways: !self.gateways.is_empty(), asked_store: self.asked_store, ..allotment }
    }
}

fn told(route: gingham_net::route::Route) -> Route {
    Route {
        dst: route.destination,
        gw: route.gateway,
        mtu: route.mtu,
        advmss: route.advmss,
        priority: route.priority,
        table: route.table,
        scope: route.scope.map(u32::from),
    }
}

/// Which of the claimed addresses may be given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thrift {
    /// Not those that rest: a new block is better.
    LetRest,
    /// Any that nobody holds.
    UseAll,
}

/// How an attempt ended that did not fail.
enum Attempt {
    Granted(Box<IpamResult>, Vec<IpAddr>),
    /// Nothing is free in what is claimed: the policy's word.
    NoRoom(IpamError),
    /// This node is no member, or its list of members is new.
    NotReady,
}

impl Allocation<'_> {
    /// The network and the node, for the policy.
    pub fn context(&self) -> Context {
        self.settings.context(self.network)
    }

    /// Gives a container its addresses, and the node its own the first time. What the policy logged is in `log` all the
    /// same.
    pub fn allocate(
        &self,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<Divided, NetworkError> {
        let deadline = Instant::now() + PATIENCE;
        let mut cluster = Cluster::new(self.network, self.settings, self.records.boot())?;
        // Who cannot get another block takes what rested longest at once.
        let thrift = if cluster.is_shared() { Thrift::LetRest } else { Thrift::UseAll };
        let mut asked_store = false;
        let mut last = None;
        for _ in 0..ROUNDS {
            let refused = match self.attempt(&cluster, thrift, request, record, log)? {
                Attempt::Granted(granted, gateways) => {
                    return Ok(Divided { granted: *granted, gateways, asked_store });
                }
                Attempt::NoRoom(refused) if !cluster.is_shared() => return Err(refused.into()),
                Attempt::NoRoom(refused) => Some(refused),
                Attempt::NotReady => None,
            };
            failpoint::reach("add.no-room")?;
            if let Err(fault) = self.get_room(&mut cluster, deadline, log) {
                let out = Outcome { node: cluster.node().to_owned(), fault, refused };
                return self.last_resort(&cluster, out, request, record, log);
            }
            failpoint::reach("add.room")?;
            asked_store = cluster.is_shared();
            last = refused;
        }
        let Some(refused) = last else { return Err(Fault::from(ClusterError::Contended).into()) };
        // There is room by count, and all of it rests: a block that was another's, for one.
        match self.attempt(&cluster, Thrift::UseAll, request, record, log)? {
            Attempt::Granted(granted, gateways) => Ok(Divided { granted: *granted, gateways, asked_store }),
            Attempt::NoRoom(_) | Attempt::NotReady => Err(refused.into()),
        }
    }

    fn attempt(
        &self,
        cluster: &Cluster<'_>,
        thrift: Thrift,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<Attempt, NetworkError> {
        // No lock is held while the policy checks its configuration.
        let prepared = ipam::prepare::<StoreLedger>(self.policy, self.settings, &self.context(), log)?;
        let ledger = self.records.write_for((self.policy, self.settings, &self.context()), log)?;
        let claimed = cluster.claimed(&ledger)?;
        let Some(prepared) = narrowed(prepared, &claimed, thrift) else { return Ok(Attempt::NotReady) };
        let (ledger, gateways) = match self.own_address(cluster, &claimed, prepared.pools(), ledger, request, log) {
            Ok(done) => done,
            Err(error) => return no_room(error),
        };
        match prepared.allocate_uncommitted(ledger, request, record, log) {
            Ok((granted, ledger)) => {
                ledger.commit().map_err(IpamError::from)?;
                Ok(Attempt::Granted(Box::new(granted), gateways))
            }
            Err(error) => no_room(error),
        }
    }

    /// The node's own lease, made if it is not there: its bridge's address must be another on every node, and nobody
    /// else's. A policy that names gateways itself has none.
    fn own_address(
        &self,
        cluster: &Cluster<'_>,
        claimed: &Claimed,
        pools: &Pools,
        ledger: StoreLedger,
        request: &Request,
        log: &mut Vec<LogLine>,
    ) -> Result<(StoreLedger, Vec<IpAddr>), IpamError> {
        if pools.iter().flat_map(|pool| &pool.ranges).all(|part| part.gateway.is_some()) && !pools_are_empty(pools) {
            return Ok((ledger, Vec::new()));
        }
        let key = AttachmentKey::of_node(cluster.node(), self.bridge);
        let mut ledger = ledger;
        if let Some(known) = ledger.attachment(&key)? {
            if still_ours(claimed, &known.addresses) {
                return Ok((ledger, known.addresses));
            }
            // Its block is another's by now.
            ledger.detach(&key, request.now)?;
        }
        let prepared = ipam::prepare::<StoreLedger>(self.policy, self.settings, &self.context(), log)?;
        let Some(prepared) = narrowed(prepared, claimed, Thrift::UseAll) else { return Ok((ledger, Vec::new())) };
        let own = Request {
            requester: Requester::Node,
            key: key.clone(),
            netns: String::new(),
            pod: Pod::default(),
            facts: PodFacts::default(),
            cni_args: Vec::new(),
            args_labels: Labels::default(),
            requested: Vec::new(),
            mac: None,
            ..request.clone()
        };
        let (granted, ledger) =
            prepared.allocate_uncommitted(ledger, &own, &self.records.fresh(Path::new(""), Pod::default(), None), log)?;
        let addresses = granted.answer.addresses.iter().map(|assigned| assigned.address.addr()).collect();
        Ok((ledger, addresses))
    }

    /// Joins, or claims a block; or looks at a list of members that is new.
    fn get_room(&self, cluster: &mut Cluster<'_>, deadline: Instant, log: &mut Vec<LogLine>) -> Result<(), Fault> {
        let dividing = Dividing::new(self.policy, self.settings, &self.context(), log)?;
        if cluster.is_shared() {
            let key = AttachmentKey::of_node(cluster.node(), self.bridge);
            // The node's own address and the container's come together.
            let wanted = if cluster.ledger()?.attachment(&key)?.is_some() { 1 } else { 2 };
            return cluster.ensure(&dividing, wanted, deadline, log).map(drop);
        }
        let mut ledger = cluster.ledger()?;
        cluster.settle_list(&dividing, &mut ledger, log)?;
        Ok(ledger.commit()?)
    }

    /// No block is to be had: what rests is better than nothing.
    fn last_resort(
        &self,
        cluster: &Cluster<'_>,
        out: Outcome,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<Divided, NetworkError> {
        if out.refused.is_some()
            && let Attempt::Granted(granted, gateways) = self.attempt(cluster, Thrift::UseAll, request, record, log)?
        {
            return Ok(Divided { granted: *granted, gateways, asked_store: false });
        }
        Err(out.error())
    }
}

/// Whether ADDs can be served.
pub struct Outlook {
    /// Whether there is an address here or a block to be claimed, as far as that is known.
    pub room: bool,
    /// Whether this node has joined: without that it has no block, and cannot have one.
    pub member: bool,
    /// Whether the cluster's store answers.
    pub store: Result<(), NetworkError>,
}

impl Allocation<'_> {
    /// Looks ahead, without claiming anything.
    pub fn outlook(&self) -> Result<Outlook, NetworkError> {
        let mut log = Vec::new();
        let mut cluster = Cluster::new(self.network, self.settings, self.records.boot())?;
        let prepared = ipam::prepare::<StoreLedger>(self.policy, self.settings, &self.context(), &mut log)?;
        let ledger = self.records.write()?;
        let claimed = cluster.claimed(&ledger)?;
        let member = !matches!(claimed, Claimed::NotJoined);
        let here = if let Some(prepared) = narrowed(prepared, &claimed, Thrift::UseAll) {
            prepared.room(ledger)?.iter().any(|room| room.free > 0 || room.cooling > 0)
        } else {
            // Not held while the store is asked.
            drop(ledger);
            // A list that is new will do; who is to join has the cluster before it.
            !cluster.is_shared()
        };
        if !cluster.is_shared() {
            return Ok(Outlook { room: here, member, store: Ok(()) });
        }
        let dividing = Dividing::new(self.policy, self.settings, &self.context(), &mut log)?;
        match cluster.has_unclaimed(&dividing, Instant::now() + GLANCE, &mut log) {
            Ok(unclaimed) => Ok(Outlook { room: here || unclaimed, member, store: Ok(()) }),
            Err(fault) => Ok(Outlook { room: here, member, store: Err(fault.into()) }),
        }
    }
}

/// Why there is no room, and why none could be had.
struct Outcome {
    node: String,
    fault: Fault,
    refused: Option<IpamError>,
}

impl Outcome {
    fn error(self) -> NetworkError {
        let temporary = self.fault.is_temporary();
        let error = NetworkError::from(self.fault);
        let Some(refused) = self.refused.filter(|_| temporary) else { return error };
        let text = format!("node {}: {refused}, and no further block can be claimed now: {}", self.node, error.msg);
        NetworkError { code: Code::TRY_AGAIN, msg: text, details: error.details }
    }
}

fn no_room(error: IpamError) -> Result<Attempt, NetworkError> {
    match error {
        IpamError::Refused { refusal: Refusal::Exhausted(_), .. } => Ok(Attempt::NoRoom(error)),
        error => Err(error.into()),
    }
}

/// The policy with nothing to give but what is claimed; none if that is not known.
fn narrowed<'p>(
    prepared: Prepared<'p, StoreLedger>,
    claimed: &Claimed,
    thrift: Thrift,
) -> Option<Prepared<'p, StoreLedger>> {
    match (claimed, thrift) {
        (Claimed::All, _) => Some(prepared),
        (Claimed::Blocks(blocks), Thrift::LetRest) => {
            Some(prepared.restrict(&blocks.rested, blocks.picture.clone()).without_early_reuse())
        }
        (Claimed::Blocks(blocks), Thrift::UseAll) => Some(prepared.restrict(&blocks.all, blocks.picture.clone())),
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
