//! `ginghamctl cluster`: nodes join, are seen, are taken over and leave. The nodes are data directories of one host; what
//! they agree by is a directory.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use gingham_net::address::{self, DuplicateDetection};
use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{CTL, Said};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a program at a terminal of its own.
const SCRIPT: &str = "/usr/bin/script";

/// A place for nodes.
struct Nodes {
    directory: TempDir,
    host: NetNs,
}

impl Nodes {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("store")).unwrap();
        let host = NetNs::create().unwrap();
        let up = || {
            let mut kernel = Socket::<Route>::open().unwrap();
            link::change(&mut kernel, Which::Name("lo"), &Change { up: Some(true), ..Change::default() }).unwrap();
            let lo = link::by_name(&mut kernel, "lo").unwrap().unwrap().index;
            for net in ["192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"] {
                address::add(&mut kernel, lo, net.parse().unwrap(), DuplicateDetection::Off).unwrap();
            }
        };
        host.enter(up).unwrap();
        Self { directory, host }
    }

    /// Configures a node, whatever it was before.
    fn configure(&self, node: &str, change: impl FnOnce(&mut Value)) {
        let path = |name: &str| self.directory.path().join(name);
        let number = node.bytes().last().unwrap() - b'a' + 1;
        let mut config = json!({"cniVersion": "1.1.0", "name": "pods", "type": "gingham", "bridge": "pods0",
            "ipam": {"type": "gingham", "policy": "weave-split", "range": "10.32.0.0/20", "dataDir": path(node),
                "routing": "none", "cluster": {"store": "directory", "directory": path("store"), "node": node,
                "address": format!("192.0.2.{number}"), "lowWater": 0}}});
        change(&mut config);
        fs::create_dir_all(self.configurations(node)).unwrap();
        fs::write(self.configurations(node).join("10-pods.conf"), config.to_string()).unwrap();
    }

    fn configurations(&self, node: &str) -> PathBuf {
        self.directory.path().join(format!("net.d-{node}"))
    }

    /// Runs `ginghamctl cluster` on a node.
    fn cluster(&self, node: &str, arguments: &[&str]) -> Said {
        self.ctl(node, &[&["cluster"], arguments].concat())
    }

    fn ctl(&self, node: &str, arguments: &[&str]) -> Said {
        let mut command = Command::new(CTL);
        command.args(arguments).arg("--config-dir").arg(self.configurations(node));
        self.host.enter(|| Said::by(&mut command)).unwrap()
    }

    /// The same at a terminal, where somebody types.
    fn at_a_terminal(&self, node: &str, arguments: &str, typed: &str) -> Said {
        let directory = self.configurations(node);
        let mut command = Command::new(SCRIPT);
        let line = format!("{CTL} cluster {arguments} --config-dir {}", directory.display());
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.stdin(self.typing(typed));
        self.host.enter(|| Said::by(&mut command)).unwrap()
    }

    fn typing(&self, text: &str) -> File {
        let file = self.directory.path().join("typed");
        fs::write(&file, text).unwrap();
        File::open(file).unwrap()
    }

    fn json(&self, node: &str, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.cluster(node, &[arguments, &["--json"]].concat()).done()).unwrap()
    }

    /// So many nodes that have joined: `node-a`, `node-b`, …
    fn joined(names: &[&str]) -> Self {
        let nodes = Self::new();
        for name in names {
            nodes.configure(name, |_| ());
            nodes.cluster(name, &["join"]).done();
        }
        nodes
    }

    /// Writes a sign of life, as gingham-node does.
    fn beat(&self, node: &str, beat: u64) {
        let file = self.directory.path().join("store/pods.json");
        let mut records: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let latest = records["latest"].as_u64().unwrap() + 1;
        records["latest"] = latest.into();
        let value = json!({"incarnation": 1, "beat": beat}).to_string();
        records["records"][format!("life/{node}")] = json!({"version": latest, "value": value});
        fs::write(file.with_extension("beaten"), records.to_string()).unwrap();
        fs::rename(file.with_extension("beaten"), file).unwrap();
    }

    /// A text without this test's directory.
    fn told(&self, text: &str) -> String {
        text.replace(self.directory.path().to_str().unwrap(), "/DIR")
    }
}

