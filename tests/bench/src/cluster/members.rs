//! Nodes that join by the plugin's own driver, as the first ADD of each does: incarnation, block, fence.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gingham_cluster::{Cluster, Policy};
use gingham_engine::address::IpRange;
use gingham_engine::runtime::{Policy as Component, Runtime};
use gingham_engine::settings::Settings;
use gingham_testbed::etcd::Etcd;
use serde_json::{Map, Value, json};

use super::beats::Beats;
use super::etcd::Load;
use super::nodes;
use crate::report::Samples;

/// What an ADD gives the store.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A runtime tries again as well.
const MOST_TRIES: usize = 100;

/// Nodes of one network.
pub(super) struct Members {
    /// The network's name.
    pub(super) network: &'static str,
    /// How many there are that joined by the library.
    pub(super) count: usize,
    endpoints: Vec<String>,
}

impl Members {
    pub(super) fn new(network: &'static str, etcd: &Etcd, count: usize) -> Self {
        Self { network, count, endpoints: etcd.endpoints() }
    }

    /// `ipam` of a node. Its own data is on tmpfs.
    pub(super) fn ipam(&self, node: &str, address: IpAddr) -> Value {
        json!({
            "type": "gingham", "policy": "weave-split", "range": "10.32.0.0/12", "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": self.data(node),
            "cluster": {"store": "etcd", "endpoints": self.endpoints, "node": node, "address": address},
        })
    }

    /// Where a node keeps its data.
    pub(super) fn data(&self, node: &str) -> String {
        format!("/var/lib/{}/{node}", self.network)
    }

    fn settings(&self, number: usize) -> Result<Settings, Box<dyn Error>> {
        let ipam = self.ipam(&name(number), nodes::address(number).into());
        Ok(Settings::parse(ipam.as_object().unwrap_or(&Map::new()))?)
    }

    /// Lets all of them join, so many at a time, and prints how long that took.
    pub(super) fn join(&self, at_once: usize, load: &Load) -> Result<(), Box<dyn Error>> {
        let component = component()?;
        let all: Vec<Settings> = (0..self.count).map(|number| self.settings(number)).collect::<Result<_, _>>()?;
        for number in 0..self.count {
            fs::create_dir_all(self.data(&name(number)))?;
        }
        let boot = boot()?;
        let (next, tries) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (samples, faults) = (Mutex::new(Samples::new()), Mutex::new(Vec::new()));
        let before = load.read()?;
        let start = Instant::now();
        let work = || {
            while let Some(settings) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                let start = Instant::now();
                match join_one(self.network, settings, &component, &boot) {
                    Ok(count) => {
                        tries.fetch_add(count, Ordering::Relaxed);
                        samples.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(start.elapsed());
                    }
                    Err(fault) => faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(fault),
                }
            }
        };
        thread::scope(|scope| (0..at_once).for_each(|_| drop(scope.spawn(work))));
        let (took, spent) = (start.elapsed(), load.read()? - before);
        if let Some(fault) = faults.into_inner()?.pop() {
            return Err(fault.into());
        }
        let samples = samples.into_inner()?;
        let each = |sum: f64| sum / f64::from(u32::try_from(self.count).unwrap_or(u32::MAX));
        let millis = |percent| samples.percentile(percent).as_secs_f64() * 1000.0;
        println!("\n{}: {} nodes join, {at_once} at a time", self.network, self.count);
        println!("  all: {:.2} s; each: median {:.1} ms, p99 {:.1} ms", took.as_secs_f64(), millis(50), millis(99));
        println!("  second tries after five seconds or contention: {}", tries.into_inner() - self.count);
        println!(
            "  calls for each: {:.2} reads, {:.2} writes, {:.2} connections; etcd: {:.2} s CPU, {:.1} MB sent",
            each(spent.ranges),
            each(spent.writes),
            each(spent.connections),
            spent.cpu,
            spent.sent / 1e6
        );
        Ok(())
    }

    /// Lets all of them show life.
    pub(super) fn beat(&self) -> Result<Beats, String> {
        let names: Vec<String> = (0..self.count).map(name).collect();
        Beats::start(self.network, &self.endpoints, &names)
    }

    /// Looks whether shares are equal and no block is in two hands.
    pub(super) fn check(&self) -> Result<(), Box<dyn Error>> {
        let (component, boot) = (component()?, boot()?);
        let mut holders: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for number in 0..self.count {
            let settings = self.settings(number)?;
            for block in Cluster::new(self.network, &settings, &boot)?.held()? {
                holders.entry(block).or_default().push(name(number));
            }
        }
        let settings = self.settings(0)?;
        let policy = Policy::new(&component, &settings, &settings.context(self.network), &mut Vec::new())?;
        let start = Instant::now();
        let mut cluster = Cluster::new(self.network, &settings, &boot)?;
        let status = cluster.status(&policy, Instant::now() + Duration::from_mins(1), &mut Vec::new())?;
        let took = start.elapsed();
        let sizes = status.members.iter().map(|member| member.share.iter().map(IpRange::len).sum::<u128>());
        let (least, most) = (sizes.clone().min(), sizes.max());
        let twice = holders.values().filter(|holders| holders.len() > 1).count();
        let by_store: BTreeMap<_, Vec<String>> = status
            .members
            .iter()
            .flat_map(|member| member.blocks.iter().map(|block| (*block, vec![member.name.clone()])))
            .collect();
        println!(
            "  members: {}, shares of {} to {} addresses, {} blocks held, {twice} of them by two nodes; the store says {}",
            status.members.len(),
            least.unwrap_or_default(),
            most.unwrap_or_default(),
            holders.len(),
            if by_store == holders { "the same" } else { "otherwise" }
        );
        println!("  status of all, shares computed: {:.2} s", took.as_secs_f64());
        Ok(())
    }
}

/// `node-0001`, …: the order of their numbers.
fn name(number: usize) -> String {
    format!("node-{number:04}")
}

fn component() -> Result<Component, Box<dyn Error>> {
    let policy = gingham_builtin::find("weave-split").ok_or("weave-split is built in")?;
    Ok(policy.load(&Runtime::new()?)?)
}

fn boot() -> Result<String, Box<dyn Error>> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// What an ADD does before it chooses an address. Returns how often it was tried.
fn join_one(network: &str, settings: &Settings, component: &Component, boot: &str) -> Result<usize, String> {
    let mut log = Vec::new();
    for tried in 1.. {
        let done = Cluster::new(network, settings, boot).and_then(|mut cluster| {
            let policy = Policy::new(component, settings, &settings.context(network), &mut log)?;
            // Room for the node's own address and the container's.
            cluster.ensure(&policy, 2, Instant::now() + JOIN_TIMEOUT, &mut log)
        });
        match done {
            Ok(_) => return Ok(tried),
            Err(fault) if fault.is_temporary() && tried < MOST_TRIES => {}
            Err(fault) => return Err(fault.to_string()),
        }
    }
    Err("tried too often".to_owned())
}
