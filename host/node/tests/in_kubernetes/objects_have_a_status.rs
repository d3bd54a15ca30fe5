//! The agent of an installation: it creates the network of the values, and what `kubectl get` shows of the network and of its
//! members is reported by the agents. A configuration that no node can use is refused where people look.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use gingham_kubernetes_tests::programs;
use gingham_tests::cni::Cni;
use gingham_tests::node::PLUGINS;
use serde_json::{Value, json};

use crate::testbed::{Agent, NODE, Testbed, log};

const VALUES: &str = "/run/values";
const CONFIGURED: &str = "gingham.dev/NetworkConfigured";
const CONFLIST: &str = "/run/net.d/10-gingham.conflist";

/// Longer than the longest time between a change and the write of a status that shows it.
const QUIET: Duration = Duration::from_secs(20);

/// As the `ConfigMap` is mounted.
fn write_values(range: &str) {
    fs::create_dir_all(VALUES).unwrap();
    let others = [("name", "pods"), ("policy", "weave-split"), ("routing", "none"), ("bridge", "gingham0")];
    for (key, value) in others.into_iter().chain([("range", range)]) {
        fs::write(format!("{VALUES}/{key}"), value).unwrap();
    }
}

impl Testbed {
    fn installed(&self) -> Agent {
        self.agent_with(&["--kubernetes", VALUES, "--plugin-dir", PLUGINS])
    }

    /// A table of kubectl, without the ages. It learns of new kinds some seconds after they are established.
    fn table(&self, arguments: &[&str]) -> Result<Vec<String>, String> {
        let got = self.kubectl().run(&[&["get"], arguments].concat());
        if !got.is_success() {
            return Err(got.refusal());
        }
        let table = got.stdout();
        let row = |line: &str| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            cells[..cells.len() - 1].join(" ")
        };
        Ok(table.lines().map(row).collect())
    }

    #[track_caller]
    fn until_table(&self, arguments: &[&str], rows: &[&str]) {
        self.until(&format!("{arguments:?} has {rows:?}"), || {
            let table = self.table(arguments)?;
            if table == rows { Ok(()) } else { Err(table.join("\n")) }
        });
    }

    /// The message of the network's condition `Ready`.
    #[track_caller]
    fn until_ready(&self, status: &str, message: &str) {
        self.until(&format!("Ready is {status}: {message}"), || {
            let network = self.kubectl().get(&["addressnetwork", "pods"]);
            let ready = &network["status"]["conditions"][0];
            let is = ready["status"] == status && ready["message"].as_str().unwrap_or_default().contains(message);
            if is { Ok(()) } else { Err(network["status"].to_string()) }
        });
    }

    /// A condition of the Node.
    fn condition(&self, kind: &str) -> Value {
        let node = self.kubectl().get(&["node", NODE]);
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|one| one["type"] == kind).unwrap_or_default()
    }

    /// As a cloud does with a new node.
    fn make_network_unavailable(&self) {
        let path = format!("/api/v1/nodes/{NODE}");
        let mut node: Value = self.kubectl().run(&["get", "--raw", &path]).json();
        node["status"]["conditions"] = json!([{"type": "NetworkUnavailable", "status": "True", "reason": "NoRouteCreated", "message": "of the cloud"}]);
        self.kubectl().with_file(&["replace", "--raw", &format!("{path}/status")], &node.to_string()).stdout();
    }

    /// How many Events have the reason.
    fn events(&self, reason: &str) -> usize {
        let events = self.kubectl().get(&["events", "--all-namespaces"]);
        events["items"].as_array().unwrap().iter().filter(|event| event["reason"] == reason).count()
    }

    /// Waits until the Node's condition has this status and reason, and returns its message.
    #[track_caller]
    fn until_configured(&self, status: &str, reason: &str) -> String {
        self.until(&format!("NetworkConfigured is {status}, {reason}"), || {
            let found = self.condition(CONFIGURED);
            let is_so = found["status"] == status && found["reason"] == reason;
            if is_so { Ok(found["message"].as_str().unwrap().to_owned()) } else { Err(found.to_string()) }
        })
    }

    fn change_ipam(&self, ipam: &Value) {
        let patch = json!({"spec": {"config": {"ipam": ipam}}}).to_string();
        self.kubectl().run(&["patch", "addressnetwork", "pods", "--type=merge", "--patch", &patch]).stdout();
    }

    /// Whatever is written to one of the objects gives it another version.
    fn versions(&self) -> Vec<String> {
        let objects = self.kubectl().get(&["addressnetworks,networkmembers"]);
        let versions = objects["items"].as_array().unwrap().iter();
        versions.map(|object| object["metadata"]["resourceVersion"].as_str().unwrap().to_owned()).collect()
    }

    fn add_published(&self, container: &str) {
        let list: Value = serde_json::from_str(&fs::read_to_string(CONFLIST).unwrap()).unwrap();
        let mut network = list["plugins"][0].clone();
        (network["name"], network["cniVersion"]) = (list["name"].clone(), list["cniVersion"].clone());
        Cni::add(&network, &self.node.container(container)).run().result();
    }
}