#[test]
fn a_glance_at_three_nodes() {
    let nodes = Nodes::joined(&["node-a", "node-b", "node-c"]);
    nodes.ctl("node-b", &["allocate", "pods", "--owner", "web-1"]).done();
    insta::assert_snapshot!(nodes.told(&nodes.cluster("node-b", &["status"]).done()));
    let seen = nodes.json("node-b", &["status"]);
    assert_eq!(
        (&seen["node"], &seen["agentRunning"], &seen["storeReachable"]),
        (&"node-b".into(), &false.into(), &true.into())
    );
    assert_eq!(seen["grids"], json!([{"range": "10.32.0.0/20", "blockLength": 24}]));
    let own = &seen["members"][1];
    assert_eq!((&own["thisNode"], &own["state"], &own["route"]), (&true.into(), &"member".into(), &"local".into()));
    assert_eq!(own["used"].as_u64().unwrap() + own["free"].as_u64().unwrap(), 256);
    nodes.ctl("node-b", &["release", "pods", "--owner", "web-1"]).done();
    let own = nodes.json("node-b", &["status"])["members"][1].clone();
    assert_eq!(own["cooling"], 1, "{own}");
    assert_eq!(own["used"].as_u64().unwrap() + 1 + own["free"].as_u64().unwrap(), 256);
    let here: Value = serde_json::from_str(&nodes.ctl("node-b", &["status", "--json"]).done()).unwrap();
    let pool = &here["networks"][0]["pools"][0];
    assert!(pool["free"].as_u64().unwrap() < 256 && pool["rangeFree"].as_u64().unwrap() > 4000, "{pool}");
}

#[test]
fn joining_says_what_it_got() {
    let nodes = Nodes::new();
    nodes.configure("node-a", |_| ());
    let said = nodes.cluster("node-a", &["join"]).done();
    assert_eq!(said, "node-a is a member of network pods and holds 1 block: 10.32.0.0/24\n");
    let again = nodes.json("node-a", &["join"]);
    assert_eq!((&again["incarnation"], &again["blocks"]), (&1.into(), &json!(["10.32.0.0/24"])));
    assert_eq!(again["lost"], json!([]));
}

#[test]
fn that_nobody_keeps_the_routes_is_said() {
    let nodes = Nodes::new();
    nodes.configure("node-a", |config| config["ipam"]["routing"] = "direct".into());
    nodes.cluster("node-a", &["join"]).done();
    let said = nodes.cluster("node-a", &["status"]).done();
    assert!(said.contains("gingham-node does not run here: the routes are those"), "{said}");
    let _lock = gingham_net::node_routes::AgentLock::take(&nodes.directory.path().join("node-a")).unwrap();
    let said = nodes.cluster("node-a", &["status"]).done();
    assert!(!said.contains("does not run here"), "{said}");
    assert_eq!(nodes.json("node-a", &["status"])["agentRunning"], true);
}

#[test]
fn without_the_store_a_node_shows_what_it_knows_and_fails() {
    let nodes = Nodes::joined(&["node-a", "node-b"]);
    nodes.configure("node-b", |config| {
        config["ipam"]["cluster"] = json!({"store": "etcd", "endpoints": ["http://127.0.0.1:9"], "node": "node-b",
            "address": "192.0.2.2"});
    });
    let said = nodes.cluster("node-b", &["status"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("cluster store") && said.err.contains("http://127.0.0.1:9"), "{}", said.err);
    insta::assert_snapshot!(said.out);
    let said = nodes.cluster("node-b", &["status", "--json"]);
    let seen: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (said.code, &seen["storeReachable"], &seen["members"][0]["state"]),
        (Some(1), &false.into(), &Value::Null)
    );
}

