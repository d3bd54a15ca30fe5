//! `ginghamctl cluster migrate` with a real etcd and a real API server: two nodes with leases move, are killed in the middle,
//! follow, and go back. The nodes are data directories of one host; no agent runs.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use gingham_etcd::Etcd;
use gingham_kubernetes_tests::programs;
use gingham_net::netns::NetNs;
use gingham_ownership::etcd_settings::{EtcdSettings, PREFIX};
use gingham_ownership::shared_store::{Call, Reply, SharedStore as _};
use serde_json::{Value, json};

use crate::clusters_in_kubernetes_are_administered::Nodes;
use crate::leases_are_shown::{attach, now};
use crate::program::{CTL, Said};

const NODES: [&str; 2] = ["node-1", "node-2"];

/// A cluster in etcd with two nodes, a lease on each.
struct Cluster {
    nodes: Nodes,
}

impl Cluster {
    fn start() -> Self {
        let cluster = Self { nodes: Nodes::new() };
        for node in NODES {
            fs::create_dir(cluster.nodes.path(&format!("etcd-{node}"))).unwrap();
            cluster.configure(node);
            cluster.in_etcd(node, &["join"]).done();
            let block = cluster.blocks_in_etcd(node)[0].clone();
            let address = block
                .replace("/28", "")
                .rsplit_once('.')
                .map(|(net, last)| format!("{net}.{}", last.parse::<u8>().unwrap() + 3));
            attach(&cluster.nodes.path(node), "pods", node, &[&address.unwrap()], "/proc/self/ns/net", now());
        }
        cluster
    }

    /// The same as with the store `kubernetes`, but for the store.
    fn configure(&self, node: &str) {
        let file = self.nodes.path(&format!("net.d-{node}/10-pods.conf"));
        let mut config: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        config["ipam"]["cluster"] =
            json!({"store": "etcd", "endpoints": self.nodes.plane.etcd_endpoints(), "node": node, "lowWater": 0});
        fs::write(self.nodes.path(&format!("etcd-{node}/10-pods.conf")), config.to_string()).unwrap();
    }

    fn add_node_objects(&self) {
        for node in NODES {
            let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}});
            self.nodes.plane.kubectl().apply(&object.to_string());
        }
    }

    fn command(&self, node: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(CTL);
        command.arg("cluster").args(arguments).arg("--config-dir").arg(self.nodes.path(&format!("etcd-{node}")));
        command.args(["--kube-server", &self.nodes.plane.url()]).arg("--kube-ca").arg(self.nodes.plane.authority());
        command.arg("--kube-token").arg(self.nodes.path("token")).env_remove("KUBERNETES_SERVICE_HOST");
        command
    }

    fn in_etcd(&self, node: &str, arguments: &[&str]) -> Said {
        Said::by(&mut self.command(node, arguments))
    }

    fn migrate(&self, arguments: &[&str]) -> Said {
        self.in_etcd("node-1", &[&["migrate"], arguments].concat())
    }

    fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = self.command("node-1", &[&["migrate"], arguments].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Kills a migration after it has announced so many steps. Wherever that was, no node can join in both stores.
    fn kill_at(&self, step: usize, pause: Duration) {
        let mut child = self.begin(&["--to", "kubernetes", "--yes"]);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let steps = lines.map_while(Result::ok).filter(|line| line.ends_with('…'));
        let reached = steps.take(step).count();
        assert_eq!(reached, step, "{:?}", child.wait_with_output());
        thread::sleep(pause);
        child.kill().unwrap();
        child.wait().unwrap();
        let [etcd, kubernetes] = [self.in_etcd("node-2", &["join"]), self.nodes.cluster("node-2", &["join"])];
        assert!(etcd.code != Some(0) || kubernetes.code != Some(0), "after step {step}");
    }

    fn blocks(status: &str, node: &str) -> Vec<String> {
        let status: Value = serde_json::from_str(status).unwrap();
        let member = status["members"].as_array().unwrap().iter().find(|member| member["node"] == node).unwrap();
        member["blocks"].as_array().unwrap().iter().map(|block| block.as_str().unwrap().to_owned()).collect()
    }

    fn blocks_in_etcd(&self, node: &str) -> Vec<String> {
        Self::blocks(&self.in_etcd(node, &["status", "--json"]).done(), node)
    }

    /// Joins where the cluster has moved to, as an agent does, and returns the blocks.
    fn follow_to_kubernetes(&self, node: &str) -> Vec<String> {
        self.nodes.cluster(node, &["join"]).done();
        Self::blocks(&self.nodes.cluster(node, &["status", "--json"]).done(), node)
    }

    fn leases(&self, node: &str) -> String {
        Said::by(Command::new(CTL).args(["leases", "--json", "--data-dir"]).arg(self.nodes.path(node))).done()
    }

    /// Keys and versions of everything that both stores have of the network.
    fn everything(&self) -> Vec<(String, u64)> {
        let endpoints = self.nodes.plane.etcd_endpoints().iter().map(|endpoint| endpoint.parse().unwrap()).collect();
        let settings = EtcdSettings { endpoints, prefix: PREFIX.to_owned(), login: None, tls: None };
        let list = Call::List { prefix: String::new() };
        let listed = Etcd::new(settings, "pods").call(&list, Instant::now() + Duration::from_secs(10));
        let Reply::Listed { records, .. } = listed else { panic!("{listed:?}") };
        let mut all: Vec<(String, u64)> = records.into_iter().map(|(key, record)| (key, record.version.0)).collect();
        let objects = self.nodes.plane.kubectl().get(&["addressnetworks,networkmembers,addressblocks"]);
        all.extend(objects["items"].as_array().unwrap().iter().map(|object| {
            let text = |key: &str| object["metadata"][key].as_str().unwrap().to_owned();
            (text("name"), text("resourceVersion").parse().unwrap())
        }));
        all
    }
}

