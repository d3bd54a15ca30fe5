//! `kubectl gingham`: the real kubectl starts the plugin, against a real API server with the objects that two nodes wrote
//! by joining. No kubelet runs, so what kubectl would run in an agent's container runs here, with that node's files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;

use gingham_kubernetes_tests::{Kubectl, programs, users};
use gingham_net::netns::NetNs;
use serde_json::{Value, json};

use crate::clusters_in_kubernetes_are_administered::Nodes;
use crate::leases_are_shown::{attach, now};
use crate::program::{CTL, Said};

struct Cluster {
    nodes: Nodes,
}

impl Cluster {
    /// Two members with a block each, their Nodes, and agents that are ready.
    fn start() -> Self {
        let nodes = Nodes::new();
        let kubectl = nodes.plane.kubectl();
        kubectl.apply(include_str!("../../../../deploy/kubernetes/base/namespace.yaml"));
        for namespace in ["default", "gingham-system"] {
            // Its controller does not run.
            kubectl.run(&["create", "serviceaccount", "default", "--namespace", namespace]);
        }
        for name in ["node-1", "node-2"] {
            nodes.cluster(name, &["join"]).done();
            node(kubectl, name, &json!([{"type": "Ready", "status": "True"}]));
            agent(kubectl, "gingham-system", name);
        }
        let cluster = Self { nodes };
        fs::create_dir(cluster.programs()).unwrap();
        symlink(CTL, cluster.programs().join("kubectl-gingham")).unwrap();
        cluster.write_kubectl();
        cluster
    }

    fn programs(&self) -> PathBuf {
        self.nodes.path("programs")
    }

    /// The real one, but for `exec`.
    fn write_kubectl(&self) {
        let directory = self.nodes.path("");
        let script = format!(
            r#"#!/bin/sh
agent=
for word; do
    case $word in
    exec) agent=next ;;
    gingham-node-*) [ "$agent" = next ] && node=${{word#gingham-node-}} ;;
    --) break ;;
    esac
done
[ -n "$agent" ] || exec '{kubectl}' "$@"
while [ "$1" != -- ]; do shift; done
shift 2
data='{directory}'/$node
case $1 in
leases) set -- "$@" --data-dir "$data" ;;
explain) set -- "$@" --config-dir '{directory}'/net.d-$node ;;
cluster) set -- "$@" --config-dir '{directory}'/net.d-$node --kube-server '{server}' --kube-ca '{authority}' --kube-token '{directory}'/token ;;
esac
unset KUBERNETES_SERVICE_HOST
'{CTL}' "$@" && exit
code=$?
echo "command terminated with exit code $code" >&2
exit $code
"#,
            kubectl = programs::path("kubectl").display(),
            directory = directory.display(),
            server = self.nodes.plane.url(),
            authority = self.nodes.plane.authority().display(),
        );
        let path = self.programs().join("kubectl");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn kubectl(&self) -> &Kubectl {
        self.nodes.plane.kubectl()
    }

    fn gingham(&self, arguments: &[&str]) -> Said {
        self.gingham_as(self.kubectl(), arguments)
    }

    /// As people call it.
    fn gingham_as(&self, user: &Kubectl, arguments: &[&str]) -> Said {
        let mut kubectl = Command::new(programs::path("kubectl"));
        let path = format!("{}:/usr/bin:/bin", self.programs().display());
        kubectl.env("PATH", path).env("HOME", self.nodes.path("")).env("KUBECONFIG", user.kubeconfig());
        Said::by(kubectl.arg("gingham").args(arguments))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.gingham(&[arguments, &["-o", "json"]].concat()).done()).unwrap()
    }

    /// The first blocks of both nodes, as they are written.
    fn blocks(&self) -> [String; 2] {
        let blocks = self.kubectl().get(&["addressblocks"]);
        ["node-1", "node-2"].map(|node| {
            let of_node = |block: &&Value| block["spec"]["owner"] == node;
            let block = blocks["items"].as_array().unwrap().iter().find(of_node).unwrap();
            block["spec"]["cidr"].as_str().unwrap().to_owned()
        })
    }

    /// An address in each block.
    fn addresses(&self) -> [String; 2] {
        self.blocks().map(|block| {
            let (network, last) = block.split('/').next().unwrap().rsplit_once('.').unwrap();
            format!("{network}.{}", last.parse::<u8>().unwrap() + 5)
        })
    }
}

fn set_status(kubectl: &Kubectl, path: &str, status: &Value) {
    let mut object: Value = kubectl.run(&["get", "--raw", path]).json();
    object["status"] = status.clone();
    kubectl.with_file(&["replace", "--raw", &format!("{path}/status")], &object.to_string()).stdout();
}

fn node(kubectl: &Kubectl, name: &str, conditions: &Value) {
    kubectl.apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}).to_string());
    set_status(kubectl, &format!("/api/v1/nodes/{name}"), &json!({"conditions": conditions}));
}

