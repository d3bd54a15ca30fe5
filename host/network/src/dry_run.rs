//! What an ADD would meet, found out without changing anything: what the first containers would get, and what stands in
//! the way on this node as it is.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use gingham_cluster::{Blocks, Claimed, Cluster, Policy as ClusterPolicy};
use gingham_cni::error::Code;
use gingham_engine::address::Family;
use gingham_engine::attachment::{AttachmentKey, Labels, Pod};
use gingham_engine::ipam::{self, IpamError, IpamResult, PoolRoom};
use gingham_engine::memory_ledger::MemoryStore;
use gingham_engine::runtime::Policy;
use ipnet::IpNet;

use crate::address_management::AddressManagement;
use crate::addressing::Addressing;
use crate::allocation::Allocation;
use crate::cni_result;
use crate::error::NetworkError;
use crate::network::{Addresses, Network};
use crate::preparation::{self, Preparation};

mod bridge;
mod data_directory;
mod next_hops;
mod replacement;

pub use replacement::Refusal;

/// What the cluster's store is given to answer.
const STORE_TIMEOUT: Duration = Duration::from_secs(3);

/// The pod of the containers that are tried.
#[derive(Debug, Clone, Default)]
pub struct TriedPod {
    pub pod: Pod,
    /// None: those that the node agent knows.
    pub labels: Option<Labels>,
    pub annotations: Option<Labels>,
}

/// What a container would get.
#[derive(Debug, Clone, Default)]
pub struct First {
    /// Its addresses.
    pub addresses: Vec<IpNet>,
    /// Whether it could reach something outside of its network.
    pub has_default_route: bool,
    /// What the bridge would get.
    gateways: Vec<IpNet>,
    /// The subnets of all pools: their gateways share the bridge.
    networks: Vec<IpNet>,
}

impl Network {
    /// Everything that ADD refuses before it asks for an address.
    pub fn prepare(&self) -> Result<(), NetworkError> {
        Preparation::of(&self.call).map(drop)
    }

    /// What stands in the way of an ADD on this node as it is now: nothing of it is the configuration's fault alone.
    /// `first` is what the first container would get.
    pub fn obstacles(&self, first: Option<&First>) -> Vec<NetworkError> {
        let Ok(prepared) = Preparation::of(&self.call) else { return Vec::new() };
        let checks = [
            prepared.bridge.as_ref().map_or(Ok(()), |bridge| bridge::is_usable(bridge, first)),
            data_directory::is_usable(&prepared.management.settings.data_dir),
            store_is_readable(&prepared.management),
            tunnel_is_possible(&prepared),
        ];
        checks.into_iter().filter_map(Result::err).collect()
    }

    /// Addresses that earlier configurations left where the gateways are, each with what to do about it.
    pub fn left_over(&self, first: Option<&First>) -> Vec<String> {
        let prepared = Preparation::of(&self.call).ok();
        let config = prepared.and_then(|prepared| prepared.bridge);
        let left = config.zip(first).map_or(Ok(Vec::new()), |(config, first)| bridge::left_over(&config, first));
        // That the kernel does not answer is among the obstacles.
        left.unwrap_or_default()
    }
}

