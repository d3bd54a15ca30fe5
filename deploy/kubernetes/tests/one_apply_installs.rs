//! The file as people apply it, on a real API server.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::Path;

use gingham_kubernetes::{AGENT, Permission};
use gingham_kubernetes_tests::{ControlPlane, Kubectl, programs};
use serde_json::Value;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gingham.yaml");

/// Kubernetes 1.22 and earlier do not know the rules in the definitions (`x-kubernetes-validations`), and their kubectl refuses
/// what they do not know.
const APPLY: [&str; 4] = ["apply", "--validate=false", "-f", FILE];

/// What the agent's requests are checked against before they leave: `group/resource verb`.
fn calls() -> BTreeSet<String> {
    let each = |one: &Permission| {
        let prefix = format!("{}/{}", one.group, one.resource);
        one.verbs.iter().map(move |verb| format!("{prefix} {verb}")).collect::<Vec<_>>()
    };
    AGENT.iter().flat_map(each).collect()
}

fn allowed(roles: &[Value]) -> BTreeSet<String> {
    let texts = |rule: &Value, key: &str| -> Vec<String> {
        let list = rule[key].as_array().cloned().unwrap_or_default();
        list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut allowed = BTreeSet::new();
    for rule in roles.iter().flat_map(|role| role["rules"].as_array().unwrap()) {
        for group in texts(rule, "apiGroups") {
            for resource in texts(rule, "resources") {
                allowed.extend(texts(rule, "verbs").iter().map(|verb| format!("{group}/{resource} {verb}")));
            }
        }
    }
    allowed
}

fn get(kubectl: &Kubectl, arguments: &[&str]) -> Value {
    kubectl.get(arguments)
}

#[test]
fn one_apply_installs_it_and_the_role_has_what_the_agent_calls() {
    if !programs::has_control_plane() {
        return;
    }
    assert!(Path::new(FILE).is_file());
    let cluster = ControlPlane::start();
    let kubectl = cluster.kubectl();
    let applied = kubectl.run(&APPLY).stdout();
    assert!(applied.contains("daemonset.apps/gingham-node created"), "{applied}");
    let again = kubectl.run(&APPLY).stdout();
    // An old server drops the rules of the definitions.
    let is_same = |line: &str| line.ends_with(" unchanged") || line.starts_with("customresourcedefinition");
    assert!(again.lines().all(is_same), "{again}");

    let cluster_role = get(kubectl, &["clusterrole", "gingham-node"]);
    let role = get(kubectl, &["--namespace", "kube-node-lease", "role", "gingham-node"]);
    assert_eq!(allowed(&[cluster_role, role]), calls());

    let pod =
        &get(kubectl, &["--namespace", "gingham-system", "daemonset", "gingham-node"])["spec"]["template"]["spec"];
    let agent = &pod["containers"][0];
    assert_eq!(pod["hostNetwork"], true);
    assert_eq!(pod["priorityClassName"], "system-node-critical");
    assert_eq!(agent["securityContext"]["privileged"], Value::Null);
    assert_eq!(agent["securityContext"]["capabilities"]["add"], serde_json::json!(["NET_ADMIN", "SETUID", "SETGID"]));
    assert_eq!(agent["resources"]["limits"], Value::Null);
    assert_eq!(pod["initContainers"][0]["securityContext"]["capabilities"]["add"], Value::Null);

    // What `view` gets by the label; the controller that adds it up does not run here.
    let view = get(kubectl, &["clusterrole", "gingham-view"]);
    assert_eq!(view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"], "true");
    let binding = ["create", "clusterrolebinding", "reader", "--clusterrole=gingham-view", "--user=system:kube-proxy"];
    let reader = cluster.kubectl_of("system:kube-proxy");
    let may = |what: &[&str]| reader.run(&[&["auth", "can-i"], what].concat()).is_success();
    assert!(!may(&["list", "addressblocks.gingham.dev"]));
    kubectl.run(&binding).stdout();
    for kind in ["addressnetworks", "networkmembers", "addressblocks", "allocationpolicies"] {
        assert!(may(&["list", &format!("{kind}.gingham.dev")]), "{kind}");
        assert!(!may(&["update", &format!("{kind}.gingham.dev")]), "{kind}");
    }
    assert!(may(&["get", "clusterrolebinding/gingham-node"]) && !may(&["get", "clusterrolebinding/reader"]));
}
