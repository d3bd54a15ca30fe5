//! This node's membership in a network's cluster: runs the tasks of ownership against the node's own store and the cluster's.

mod confirmation;
mod departures;
mod membership;
mod this_node;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use gingham_cluster::{Cluster as Joined, Policy, RoomAnswer};
use gingham_engine::attachment::Context;
use gingham_engine::boot_id;
use gingham_engine::clock;
use gingham_engine::library::Library;
use gingham_engine::runtime::{LogLevel, LogLine, Policy as Component};
use gingham_engine::settings::Settings;
use gingham_engine::settings::membership::StoreSettings;
use gingham_engine::store::Store;
use gingham_network::network::{Network as Configured, PolicyState, Source};
use gingham_ownership::beat::Beat;
use gingham_ownership::error::ClusterError;
use ipnet::IpNet;
use self_cell::self_cell;
use serde_json::Value;
use tracing::{debug, error, info, warn};

use crate::cluster_calls::{AgentError, Cluster, Snapshot, Usage};
use crate::grace_period::GracePeriod;
use crate::kubernetes::Kubernetes;
use crate::networks::{Network, program};
use crate::stale_leases::StaleLeases;
use confirmation::Confirmation;
use departures::Departures;
use membership::Suspicion;
use this_node::{Brought, NodeObject};

/// For the calls of one task.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for an ADD that waits: it gets the reason before its own 5 s are over.
const ROOM_TIMEOUT: Duration = Duration::from_secs(4);

/// Borrowed by [`Parts`].
struct Settled {
    network: String,
    settings: Settings,
    component: Component,
    context: Context,
    bridge: String,
    boot: String,
}

/// The cluster, and the policy that divides its range.
struct Parts<'a> {
    cluster: Joined<'a>,
    policy: Policy<'a>,
}

self_cell!(
    struct Whole {
        owner: Settled,
        #[not_covariant]
        dependent: Parts,
    }
);

/// This node in one network's cluster.
pub(crate) struct Member {
    whole: Whole,
    configured: Configured,
    /// As it was when the policy was loaded.
    policy_state: PolicyState,
    beat: Beat,
    suspicion: Option<Suspicion>,
    /// In the last records: blocks whose owner was edited by hand, to this node or from it.
    edited: BTreeSet<IpNet>,
    confirmation: Confirmation,
    idle: GracePeriod<IpNet>,
    /// Whether containers may have addresses of blocks that this node does not hold.
    has_stray_addresses: bool,
    stale_leases: StaleLeases,
    /// With the store `kubernetes`.
    node_object: Option<NodeObject>,
    departures: Departures,
}

/// Opens a network's cluster, without a call of its store. `library` is the directory of installed policies.
pub(crate) fn open(
    network: &Network,
    library: &Path,
    grace_period: Duration,
    kubernetes: Option<&Kubernetes>,
) -> Result<Box<dyn Cluster>, AgentError> {
    let input = Value::Object(network.config.clone()).to_string();
    let configured =
        Configured::read(program(&network.config), library, input.as_bytes()).map_err(AgentError::of_node)?;
    let policy_state = configured.policy_state().map_err(AgentError::of_node)?;
    let settled = settle(&network.name, &configured).map_err(|error| {
        kubernetes.and_then(|_| missing_policy(&configured, library)).map_or(error, AgentError::Node)
    })?;
    let store = this_node::store(&settled, kubernetes)?;
    let mut lines = Vec::new();
    let node_object = match kubernetes.filter(|_| store.is_some()) {
        Some(kubernetes) => Some(NodeObject::new(kubernetes.clone(), &network.name)?),
        None => None,
    };
    let whole = Whole::try_new(settled, |settled| {
        let mut cluster = Joined::new(&settled.network, &settled.settings, &settled.boot).map_err(cluster_error)?;
        if let Some(Brought { store, node }) = store {
            cluster = cluster.with_store(store, Some(node));
        }
        let policy = Policy::new(&settled.component, &settled.settings, &settled.context, &mut lines)
            .map_err(AgentError::of_node)?;
        Ok(Parts { cluster, policy })
    });
    log_policy(&network.name, &lines);
    Ok(Box::new(Member {
        whole: whole?,
        configured,
        policy_state,
        beat: Beat::new(),
        suspicion: None,
        edited: BTreeSet::new(),
        confirmation: Confirmation::default(),
        idle: GracePeriod::new(grace_period),
        has_stray_addresses: true,
        stale_leases: StaleLeases::default(),
        node_object,
        departures: Departures::new(grace_period),
    }))
}