#[test]
fn kubectl_shows_what_agents_report_and_no_pod_costs_a_write() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[]);
    write_values("10.32.0.0/20");
    let agent = testbed.installed();
    testbed.until_configured("True", "Published");
    let networks = ["NAME RANGE POLICY CLAIMED MEMBERS READY", "pods 10.32.0.0/20 weave-split 1 1 True"];
    testbed.until_table(&["gnet"], &networks);
    let members = ["NAME NETWORK NODE MEMBERSHIP BLOCKS SERVING", "pods.node-1 pods node-1 member 1 True"];
    testbed.until_table(&["gmem"], &members);
    let wide = testbed.table(&["gmem", "--output=wide"]).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(wide[1].ends_with(&format!(" {version}")) && !wide[1].contains("<none>"), "{wide:?}");

    sleep(QUIET);
    let before = testbed.versions();
    (0..3).for_each(|pod| testbed.add_published(&format!("pod-{pod}")));
    sleep(QUIET);
    assert_eq!(testbed.versions(), before, "{}", log());
    drop(agent);
    let _agent = testbed.installed();
    sleep(QUIET);
    assert_eq!(testbed.versions(), before, "a start is no news: {}", log());

    // A member that has not reported, then one that has.
    let testbed = testbed.with_members(&["node-2"]);
    testbed.until_ready("False", "node node-2 has not reported yet");
    let serving = json!({"status": {"conditions": [{"type": "Serving", "status": "True"}]}});
    testbed.patch_status("networkmembers", "pods.node-2", &serving);
    testbed.until_ready("True", "every member serves it");
    testbed.until_table(&["gnet"], &[networks[0], "pods 10.32.0.0/20 weave-split 1 2 True"]);

    an_edited_owner_is_a_condition(&testbed);
    a_bad_edit_is_refused_and_pods_start(&testbed);
}