fn in_a_cluster(test: impl FnOnce(&Cluster) + Send) {
    if !programs::has_control_plane() {
        return;
    }
    NetNs::create().unwrap().enter(|| test(&Cluster::start())).unwrap();
}

#[test]
fn leases_and_blocks_stay_while_the_cluster_moves_there_and_back() {
    in_a_cluster(|cluster| {
        let leases = NODES.map(|node| cluster.leases(node));
        let held = NODES.map(|node| cluster.blocks_in_etcd(node));
        let before = cluster.everything();
        let refused = cluster.migrate(&["--to", "kubernetes", "--dry-run"]).failed();
        assert!(refused.contains("no Node object is called node-1, node-2"), "{refused}");
        cluster.add_node_objects();
        let object = json!({"apiVersion": "gingham.dev/v1alpha1", "kind": "AddressNetwork", "metadata": {"name": "pods"},
            "spec": {"config": {"bridge": "pods0", "ipam": {"policy": "weave-split", "range": "10.99.0.0/24"}}}});
        cluster.nodes.plane.kubectl().apply(&object.to_string());
        let refused = cluster.migrate(&["--to", "kubernetes", "--yes"]).failed();
        assert!(refused.contains("spec.config of its AddressNetwork divides the range as 10.99.0.0/24"), "{refused}");
        assert!(refused.contains("correct the object, or delete it"), "{refused}");
        cluster.nodes.plane.kubectl().run(&["delete", "addressnetwork", "pods"]).stdout();
        let planned = cluster.migrate(&["--to", "kubernetes", "--dry-run"]).done();
        assert!(planned.contains("2 members and 2 blocks move from etcd to kubernetes"), "{planned}");
        assert!(planned.ends_with("nothing was changed (--dry-run)\n"), "{planned}");
        let planned = cluster.migrate(&["--to", "kubernetes", "--dry-run", "--json"]).done();
        assert_eq!(serde_json::from_str::<Value>(&planned).unwrap()["done"], false, "{planned}");
        assert!(cluster.migrate(&["--to", "kubernetes"]).failed().contains("use --yes"));
        assert_eq!(cluster.everything(), before, "a dry run and a question write nothing");
        // Without the move, the other store would give the same addresses again.
        let early = cluster.nodes.cluster("node-1", &["join"]).failed();
        assert!(early.contains("recorded in another store"), "{early}");

        let moved = cluster.migrate(&["--to", "kubernetes", "--yes"]).done();
        assert!(moved.contains("done; kubernetes was compared with etcd"), "{moved}");
        let object = cluster.nodes.plane.kubectl().get(&["addressnetwork", "pods"]);
        assert_eq!(object["spec"]["config"]["ipam"]["range"], "10.32.0.0/24", "{object}");
        assert!(object["spec"]["config"]["ipam"].get("cluster").is_none(), "{object}");
        let status = cluster.in_etcd("node-2", &["status", "--json"]).done();
        assert!(status.contains("has moved to the store kubernetes"), "{status}");
        assert_eq!(NODES.map(|node| cluster.follow_to_kubernetes(node)), held);
        assert_eq!(NODES.map(|node| cluster.leases(node)), leases);
        let again = cluster.migrate(&["--to", "kubernetes", "--yes"]).done();
        assert_eq!(again, "network pods: kubernetes is its store already\n");

        let back = cluster.migrate(&["--to", "etcd", "--yes"]).done();
        assert!(back.contains("done; etcd was compared with kubernetes"), "{back}");
        let late = cluster.nodes.cluster("node-1", &["status", "--json"]).done();
        assert!(late.contains("has moved to the store etcd"), "{late}");
        for node in NODES {
            cluster.in_etcd(node, &["join"]).done();
        }
        assert_eq!(NODES.map(|node| cluster.blocks_in_etcd(node)), held);
        assert_eq!(NODES.map(|node| cluster.leases(node)), leases);
    });
}

#[test]
fn a_migration_that_is_killed_goes_on_or_is_given_up() {
    in_a_cluster(|cluster| {
        cluster.add_node_objects();
        let held = NODES.map(|node| cluster.blocks_in_etcd(node));
        // The third step takes 12 s.
        for (step, pause) in [(1, 0), (2, 5), (3, 10), (1, 40), (2, 80), (3, 500)] {
            cluster.kill_at(step, Duration::from_millis(pause));
        }
        let given_up = cluster.migrate(&["--to", "etcd", "--yes"]).done();
        assert!(given_up.contains("done; nodes go on with etcd"), "{given_up}");
        cluster.in_etcd("node-2", &["join"]).done();
        assert_eq!(NODES.map(|node| cluster.blocks_in_etcd(node)), held);

        cluster.kill_at(4, Duration::ZERO);
        // Two operators at once.
        let both = [cluster.begin(&["--to", "kubernetes", "--yes"]), cluster.begin(&["--to", "kubernetes", "--yes"])];
        let ended = both.map(|child| child.wait_with_output().unwrap());
        assert!(ended.iter().any(|output| output.status.success()), "{ended:?}");
        for output in ended.iter().filter(|output| !output.status.success()) {
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(text.contains("another migration"), "{text}");
        }
        assert_eq!(NODES.map(|node| cluster.follow_to_kubernetes(node)), held);
    });
}