/// In Kubernetes an object brings policies, not a command on the node.
fn missing_policy(configured: &Configured, library: &Path) -> Option<String> {
    let Ok(Source::Policy(name)) = configured.source() else { return None };
    let is_missing = configured.policy_state().is_ok_and(|state| state.digest.is_none())
        && Library::open(library).and_then(|library| library.find(&name)).is_ok_and(|found| found.is_none());
    is_missing.then(|| {
        format!(
            "ipam.policy: unknown policy {name:?}: create an AllocationPolicy {name}, from which agents install it, or name \
             another one"
        )
    })
}

fn settle(network: &str, configured: &Configured) -> Result<Settled, AgentError> {
    let divided = configured.cluster_network().map_err(AgentError::of_node)?;
    let boot = boot_id::read().map_err(AgentError::of_node)?;
    // The first use after a boot reports what the boot ended.
    let store = Store::open(&divided.settings.data_dir, &boot, clock::now()).map_err(AgentError::of_node)?;
    store.events().iter().for_each(|event| warn!(network, "{event}"));
    drop(store);
    Ok(Settled {
        network: network.to_owned(),
        settings: divided.settings,
        component: divided.policy,
        context: divided.context,
        bridge: divided.bridge,
        boot,
    })
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn cluster_error(error: gingham_cluster::Fault) -> AgentError {
    let text = error.to_string();
    match error {
        gingham_cluster::Fault::Protocol(
            ClusterError::Store(_)
            | ClusterError::UnexpectedReply
            | ClusterError::Rewound { .. }
            | ClusterError::NewerSchema { .. }
            | ClusterError::Unreadable { .. },
        ) => AgentError::Store(text),
        _ => AgentError::Node(text),
    }
}

fn log_policy(network: &str, lines: &[LogLine]) {
    for line in lines {
        match line.level {
            LogLevel::Debug => debug!(network, "policy: {}", line.message),
            LogLevel::Info => info!(network, "policy: {}", line.message),
            LogLevel::Warn => warn!(network, "policy: {}", line.message),
            LogLevel::Error => error!(network, "policy: {}", line.message),
        }
    }
}

fn deadline() -> Instant {
    Instant::now() + STORE_TIMEOUT
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Member {
    fn settled(&self) -> &Settled {
        self.whole.borrow_owner()
    }

    fn with<T>(&mut self, work: impl for<'a> FnOnce(&'a Settled, &mut Parts<'a>) -> T) -> T {
        self.whole.with_dependent_mut(work)
    }

    /// A cooling one is given where there is no other.
    fn has_addresses(&mut self) -> Result<bool, AgentError> {
        let usage = self.usage()?;
        Ok(usage.free + usage.cooling > 0)
    }

    fn is_shared(&mut self) -> bool {
        self.with(|_, parts| parts.cluster.is_shared())
    }

    /// Of a network without a store: the configured list.
    fn configured_members(&self) -> Snapshot {
        let members = match self.settled().settings.cluster.as_ref().map(|cluster| &cluster.store) {
            Some(StoreSettings::Local { members }) => count(members.len()).max(1),
            _ => 1,
        };
        Snapshot {
            routes: None,
            members,
            lost: 0,
            unreadable: Vec::new(),
            off_grid: Vec::new(),
            edited: Vec::new(),
            problem: None,
        }
    }
}

impl Cluster for Member {
    fn beat(&mut self) -> Result<(), AgentError> {
        if !self.is_shared() {
            return Ok(());
        }
        let mut beat = std::mem::take(&mut self.beat);
        let beaten = self.with(|_, parts| parts.cluster.beat(&mut beat, deadline()));
        self.beat = beat;
        beaten.map_err(cluster_error)
    }

    fn sync(&mut self) -> Result<Snapshot, AgentError> {
        if !self.is_shared() {
            return Ok(self.configured_members());
        }
        let synced = self.sync_with_store();
        if let Err(AgentError::Store(_)) = &synced {
            self.doubt();
        }
        synced
    }

    fn claim_ahead(&mut self) -> Result<u64, AgentError> {
        let mut lines = Vec::new();
        let ensured = self.with(|_, parts| parts.cluster.claim_ahead(&parts.policy, deadline(), &mut lines));
        log_policy(&self.settled().network, &lines);
        match ensured {
            // The next ADD is served; whoever finds nothing is told why.
            Err(fault) if fault.is_exhausted() && self.has_addresses()? => Ok(0),
            ensured => Ok(count(ensured.map_err(cluster_error)?.new.len())),
        }
    }

    fn make_room(&mut self, addresses: u64) -> RoomAnswer {
        if let Some(refused) = self.refuse_unconfirmed() {
            return refused;
        }
        let mut lines = Vec::new();
        let ensured = self.with(|_, parts| {
            let wanted = addresses.max(parts.cluster.settings().low_water);
            parts.cluster.ensure(&parts.policy, wanted, Instant::now() + ROOM_TIMEOUT, &mut lines)
        });
        log_policy(&self.settled().network, &lines);
        match ensured {
            Ok(ensured) => RoomAnswer::Claimed(count(ensured.new.len())),
            Err(fault) if fault.is_exhausted() => RoomAnswer::Exhausted(fault.to_string()),
            Err(fault) => RoomAnswer::Failed(fault.to_string()),
        }
    }

    fn release_idle(&mut self) -> Result<u64, AgentError> {
        if !self.is_shared() {
            return Ok(0);
        }
        let idle = self.with(|_, parts| parts.cluster.idle()).map_err(cluster_error)?;
        let idle: Vec<IpNet> = self.idle.expired(idle.into_iter().collect(), Instant::now()).into_iter().collect();
        let released =
            self.with(|_, parts| parts.cluster.release(&parts.policy, &idle, deadline())).map_err(cluster_error)?;
        Ok(count(released.blocks.len()))
    }

    fn stale_leases(&mut self) -> Result<BTreeSet<String>, AgentError> {
        let Settled { network, settings, boot, .. } = self.whole.borrow_owner();
        self.stale_leases.find(&settings.data_dir, network, boot)
    }

    fn free(&mut self, stale: &BTreeSet<String>) -> Result<u64, AgentError> {
        let Settled { network, settings, boot, .. } = self.whole.borrow_owner();
        self.stale_leases.free(stale, &settings.data_dir, network, boot)
    }

    fn is_outdated(&mut self) -> bool {
        // What cannot be read now is reported by the code that needs it.
        self.configured.policy_state().is_ok_and(|now| now != self.policy_state)
    }

    fn usage(&mut self) -> Result<Usage, AgentError> {
        let occupancy = self.with(|_, parts| parts.cluster.occupancy(&parts.policy)).map_err(cluster_error)?;
        self.has_stray_addresses = !occupancy.outside.is_empty();
        Ok(Usage {
            used: occupancy.leased,
            free: occupancy.free,
            cooling: occupancy.cooling,
            blocks: count(occupancy.blocks.len()),
            outside: occupancy.outside,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_store_and_of_this_node_are_distinguished() {
        let of = |error: ClusterError| cluster_error(error.into());
        assert!(matches!(of(ClusterError::Rewound { seen: 7, now: 3 }), AgentError::Store(_)));
        assert!(matches!(of(ClusterError::Fenced { node: "n".to_owned() }), AgentError::Node(_)));
    }
}