impl Addresses<'_> {
    /// What the first containers would get on a network without leases, and why there are no more if so.
    pub fn first(&self, count: usize, pod: &TriedPod) -> (Vec<First>, Option<NetworkError>) {
        let mut first = Vec::new();
        let refused = self.try_some(count, pod, &mut first).err();
        (first, refused)
    }

    fn try_some(&self, count: usize, pod: &TriedPod, first: &mut Vec<First>) -> Result<(), NetworkError> {
        let policy = self.management.policy(&self.choice)?;
        let store = MemoryStore::new();
        let own = self.own_gateways(&store, policy)?;
        let part = self.part_of_node(policy)?;
        for number in 1..=count {
            let container = AttachmentKey { container_id: format!("container-{number}"), interface: "eth0".to_owned() };
            let ipam = self.try_one(&store, (policy, part.as_ref()), container, pod)?;
            let allocation = if policy.is_cluster() {
                Allocation::in_cluster(ipam, &own, &self.management.settings)
            } else {
                ipam.into()
            };
            first.push(self.fitted(&allocation.ipam)?);
        }
        Ok(())
    }

    /// In a cluster a policy may leave the gateways to the nodes; then each node has an address of its own before its
    /// containers.
    fn own_gateways(&self, store: &MemoryStore, policy: &Policy) -> Result<Vec<IpAddr>, NetworkError> {
        let has_gateways = self.pools.iter().flat_map(|pool| &pool.ranges).all(|part| part.gateway.is_some());
        if !policy.is_cluster() || has_gateways {
            return Ok(Vec::new());
        }
        let records = self.management.records()?;
        let cluster = Cluster::new(self.network.name(), &self.management.settings, records.boot())?;
        let key = AttachmentKey::of_node(cluster.node(), &self.network.bridge_name());
        let part = self.part_of_node(policy)?;
        Ok(self.try_one(store, (policy, part.as_ref()), key, &TriedPod::default())?.addresses().collect())
    }

    /// Whether this node has to claim a block before it can hand out an address. Which one is known afterwards.
    pub fn awaits_first_block(&self) -> Result<bool, NetworkError> {
        let claimed = self.claimed_here(self.management.policy(&self.choice)?)?;
        Ok(match claimed {
            Claimed::Blocks(blocks) => blocks.all.iter().next().is_none(),
            Claimed::NotJoined => true,
            Claimed::All | Claimed::Unsettled => false,
        })
    }

    /// What this node may hand out of a divided range: its share of a list, or the blocks that it holds. None where it is all,
    /// or not known before it has a block.
    fn part_of_node(&self, policy: &Policy) -> Result<Option<Blocks>, NetworkError> {
        let claimed = self.claimed_here(policy)?;
        Ok(if let Claimed::Blocks(blocks) = claimed {
            Some(blocks).filter(|blocks| blocks.all.iter().next().is_some())
        } else {
            None
        })
    }

    fn claimed_here(&self, policy: &Policy) -> Result<Claimed, NetworkError> {
        let settings = &self.management.settings;
        if settings.cluster.is_none() {
            return Ok(Claimed::All);
        }
        let records = self.management.records()?;
        let cluster = Cluster::new(self.network.name(), settings, records.boot())?;
        let recorded = records.look()?.map(|ledger| cluster.claimed(&ledger)).transpose()?;
        Ok(match recorded {
            Some(claimed @ (Claimed::Blocks(_) | Claimed::All)) => claimed,
            _ => {
                let mut ledger = MemoryStore::new().ledger(self.network.name());
                let divided = ClusterPolicy::new(policy, settings, &self.management.context(), &mut Vec::new())?;
                cluster.settle_list(&divided, &mut ledger, &mut Vec::new())?;
                cluster.claimed(&ledger)?
            }
        })
    }

    fn try_one(
        &self,
        store: &MemoryStore,
        (policy, part): (&Policy, Option<&Blocks>),
        key: AttachmentKey,
        pod: &TriedPod,
    ) -> Result<IpamResult, NetworkError> {
        Ok(self.ask(store, (policy, part), key, pod)??)
    }

    /// The error of the policy beside that of everything else.
    fn ask(
        &self,
        store: &MemoryStore,
        (policy, part): (&Policy, Option<&Blocks>),
        key: AttachmentKey,
        TriedPod { pod, labels, annotations }: &TriedPod,
    ) -> Result<Result<IpamResult, IpamError>, NetworkError> {
        let records = self.management.records()?;
        let (mut request, record) = self.management.question(key, pod, &records)?;
        request.facts.labels = labels.clone().or(request.facts.labels);
        request.facts.annotations = annotations.clone().or(request.facts.annotations);
        let ledger = store.ledger(self.network.name());
        let mut log = Vec::new();
        let prepared = ipam::prepare(policy, &self.management.settings, &self.management.context(), &mut log)?;
        let prepared = match part {
            Some(blocks) => prepared.restrict(&blocks.all, blocks.block_map.clone()),
            None => prepared,
        };
        Ok(prepared.allocate(ledger, &request, &record, &mut log))
    }

    /// Whether the bridge could be the gateway of such addresses, and the version can express the result.
    fn fitted(&self, ipam: &IpamResult) -> Result<First, NetworkError> {
        let prepared = Preparation::of(&self.network.call)?;
        let addressing = if let Some(bridge) = &prepared.bridge {
            let (addressing, routes) = preparation::addressing(prepared.version, bridge, ipam)?;
            next_hops::require_reachable(&addressing.addresses(), &routes)?;
            addressing
        } else {
            preparation::fits(prepared.version, ipam)?;
            let result = cni_result::of(ipam);
            Addressing { ips: result.ips, routes: result.routes, ..Addressing::default() }
        };
        Ok(First {
            addresses: addressing.ips.iter().map(|ip| ip.address).collect(),
            has_default_route: addressing.routes.iter().any(|route| route.dst.prefix_len() == 0),
            gateways: addressing.gateways,
            networks: ipam.networks.clone(),
        })
    }

    /// What stands in the way of an address on this node as it is now.
    pub fn shortage(&self) -> Option<NetworkError> {
        let found = self.management.policy(&self.choice).and_then(|policy| {
            if policy.is_cluster() { self.shortage_in_cluster(policy) } else { self.shortage_here() }
        });
        found.err()
    }

    fn shortage_here(&self) -> Result<(), NetworkError> {
        let rooms = self.room()?;
        let is_full = |room: &PoolRoom| room.free == 0 && room.cooling == 0;
        let has_room = |family: Family| {
            let mut of_family = self.pools.iter().zip(&rooms).filter(|(pool, _)| {
                let families = pool.ranges.iter().map(|part| part.range.family());
                families.into_iter().any(|of_part| of_part == family)
            });
            of_family.any(|(_, room)| !is_full(room))
        };
        match self.pools.families().into_iter().find(|family| !has_room(*family)) {
            None => Ok(()),
            Some(family) => Err(NetworkError::new(
                Code::EXHAUSTED,
                format!("no {family} address is free now; run ginghamctl leases to see who holds them"),
            )),
        }
    }

    /// How full this node's part of a divided range is; none where it has no part yet.
    pub fn room_claimed(&self, policy: &Policy) -> Result<Option<Vec<PoolRoom>>, NetworkError> {
        let records = self.management.records()?;
        let settings = &self.management.settings;
        let cluster = Cluster::new(self.network.name(), settings, records.boot())?;
        let Some(ledger) = records.look()? else {
            cluster.claimed(&MemoryStore::new().ledger(self.network.name()))?;
            return Ok(None);
        };
        let claimed = cluster.claimed(&ledger)?;
        let prepared = ipam::prepare(policy, settings, &self.management.context(), &mut Vec::new())?;
        let prepared = match claimed {
            Claimed::All => prepared,
            Claimed::Blocks(blocks) => prepared.restrict(&blocks.all, blocks.block_map.clone()),
            Claimed::NotJoined | Claimed::Unsettled => return Ok(None),
        };
        Ok(Some(prepared.room(ledger, records.now())?))
    }

    /// A member with room needs no store. Any other node needs it, and an unclaimed block in it.
    fn shortage_in_cluster(&self, policy: &Policy) -> Result<(), NetworkError> {
        let records = self.management.records()?;
        let settings = &self.management.settings;
        let mut log = Vec::new();
        let mut cluster = Cluster::new(self.network.name(), settings, records.boot())?;
        let rooms = self.room_claimed(policy)?;
        let has_room = rooms.iter().flatten().any(|room| room.free > 0 || room.cooling > 0);
        if has_room {
            return Ok(());
        }
        if !cluster.is_shared() {
            let text = "no address is free in the share of this node; run ginghamctl leases to see who holds them";
            let full = Err(NetworkError::new(Code::EXHAUSTED, text));
            // A share that was never used is empty.
            return if rooms.is_some() { full } else { Ok(()) };
        }
        if !cluster.can_call_store() {
            // What is unclaimed, the agent knows.
            return Ok(());
        }
        cluster.require_identity()?;
        let cluster_policy = ClusterPolicy::new(policy, settings, &self.management.context(), &mut log)?;
        if cluster.has_unclaimed(&cluster_policy, Instant::now() + STORE_TIMEOUT, &mut log)? {
            return Ok(());
        }
        let text = "no address is free on this node, and no block is unclaimed; run ginghamctl cluster status to see who holds them";
        Err(NetworkError::new(Code::EXHAUSTED, text))
    }
}

fn store_is_readable(management: &AddressManagement<'_>) -> Result<(), NetworkError> {
    Ok(management.records()?.look().map(drop)?)
}

/// Where the container's MTU depends on a tunnel's.
fn tunnel_is_possible(prepared: &Preparation<'_>) -> Result<(), NetworkError> {
    let needs_mtu = prepared.bridge.as_ref().is_some_and(|bridge| bridge.mtu.is_none());
    if needs_mtu {
        prepared.management.tunnel_mtu(&prepared.management.records()?)?;
    }
    Ok(())
}
