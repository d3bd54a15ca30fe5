//! A network's cluster in earnest: the tasks of ownership against the node's own store and the cluster's.

pub(crate) mod remains;
mod standing;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gingham_cluster::{Cluster as Joined, Policy};
use gingham_engine::boot_id;
use gingham_engine::runtime::{LogLevel, LogLine, Policy as Component};
use gingham_engine::settings::Settings;
use gingham_engine::settings::cluster::StoreSettings;
use gingham_engine::store::Store;
use gingham_network::network::Network as Configured;
use gingham_network::plan::OWN_NAME;
use gingham_ownership::beat::Beat;
use gingham_ownership::error::ClusterError;
use ipnet::IpNet;
use self_cell::self_cell;
use serde_json::{Map, Value};

use crate::cluster::{Cluster, Fault, Usage, View};
use crate::log;
use crate::looks::Looks;
use crate::networks::Network;
use remains::Remains;
use standing::Suspicion;

/// What the cluster's store is given for each task.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a member is made of, and is borrowed by the rest.
struct Ground {
    network: String,
    settings: Settings,
    component: Component,
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
        owner: Ground,
        #[not_covariant]
        dependent: Parts,
    }
);

/// This node in one network's cluster.
pub(crate) struct Member {
    whole: Whole,
    beat: Beat,
    suspicion: Option<Suspicion>,
    idle: Looks<IpNet>,
    remains: Remains,
}

/// Opens a network's cluster. Nothing is asked yet. `library` is the directory of installed policies; a block is idle
/// when it was so twice, `looks_apart` from each other.
pub(crate) fn open(network: &Network, library: &Path, looks_apart: Duration) -> Result<Box<dyn Cluster>, Fault> {
    let input = Value::Object(network.config.clone()).to_string();
    let configured = Configured::read(program(&network.config), library, input.as_bytes()).map_err(of_node)?;
    let divided = configured.cluster_network().map_err(of_node)?;
    let boot = boot_id::read().map_err(of_node)?;
    // Where this is the first use after a boot, what that ended is told.
    let store = Store::open(&divided.settings.data_dir, &boot, now()).map_err(of_node)?;
    store.events().iter().for_each(|event| log::warning(Some(&network.name), &event.to_string()));
    drop(store);
    let ground = Ground {
        network: network.name.clone(),
        settings: divided.settings,
        component: divided.policy,
        bridge: divided.bridge,
        boot,
    };
    let mut lines = Vec::new();
    let whole = Whole::try_new(ground, |ground| {
        let context = ground.settings.context(&ground.network);
        let cluster = Joined::new(&ground.network, &ground.settings, &ground.boot).map_err(fault)?;
        let policy = Policy::new(&ground.component, &ground.settings, &context, &mut lines).map_err(of_node)?;
        Ok(Parts { cluster, policy })
    });
    tell(&network.name, &lines);
    Ok(Box::new(Member {
        whole: whole?,
        beat: Beat::new(),
        suspicion: None,
        idle: Looks::new(looks_apart),
        remains: Remains::default(),
    }))
}

/// The name that Gingham runs under: its own, or the one that another main plugin's or its own link has.
fn program(config: &Map<String, Value>) -> &str {
    let kind = config.get("type").and_then(Value::as_str);
    let ipam = config.get("ipam").and_then(|ipam| ipam.get("type")).and_then(Value::as_str);
    [kind, ipam].into_iter().flatten().find(|name| *name == OWN_NAME).or(kind).unwrap_or(OWN_NAME)
}