#[test]
fn leaving_is_for_nodes_whose_containers_are_gone() {
    let nodes = Nodes::joined(&["node-a", "node-b"]);
    nodes.ctl("node-b", &["allocate", "pods", "--owner", "web-1"]).done();
    let said = nodes.cluster("node-b", &["leave"]).failed();
    assert!(said.contains("run ginghamctl release pods --owner web-1 first"), "{said}");
    nodes.ctl("node-b", &["release", "pods", "--owner", "web-1"]).done();
    // Asked for as a takeover is.
    let said = nodes.cluster("node-b", &["leave"]);
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.err.contains("nothing was changed: confirmation needs a terminal; use --yes"), "{}", said.err);
    assert!(
        said.out.starts_with(
            "node-b, this node, leaves network pods:\n  its blocks become free for the other nodes: 1 block: 10."
        ),
        "{}",
        said.out
    );
    assert_eq!(nodes.json("node-a", &["status"])["members"][1]["state"], "member");
    let said = nodes.cluster("node-b", &["leave", "--yes"]).done();
    assert!(said.contains("node-b has left network pods and gave back 1 block: 10."), "{said}");
    let seen = nodes.json("node-a", &["status"]);
    assert_eq!((&seen["members"][1]["state"], &seen["members"][1]["blocks"]), (&"left".into(), &json!([])));
    // The node's own address went with its block.
    let leases = nodes.directory.path().join("node-b");
    let said = Said::by(Command::new(CTL).args(["leases", "--data-dir"]).arg(leases)).done();
    assert!(said.starts_with("no leases"), "{said}");
    let said = nodes.cluster("node-b", &["status"]).done();
    assert!(said.contains("it has left; run ginghamctl cluster join"), "{said}");
    nodes.cluster("node-b", &["join"]).done();
    assert_eq!(nodes.json("node-a", &["status"])["members"][1]["state"], "member");
}

#[test]
fn a_node_that_is_gone_is_taken_over_once_somebody_says_so() {
    let nodes = Nodes::joined(&["node-a", "node-b"]);
    let said = nodes.cluster("node-a", &["takeover", "node-b"]);
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.err.contains("nothing was changed: confirmation needs a terminal; use --yes"), "{}", said.err);
    let since = said.out.split("since ").nth(1).unwrap().split(',').next().unwrap();
    insta::assert_snapshot!(said.out.replace(since, "UTC"));
    let done = nodes.json("node-a", &["takeover", "node-b", "--yes"]);
    assert_eq!((&done["done"], &done["fenced"], &done["watchedSeconds"]), (&true.into(), &1.into(), &12.into()));
    assert_eq!(done["blocks"].as_array().unwrap().len(), 1);
    let again = nodes.cluster("node-a", &["takeover", "node-b", "--yes"]).done();
    assert_eq!(again, "node-b was taken over already; nothing was changed\n");
    assert_eq!(nodes.json("node-a", &["status"])["members"][1]["state"], "taken");
    // It comes back with other blocks, or the same anew.
    assert_eq!(nodes.json("node-b", &["join"])["incarnation"], 2);
}

#[test]
fn at_a_terminal_a_takeover_is_asked_for() {
    if !skipped_tests::has(SCRIPT, "bsdutils") {
        return;
    }
    let nodes = Nodes::joined(&["node-a", "node-b"]);
    let takeover = "takeover node-b --force";
    let state = || nodes.json("node-a", &["status"])["members"][1]["state"].clone();
    // No, whatever else, and the end of what is typed.
    for typed in ["n\n", "\n", "yess\n", ""] {
        let said = nodes.at_a_terminal("node-a", takeover, typed);
        assert_eq!(said.code, Some(1), "{typed:?}: {}", said.out);
        assert!(said.out.contains("Take node-b over? [y/N] "), "{typed:?}: {}", said.out);
        assert!(said.out.contains("nothing was changed: not confirmed"), "{typed:?}: {}", said.out);
        assert_eq!(state(), "member", "{typed:?}");
    }
    let said = nodes.at_a_terminal("node-a", takeover, "y\n");
    assert_eq!(said.code, Some(0), "{}", said.out);
    assert!(said.out.contains("node-b is taken over"), "{}", said.out);
    assert_eq!(state(), "taken");
}

