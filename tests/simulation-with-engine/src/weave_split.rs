//! The real component, with a simulated cluster's range.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use gingham_engine::address::IpRange;
use gingham_engine::attachment::{Context, Refusal, Request, Requester};
use gingham_engine::cluster_policy::ClusterPolicy;
use gingham_engine::ipam::{self, IpamError};
use gingham_engine::memory_ledger::MemoryLedger;
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::{Limits, Policy, Runtime};
use gingham_engine::settings::Settings;
use gingham_engine::settings::routing::Routing;
use gingham_ownership::grid::{BlockMap, Grid};
use gingham_ownership::local::LocalState;
use gingham_ownership::shared_store::Reply;
use gingham_ownership::snapshot::Snapshot;
use gingham_simulation::chooser::{BlockPolicy, Exhausted};
use gingham_simulation::disk::Clock;
use ipnet::IpNet;

use crate::ledger_disk::{key, record, sound};

/// `weave-split` with one configuration.
#[derive(Clone, Copy)]
pub struct WeaveSplit {
    policy: &'static Policy,
    settings: &'static Settings,
    blocks: &'static ClusterPolicy<'static>,
}

/// Machine code that lies in the program is registered once for a process.
static POLICY: OnceLock<Policy> = OnceLock::new();

thread_local! {
    /// Every disk of a cluster needs it, and shrinking a failure makes thousands of clusters.
    static CONFIGURED: RefCell<HashMap<(Grid, u64), &'static WeaveSplit>> = RefCell::default();
}

impl WeaveSplit {
    /// The policy with a grid as its range. It is never unloaded.
    ///
    /// # Panics
    /// If the component does not load or refuses the range: it is part of this program.
    pub fn configured(grid: Grid, cooldown: u64) -> &'static Self {
        let configure = || &*Box::leak(Box::new(Self::load(grid, cooldown)));
        CONFIGURED.with_borrow_mut(|configured| *configured.entry((grid, cooldown)).or_insert_with(configure))
    }

    fn load(grid: Grid, cooldown: u64) -> Self {
        let policy = POLICY.get_or_init(|| {
            let Some(built_in) = gingham_builtin::find("weave-split") else { panic!("weave-split is not built in") };
            sound(built_in.load(&sound(Runtime::new())))
        });
        let config = serde_json::json!({"range": grid.range(), "blockSize": grid.block_length()});
        let settings: &'static Settings = Box::leak(Box::new(Settings {
            policy_config: config.to_string(),
            exclude: RangeSet::default(),
            cooldown: std::time::Duration::from_millis(cooldown),
            data_dir: "/nowhere".into(),
            limits: Limits::default(),
            cluster: None,
            routing: Routing::None,
            record: None,
            shadow: None,
            resolv_conf: None,
        }));
        let blocks = sound(ClusterPolicy::new(policy, settings, &context("simulation"), &mut Vec::new()));
        Self { policy, settings, blocks: Box::leak(Box::new(blocks)) }
    }

    /// An address for a container, through the whole engine: policy, guard, ledger.
    pub(crate) fn allocate(
        self,
        ledger: &MemoryLedger,
        pod: u16,
        local: &LocalState,
        listed: &Reply,
        clock: Clock,
    ) -> Option<IpAddr> {
        let Reply::Listed { records, at } = listed else { return None };
        let cluster = sound(Snapshot::read(records, *at));
        let block_map = Arc::new(cluster.block_map(local.node(), local.grids()));
        let cooled: Vec<IpRange> = local.held_cooled(clock.now).map(IpRange::from).collect();
        let mut blocks = vec![cooled, local.ranges()];
        blocks.dedup();
        for ranges in blocks {
            let prepared = sound(ipam::prepare(self.policy, self.settings, &context(local.node()), &mut Vec::new()));
            let prepared = prepared.restrict(&RangeSet::new(ranges), Arc::clone(&block_map));
            let done = prepared.allocate(ledger.clone(), &request(pod, clock), &record(vec![]), &mut Vec::new());
            match done {
                Ok(granted) => return granted.answer.addresses.first().map(|assigned| assigned.address.addr()),
                Err(IpamError::Refused { refusal: Refusal::Exhausted(_) | Refusal::TryAgain { .. }, .. }) => {}
                Err(error) => panic!("weave-split: {error}"),
            }
        }
        None
    }
}

fn context(node: &str) -> Context {
    Context { network: "net".to_owned(), node: node.to_owned(), node_labels: None }
}

fn request(pod: u16, clock: Clock) -> Request {
    Request::new(Requester::Container, key(pod), clock.now, u64::from(pod))
}

impl BlockPolicy for WeaveSplit {
    fn next_block(&self, block_map: &BlockMap) -> Result<IpNet, Exhausted> {
        match self.blocks.next_block(0, &Arc::new(block_map.clone()), &mut Vec::new()) {
            Ok(proposal) => Ok(proposal.block),
            Err(IpamError::Refused { refusal: Refusal::Exhausted(_), .. }) => Err(Exhausted),
            Err(error) => panic!("weave-split: {error}"),
        }
    }

    fn share(&self, members: &[String], member: &str) -> u128 {
        let share = sound(self.blocks.share(members, member, &mut Vec::new()));
        share.iter().map(IpRange::len).sum::<u128>() / self.blocks.grids()[0].block_size()
    }
}

impl fmt::Debug for WeaveSplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeaveSplit")
    }
}