fn of_node(error: impl Error) -> Fault {
    Fault::Node(error.to_string())
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn fault(fault: gingham_cluster::Fault) -> Fault {
    let text = fault.to_string();
    match fault {
        gingham_cluster::Fault::Protocol(
            ClusterError::Store(_)
            | ClusterError::Nonsense
            | ClusterError::Rewound { .. }
            | ClusterError::NewerSchema { .. }
            | ClusterError::Unreadable { .. },
        ) => Fault::Store(text),
        _ => Fault::Node(text),
    }
}

/// What the policy has to say.
fn tell(network: &str, lines: &[LogLine]) {
    for line in lines {
        let message = format!("the policy says: {}", line.message);
        match line.level {
            LogLevel::Debug | LogLevel::Info => log::info(Some(network), &message),
            LogLevel::Warn => log::warning(Some(network), &message),
            LogLevel::Error => log::error(Some(network), &message),
        }
    }
}

fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// Milliseconds since the epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Member {
    fn ground(&self) -> &Ground {
        self.whole.borrow_owner()
    }

    fn with<T>(&mut self, work: impl for<'a> FnOnce(&'a Ground, &mut Parts<'a>) -> T) -> T {
        self.whole.with_dependent_mut(work)
    }

    fn is_shared(&mut self) -> bool {
        self.with(|_, parts| parts.cluster.is_shared())
    }

    /// Of a network without a store: the list is all there is to know.
    fn view_of_list(&self) -> View {
        let members = match self.ground().settings.cluster.as_ref().map(|cluster| &cluster.store) {
            Some(StoreSettings::Local { members }) => count(members.len()).max(1),
            _ => 1,
        };
        View { reach: None, members, lost: 0, unreadable: Vec::new(), problem: None }
    }
}

impl Cluster for Member {
    fn beat(&mut self) -> Result<(), Fault> {
        if !self.is_shared() {
            return Ok(());
        }
        let mut beat = std::mem::take(&mut self.beat);
        let beaten = self.with(|_, parts| parts.cluster.beat(&mut beat, deadline()));
        self.beat = beat;
        beaten.map_err(fault)
    }

    fn sync(&mut self) -> Result<View, Fault> {
        if self.is_shared() { self.sync_with_store() } else { Ok(self.view_of_list()) }
    }

    fn claim_ahead(&mut self) -> Result<u64, Fault> {
        let mut lines = Vec::new();
        let ensured = self.with(|_, parts| parts.cluster.claim_ahead(&parts.policy, deadline(), &mut lines));
        tell(&self.ground().network, &lines);
        Ok(count(ensured.map_err(fault)?.new.len()))
    }

    fn give_back(&mut self) -> Result<u64, Fault> {
        if !self.is_shared() {
            return Ok(0);
        }
        let idle = self.with(|_, parts| parts.cluster.idle()).map_err(fault)?;
        let idle: Vec<IpNet> = self.idle.again(idle.into_iter().collect(), Instant::now()).into_iter().collect();
        let released = self.with(|_, parts| parts.cluster.release(&parts.policy, &idle, deadline())).map_err(fault)?;
        Ok(count(released.blocks.len()))
    }

    fn orphans(&mut self) -> Result<BTreeSet<String>, Fault> {
        let Ground { network, settings, boot, .. } = self.whole.borrow_owner();
        self.remains.look(&settings.data_dir, network, boot)
    }

    fn free(&mut self, orphans: &BTreeSet<String>) -> Result<u64, Fault> {
        let Ground { network, settings, boot, .. } = self.whole.borrow_owner();
        self.remains.free(orphans, &settings.data_dir, network, boot)
    }

    fn usage(&mut self) -> Result<Usage, Fault> {
        let occupancy = self.with(|_, parts| parts.cluster.occupancy(&parts.policy)).map_err(fault)?;
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
    fn gingham_is_found_under_its_names() {
        let program_of = |json: &str| {
            let config: Map<String, Value> = serde_json::from_str(json).unwrap();
            program(&config).to_owned()
        };
        assert_eq!(program_of(r#"{"type": "gingham", "ipam": {"type": "weave-split"}}"#), "gingham");
        assert_eq!(program_of(r#"{"type": "ptp", "ipam": {"type": "gingham"}}"#), "gingham");
        assert_eq!(program_of(r#"{"type": "a-link", "ipam": {"type": "weave-split"}}"#), "a-link");
    }

    #[test]
    fn what_the_store_says_is_told_from_what_this_node_is() {
        let of = |error: ClusterError| fault(error.into());
        assert!(matches!(of(ClusterError::Rewound { seen: 7, now: 3 }), Fault::Store(_)));
        assert!(matches!(of(ClusterError::Fenced { node: "n".to_owned() }), Fault::Node(_)));
    }
}