#[test]
fn a_node_that_shows_life_is_not_taken_over_unless_forced() {
    let nodes = Nodes::joined(&["node-a", "node-b"]);
    nodes.beat("node-b", 1);
    std::thread::scope(|scope| {
        let takeover = scope.spawn(|| nodes.cluster("node-a", &["takeover", "node-b", "--yes"]));
        let deadline = Instant::now() + PATIENCE;
        let mut beat = 2;
        // Whenever the watch begins, there is a beat in it.
        while !takeover.is_finished() {
            assert!(Instant::now() < deadline, "the takeover does not end");
            nodes.beat("node-b", beat);
            beat += 1;
            std::thread::sleep(Duration::from_millis(500));
        }
        let said = takeover.join().unwrap();
        assert_eq!(said.code, Some(1), "{}", said.out);
        assert!(said.err.contains("cannot take over node-b: it is alive"), "{}", said.err);
    });
    assert_eq!(nodes.json("node-a", &["status"])["members"][1]["state"], "member");
    let said = nodes.cluster("node-a", &["takeover", "node-b", "--yes", "--force"]).done();
    assert!(said.contains("it is not watched (--force)"), "{said}");
    assert!(said.contains("node-b is taken over; free for the other nodes: 1 block: 10."), "{said}");
}

#[test]
fn who_cannot_be_taken_over() {
    let nodes = Nodes::joined(&["node-a"]);
    let said = nodes.cluster("node-a", &["takeover", "node-a", "--yes"]).failed();
    assert!(
        said.contains("cannot take over node-a: it is this node") && said.contains("ginghamctl cluster leave"),
        "{said}"
    );
    let said = nodes.cluster("node-a", &["takeover", "nobody", "--yes"]).failed();
    assert!(said.contains("the cluster has no member nobody"), "{said}");
}

#[test]
fn which_network_is_meant() {
    let nodes = Nodes::joined(&["node-a"]);
    let directory = nodes.configurations("node-a");
    let alone =
        r#"{"cniVersion":"1.0.0","name":"alone","type":"gingham","ipam":{"type":"host-local","subnet":"10.1.0.0/24"}}"#;
    fs::write(directory.join("20-alone.conf"), alone).unwrap();
    nodes.cluster("node-a", &["status"]).done();
    let said = nodes.cluster("node-a", &["status", "--network", "alone"]).failed();
    assert!(said.contains("network alone has no `ipam.cluster`"), "{said}");
    let other = fs::read_to_string(directory.join("10-pods.conf")).unwrap().replace("\"pods\"", "\"other\"");
    fs::write(directory.join("30-other.conf"), other).unwrap();
    let said = nodes.cluster("node-a", &["status"]).failed();
    assert!(said.contains("--network is required") && said.contains("pods, other"), "{said}");
    nodes.cluster("node-a", &["status", "--network", "pods"]).done();
    let file = directory.join("10-pods.conf");
    nodes.cluster("node-a", &["status", "--network", file.to_str().unwrap()]).done();
    fs::remove_file(file).unwrap();
    fs::remove_file(directory.join("30-other.conf")).unwrap();
    let said = nodes.cluster("node-a", &["status"]).failed();
    assert!(said.contains("no network in") && said.contains("has `ipam.cluster`"), "{said}");
}

#[test]
fn a_list_of_members_is_shown_with_its_shares() {
    let nodes = Nodes::new();
    nodes.configure("node-a", |config| {
        config["ipam"]["cluster"] = json!({"store": "local", "members": ["node-a", "node-b"], "node": "node-a"});
    });
    insta::assert_snapshot!(nodes.cluster("node-a", &["status"]).done());
    let said = nodes.cluster("node-a", &["join"]).failed();
    assert!(said.contains("has no cluster store"), "{said}");
}