fn agent(kubectl: &Kubectl, namespace: &str, node: &str) {
    let labels = json!({"app.kubernetes.io/name": "gingham-node"});
    let name = format!("gingham-node-{node}");
    let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    pod(kubectl, (namespace, &name), node, &labels, &ready);
}

fn pod(kubectl: &Kubectl, (namespace, name): (&str, &str), node: &str, labels: &Value, status: &Value) {
    let containers = json!([{"name": "c", "image": "i"}]);
    // No controller makes tokens here.
    let spec = json!({"nodeName": node, "containers": containers, "automountServiceAccountToken": false});
    let metadata = json!({"name": name, "namespace": namespace, "labels": labels});
    kubectl.apply(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}).to_string());
    set_status(kubectl, &format!("/api/v1/namespaces/{namespace}/pods/{name}"), status);
}

fn running(kubectl: &Kubectl, (namespace, name): (&str, &str), node: &str, address: &str) {
    let status = json!({"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]});
    pod(kubectl, (namespace, name), node, &json!({"app": name}), &status);
}

/// One control plane for several: it takes longer to start than they take.
fn in_a_cluster(test: impl FnOnce(&Cluster) + Send) {
    if !programs::has_control_plane() {
        return;
    }
    NetNs::create().unwrap().enter(|| test(&Cluster::start())).unwrap();
}

#[test]
fn people_see_and_administer_a_cluster_with_kubectl() {
    in_a_cluster(|cluster| {
        pods_are_joined_with_blocks_and_with_the_leases_of_their_nodes(cluster);
        a_pod_is_explained_and_nodes_are_drained_and_taken_over_by_their_agents(cluster);
    });
}

#[test]
fn problems_are_shown_and_errors_are_said_with_kubectl() {
    in_a_cluster(|cluster| {
        a_node_comes_back_and_strangers_are_refused(cluster);
        nodes_are_shown_with_their_problems_and_blocks_with_theirs(cluster);
        what_goes_wrong_is_said_in_a_line(cluster);
    });
}

/// A column of a JSON answer.
fn column<'v>(rows: &'v Value, key: &str) -> Vec<&'v str> {
    rows.as_array().unwrap().iter().map(|row| row[key].as_str().unwrap_or("-")).collect()
}

fn pods_are_joined_with_blocks_and_with_the_leases_of_their_nodes(cluster: &Cluster) {
    let kubectl = cluster.kubectl();
    let ([first, second], [own, others]) = (cluster.blocks(), cluster.addresses());
    kubectl.run(&["create", "namespace", "shop"]).stdout();
    kubectl.run(&["create", "serviceaccount", "default", "--namespace", "shop"]).stdout();
    running(kubectl, ("default", "stray"), "node-1", &others);
    running(kubectl, ("default", "foreign"), "node-2", "192.0.2.9");
    running(kubectl, ("default", "nowhere"), "node-2", "10.32.0.250");
    running(kubectl, ("shop", "pod-pods"), "node-1", &own);
    attach(&cluster.nodes.path("node-1"), "pods", "c-1", &[&own], "/proc/self/ns/net", now());

    let rows = cluster.json(&["ips", "-A"]);
    assert_eq!(column(&rows, "pod"), ["foreign", "nowhere", "stray", "pod-pods"], "{rows}");
    assert_eq!(column(&rows, "note"), ["not of Gingham", "in no block", "not this node's block", ""], "{rows}");
    assert_eq!(column(&rows, "block"), ["-", "-", &*second, &*first], "{rows}");
    assert!(rows[0].get("lease").is_none(), "{rows}");

    assert_eq!(column(&cluster.json(&["ips"]), "pod"), ["foreign", "nowhere", "stray"]);
    assert_eq!(column(&cluster.json(&["ips", "-n", "shop"]), "pod"), ["pod-pods"]);
    assert_eq!(column(&cluster.json(&["ips", "-A", "-l", "app=stray"]), "pod"), ["stray"]);
    assert_eq!(column(&cluster.json(&["ips", "-A", "--node", "node-1"]), "pod"), ["stray", "pod-pods"]);
    assert_eq!(cluster.gingham(&["ips", "-n", "kube-system"]).done(), "no pods with addresses\n");

    let rows = cluster.json(&["ips", "-A", "--leases"]);
    assert_eq!(column(&rows, "lease"), ["none", "none", "none", "in-use"], "{rows}");
    kubectl.run(&["delete", "pod", "pod-pods", "--namespace", "shop", "--force", "--grace-period=0"]);
    let rows = cluster.json(&["ips", "-A", "--leases"]);
    assert_eq!(column(&rows, "note")[3], "no pod has it", "{rows}");
    assert_eq!(rows[3]["address"], *own, "{rows}");

    let table = cluster.gingham(&["ips", "-A", "-o", "wide"]).done();
    let heading: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heading, ["NAMESPACE", "POD", "ADDRESS", "NODE", "NETWORK", "BLOCK", "NOTE", "OWNER", "PHASE"]);
}