fn an_edited_owner_is_a_condition(testbed: &Testbed) {
    let block = testbed.kubectl().get(&["addressblocks"])["items"][0].clone();
    let (name, cidr) = (block["metadata"]["name"].as_str().unwrap(), block["spec"]["cidr"].as_str().unwrap());
    let edit = |owner: &str| {
        let patch = json!({"spec": {"owner": owner}}).to_string();
        testbed.kubectl().run(&["patch", "addressblock", name, "--type=merge", "--patch", &patch]).stdout();
    };
    let conflict = || {
        let member = testbed.kubectl().get(&["networkmember", "pods.node-1"]);
        let conditions = member["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == "OwnershipConflict")
    };
    edit("node-2");
    let found = testbed.until("the conflict is a condition", || conflict().ok_or_else(log));
    let words = format!("AddressBlock {cidr} was claimed by node-1, and its spec.owner was edited to node-2");
    assert!(found["message"].as_str().unwrap().starts_with(&words), "{found}");
    edit("node-1");
    testbed.until("the condition is gone", || conflict().map_or(Ok(()), |found| Err(found.to_string())));
}

fn a_bad_edit_is_refused_and_pods_start(testbed: &Testbed) {
    let published = fs::read_to_string(CONFLIST).unwrap();
    testbed.change_ipam(&json!({"pick": "lowst"}));
    let message = testbed.until_configured("False", "ConfigurationRefused");
    assert!(message.starts_with("AddressNetwork pods, spec.config: policy weave-split: ipam.pick"), "{message}");
    assert!(message.ends_with("; the container runtime keeps the configuration that it has"), "{message}");
    testbed.until_ready("False", "node node-1: AddressNetwork pods, spec.config: policy weave-split: ipam.pick");
    assert_eq!(fs::read_to_string(CONFLIST).unwrap(), published);
    testbed.add_published("pod-meanwhile");
    let changed = testbed.condition(CONFIGURED)["lastTransitionTime"].clone();
    assert_eq!(testbed.events("ConfigurationRefused"), 1);
    // A start is no news, and a conflict is one until it is another; steps went by meanwhile.
    assert_eq!((testbed.events("Starting"), testbed.events("OwnershipConflict")), (0, 1));

    testbed.change_ipam(&json!({"pick": null, "policy": "team-split"}));
    testbed.until("the policy's absence is reported", || {
        let message = testbed.until_configured("False", "ConfigurationRefused");
        let advice = "unknown policy \"team-split\": create an AllocationPolicy team-split";
        if message.contains(advice) { Ok(()) } else { Err(message) }
    });
    assert_eq!(testbed.condition(CONFIGURED)["lastTransitionTime"], changed, "the status was False before");
    testbed.change_ipam(&json!({"policy": "weave-split"}));
    testbed.until_configured("True", "Published");
    testbed.until_ready("True", "every member serves it");
}

#[test]
fn no_network_is_created_of_values_that_no_agent_could_use() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[]);
    write_values("10.32.0.0/33");
    testbed.make_network_unavailable();
    let _agent = testbed.installed();
    let message = testbed.until_configured("False", "ConfigurationRefused");
    assert!(message.starts_with("ConfigMap gingham-network, range: invalid network \"10.32.0.0/33\""), "{message}");
    assert_eq!(testbed.kubectl().get(&["addressnetworks"])["items"], json!([]));
    assert_eq!(testbed.condition("NetworkUnavailable")["status"], "True", "the node has no network yet");
    write_values("10.32.0.0/20");
    testbed.until_configured("True", "Published");
    testbed.until("the node has a network", || match testbed.condition("NetworkUnavailable") {
        condition if condition["status"] == "False" && condition["reason"] == "GinghamIsUp" => Ok(()),
        other => Err(other.to_string()),
    });
    testbed
        .until_table(&["gnet"], &["NAME RANGE POLICY CLAIMED MEMBERS READY", "pods 10.32.0.0/20 weave-split 1 1 True"]);
}

#[test]
fn a_network_that_no_node_can_use_says_why() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[]);
    write_values("10.32.0.0/20");
    testbed.create(&json!({
        "apiVersion": "gingham.dev/v1alpha1", "kind": "AddressNetwork", "metadata": {"name": "pods"},
        "spec": {"config": {"bridge": "gingham0", "ipam": {"policy": "weave-split", "range": "10.32.0.0/33", "routing": "none"}}},
    }));
    let _agent = testbed.installed();
    let message = testbed.until_configured("False", "ConfigurationRefused");
    assert!(message.starts_with("AddressNetwork pods, spec.config: policy weave-split: ipam.range"), "{message}");
    testbed.until_ready("False", "node node-1: AddressNetwork pods, spec.config: policy weave-split: ipam.range");
    testbed.change_ipam(&json!({"range": "10.32.0.0/20"}));
    testbed.until_ready("True", "every member serves it");
}
