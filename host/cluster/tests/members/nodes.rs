//! Nodes: a name and a data directory each, and one directory for all as the cluster's store.

use std::net::IpAddr;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use gingham_cluster::{Blocks, Claimed, Cluster, Fault};
use gingham_engine::attachment::{AttachmentKey, Pod};
use gingham_engine::cluster_policy::ClusterPolicy;
use gingham_engine::ledger::{AttachmentRecord, Ledger as _, LedgerQueries as _};
use gingham_engine::runtime::{Policy, Runtime};
use gingham_engine::settings::Settings;
use gingham_engine::store::{Store, StoreLedger};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const NETWORK: &str = "net";

/// The policy that divides a range.
pub(crate) fn weave_split() -> &'static Policy {
    static POLICY: LazyLock<Policy> = LazyLock::new(|| {
        let runtime = Runtime::new().unwrap();
        gingham_builtin::find("weave-split").expect("it is built in").load(&runtime).unwrap()
    });
    &POLICY
}

pub(crate) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// A cluster's store and the data of its nodes.
pub(crate) struct Nodes {
    directory: TempDir,
}

/// A node's settings and what tells one life of it from the next.
pub(crate) struct Node {
    pub(crate) settings: Settings,
    pub(crate) boot: String,
}

impl Nodes {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("store")).unwrap();
        Self { directory }
    }

    pub(crate) fn store(&self) -> Value {
        json!({"store": "directory", "directory": self.directory.path().join("store")})
    }

    /// A node of the cluster in the store.
    pub(crate) fn node(&self, name: &str) -> Node {
        self.node_with(name, Some(self.store()), &json!({}))
    }

    /// A node with this `cluster`, if any, and further keys of `ipam`.
    pub(crate) fn node_with(&self, name: &str, cluster: Option<Value>, keys: &Value) -> Node {
        let mut ipam: Map<String, Value> = serde_json::from_value(json!({
            "range": "10.32.0.0/22", "blockSize": 26, "routing": "none", "dataDir": self.data(name),
        }))
        .unwrap();
        if let Some(mut cluster) = cluster {
            cluster["node"] = json!(name);
            cluster.as_object_mut().unwrap().entry("lowWater").or_insert(json!(10));
            ipam.insert("cluster".to_owned(), cluster);
        }
        ipam.extend(keys.as_object().unwrap().clone());
        Node { settings: Settings::parse(&ipam).unwrap(), boot: "boot-1".to_owned() }
    }

    fn data(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    /// What is in the store.
    pub(crate) fn records(&self) -> Map<String, Value> {
        let text = std::fs::read(self.directory.path().join("store/net.json")).unwrap_or(b"{\"records\":{}}".to_vec());
        let all: Value = serde_json::from_slice(&text).unwrap();
        all["records"].as_object().unwrap().clone()
    }

    /// The blocks in the store with their owners.
    pub(crate) fn owners(&self) -> Vec<String> {
        let blocks = self.records().into_iter().filter(|(key, _)| key.starts_with("blocks/"));
        blocks
            .map(|(key, record)| {
                let value: Value = serde_json::from_str(record["value"].as_str().unwrap()).unwrap();
                format!("{} {}", key.trim_start_matches("blocks/"), value["owner"].as_str().unwrap())
            })
            .collect()
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Node {
    pub(crate) fn cluster(&self) -> Cluster<'_> {
        Cluster::new(NETWORK, &self.settings, &self.boot).unwrap()
    }

    pub(crate) fn policy(&self) -> ClusterPolicy<'_> {
        ClusterPolicy::new(weave_split(), &self.settings, &self.settings.context(NETWORK), &mut Vec::new()).unwrap()
    }

    pub(crate) fn ledger(&self) -> StoreLedger {
        Store::open(&self.settings.data_dir, &self.boot, 1).unwrap().into_ledger(NETWORK).unwrap()
    }

    pub(crate) fn ensure(&self) -> Result<Vec<String>, Fault> {
        let ensured = self.cluster().ensure(&self.policy(), 1, deadline(), &mut Vec::new())?;
        Ok(ensured.new.iter().map(ToString::to_string).collect())
    }

    pub(crate) fn claimed(&self) -> Result<Claimed, Fault> {
        self.cluster().claimed(&self.ledger())
    }

    /// What it may hand out, as ranges.
    pub(crate) fn ranges(&self) -> Vec<String> {
        match self.claimed().unwrap() {
            Claimed::Blocks(Blocks { all, .. }) => all.iter().map(|range| range.to_string()).collect(),
            other => vec![format!("{other:?}")],
        }
    }

    /// Leases an address, as an ADD does.
    pub(crate) fn lease(&self, container: &str, address: &str) {
        let mut ledger = self.ledger();
        let address: IpAddr = address.parse().unwrap();
        let record = AttachmentRecord {
            addresses: vec![address],
            since: 1,
            boot: self.boot.clone(),
            netns: String::new(),
            pod: Pod::default(),
            ..AttachmentRecord::default()
        };
        ledger.attach(&key(container), &record).unwrap();
        ledger.commit().unwrap();
    }

    /// Leases all free addresses of what is claimed.
    pub(crate) fn fill(&self) {
        let Claimed::Blocks(blocks) = self.claimed().unwrap() else { panic!("nothing is claimed") };
        for range in blocks.all.iter() {
            while let Some(free) = { self.ledger().next_unused(range).unwrap() } {
                self.lease(&free.to_string(), &free.to_string());
            }
        }
    }

    /// Ends a lease; its address rests.
    pub(crate) fn end(&self, container: &str) {
        let mut ledger = self.ledger();
        ledger.detach(&key(container), 1).unwrap();
        ledger.commit().unwrap();
    }

    /// Ends all rests.
    pub(crate) fn forget_rests(&self) {
        let mut ledger = self.ledger();
        ledger.end_cooldowns(u64::MAX, usize::MAX).unwrap();
        ledger.commit().unwrap();
    }
}

fn key(container: &str) -> AttachmentKey {
    AttachmentKey { container_id: container.to_owned(), interface: "eth0".to_owned() }
}