fn nodes_are_shown_with_their_problems_and_blocks_with_theirs(cluster: &Cluster) {
    let kubectl = cluster.kubectl();
    let [first, second] = cluster.blocks();
    let full = json!([{"type": "gingham.dev/AddressesAvailable", "status": "False", "message": "no address is free"}]);
    agent(kubectl, "gingham-system", "node-2");
    node(kubectl, "node-2", &full);
    node(kubectl, "node-3", &json!([]));
    let status = cluster.json(&["status"]);
    assert_eq!(status["networks"][0]["range"], "10.32.0.0/24", "{status}");
    assert_eq!((&status["networks"][0]["blocks"], &status["networks"][0]["capacity"]), (&json!(2), &json!(16)));
    assert_eq!(column(&status["members"], "problem"), ["", "no address is free"]);
    assert_eq!(status["otherNodes"], json!(["node-3"]));
    let shown = cluster.gingham(&["status"]).done();
    assert!(shown.contains("2 of 16") && shown.contains("no members: node-3"), "{shown}");

    // A block that another program keeps.
    let kept = json!({"apiVersion": "gingham.dev/v1alpha1", "kind": "AddressBlock",
        "metadata": {"name": "pods.10.32.0.224-28", "labels": {"team": "shop"}, "finalizers": ["example.org/keep"]},
        "spec": {"network": "pods", "cidr": "10.32.0.224/28", "owner": "node-1", "incarnation": 99,
                 "nonce": "00112233445566778899aabbccddeeff"}});
    kubectl.apply(&kept.to_string());
    kubectl.run(&["delete", "addressblock/pods.10.32.0.224-28", "--wait=false"]).stdout();
    let blocks = cluster.json(&["blocks"]);
    assert!(column(&blocks, "note").contains(&"being deleted: remove its finalizers"), "{blocks}");
    let finalizers = r#"{"metadata":{"finalizers":null}}"#;
    kubectl.run(&["patch", "addressblock/pods.10.32.0.224-28", "--type=merge", "-p", finalizers]).stdout();

    // Somebody corrects an owner by hand, and misspells it; another one writes another prefix.
    let name = |cidr: &str| format!("addressblock/pods.{}", cidr.replace('/', "-"));
    kubectl.run(&["patch", &name(&first), "--type=merge", "-p", r#"{"spec":{"owner":"node-l"}}"#]).stdout();
    kubectl.run(&["patch", &name(&second), "--type=merge", "-p", r#"{"spec":{"cidr":"10.32.0.208/28"}}"#]).stdout();
    let blocks = cluster.json(&["blocks"]);
    let mut notes = column(&blocks, "note");
    notes.sort_unstable();
    assert_eq!(notes, ["its owner is no member", "unreadable: name and spec.cidr differ"], "{blocks}");
    assert_eq!(cluster.json(&["status"])["networks"][0]["unusable"], 1);
    assert_eq!(column(&cluster.json(&["blocks", "--node", "node-l"]), "block"), [&*first]);
    assert_eq!(cluster.gingham(&["blocks", "--node", "nosuch"]).done(), "no blocks\n");
}

fn a_pod_is_explained_and_nodes_are_drained_and_taken_over_by_their_agents(cluster: &Cluster) {
    let kubectl = cluster.kubectl();
    let [own, _] = cluster.addresses();
    running(kubectl, ("default", "web"), "node-1", &own);
    let explained = cluster.gingham(&["explain", "web"]).done();
    assert!(explained.contains(&own) || explained.contains("weave-split"), "{explained}");
    assert_eq!(cluster.json(&["explain", "default/web"])["network"], "pods");
    let unknown = cluster.gingham(&["explain", "nosuch"]).failed();
    assert!(unknown.contains("pods \"nosuch\" not found"), "{unknown}");
    kubectl.run(&["delete", "pod", "web", "--force", "--grace-period=0"]);

    // The agent stays: it is a DaemonSet's in a real cluster.
    let refused = cluster.gingham(&["drain", "node-1"]).failed();
    assert!(refused.contains("kubectl drain node-1"), "{refused}");
    let drained = cluster.gingham(&["takeover", "node-1", "--yes"]).failed();
    assert!(drained.contains("on node node-2 failed") && drained.contains("--force"), "{drained}");
    let taken = cluster.gingham(&["takeover", "node-1", "--yes", "--force"]).done();
    assert!(taken.contains("node-1 is taken over"), "{taken}");
    assert_eq!(column(&cluster.json(&["status"])["members"], "state"), ["taken over", "member"]);
}

fn a_node_comes_back_and_strangers_are_refused(cluster: &Cluster) {
    let kubectl = cluster.kubectl();
    let joined = cluster.gingham(&["undrain", "node-1"]).done();
    assert!(joined.contains("node-1 is a member of network pods") && joined.contains("uncordon"), "{joined}");

    let stranger = cluster.gingham(&["takeover", "node-7", "--yes"]).failed();
    assert!(stranger.contains("members are node-1, node-2"), "{stranger}");
    let asked = cluster.gingham(&["takeover", "node-1"]).failed();
    assert!(asked.contains("use --yes"), "{asked}");
    kubectl.run(&[
        "delete",
        "pod",
        "gingham-node-node-2",
        "--namespace",
        "gingham-system",
        "--force",
        "--grace-period=0",
    ]);
    let nobody = cluster.gingham(&["takeover", "node-1", "--yes"]).failed();
    assert!(nobody.contains("no agent is ready on a node other than node-1"), "{nobody}");
    agents_are_found_in_another_namespace(cluster);
}

/// The chart installs into any. A label alone makes no agent.
fn agents_are_found_in_another_namespace(cluster: &Cluster) {
    let kubectl = cluster.kubectl();
    kubectl.run(&["create", "namespace", "netsys"]).stdout();
    kubectl.run(&["create", "serviceaccount", "default", "--namespace", "netsys"]).stdout();
    agent(kubectl, "netsys", "node-2");
    let nobody = cluster.gingham(&["takeover", "node-1", "--yes"]).failed();
    assert!(nobody.contains("kubectl --namespace gingham-system get pods"), "{nobody}");
    let binding = ["create", "clusterrolebinding", "gingham-node", "--clusterrole=gingham-node"];
    kubectl.run(&[&binding[..], &["--serviceaccount=netsys:gingham-node"]].concat()).stdout();
    let asked = cluster.gingham(&["takeover", "node-1", "--yes"]).failed();
    assert!(asked.contains("on node node-2 failed"), "{asked}");
    kubectl.run(&["delete", "clusterrolebinding", "gingham-node"]).stdout();
}

/// Of a failure for programs: one line of JSON on standard error, and nothing else.
#[track_caller]
fn error_of(said: &Said, code: i32) -> String {
    assert_eq!(
        (said.code, said.out.as_str(), said.err.lines().count()),
        (Some(code), "", 1),
        "{}{}",
        said.out,
        said.err
    );
    let error: Value = serde_json::from_str(&said.err).unwrap();
    error["error"].as_str().unwrap().to_owned()
}

fn what_goes_wrong_is_said_in_a_line(cluster: &Cluster) {
    let kubectl = cluster.kubectl();
    let nobody = cluster.nodes.plane.kubectl_of("system:kube-proxy");
    let denied = cluster.gingham_as(&nobody, &["blocks"]).failed();
    assert!(denied.contains("forbidden") && denied.contains("system:kube-proxy"), "{denied}");
    let nowhere = cluster.gingham(&["status", "--context", "nosuch"]).failed();
    assert!(nowhere.contains("nosuch"), "{nowhere}");
    let no_file = cluster.gingham(&["status", "--kubeconfig", "/no/such/file"]).failed();
    assert!(no_file.contains("/no/such/file"), "{no_file}");
    let away = cluster.gingham(&["ips", "--server", "https://127.0.0.1:1"]).failed();
    assert!(away.contains("127.0.0.1:1 was refused"), "{away}");
    assert_eq!(away.lines().count(), 1, "{away}");
    assert_eq!(cluster.gingham(&["takeover"]).code, Some(2));
    assert_eq!(cluster.gingham(&["blocks", "-o", "yaml"]).code, Some(2));
    let user = cluster.gingham(&["status", "--as", users::ADMIN]).failed();
    assert!(user.contains("forbidden"), "{user}");

    let spellings: [&[&str]; 5] =
        [&["-o", "json"], &["-ojson"], &["-o=json"], &["--output", "json"], &["--output=json"]];
    for spelling in spellings {
        let away = cluster.gingham(&[&["ips", "--server", "https://127.0.0.1:1"], spelling].concat());
        assert!(error_of(&away, 1).contains("127.0.0.1:1 was refused"), "{}", away.err);
    }
    assert!(error_of(&cluster.gingham(&["takeover", "-o", "json"]), 2).contains("Usage: "), "also wrong usage");
    assert!(error_of(&cluster.gingham(&["explain", "nosuch", "-o", "json"]), 1).contains("\"nosuch\" not found"));

    kubectl.run(&["delete", "crd", "addressblocks.gingham.dev", "--wait"]).stdout();
    let unknown = cluster.gingham(&["blocks"]).failed();
    assert!(unknown.contains("does not know the kinds of gingham.dev") && unknown.contains("apply"), "{unknown}");
}
