//! The API server alone: what other crates' tests build on.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use gingham_kubernetes_tests::audit_log::Kind;
use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::{ControlPlane, programs};
use rustix::process::Signal;
use serde_json::{Value, json};

const GREETING: &str = r#"{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "greetings.example.org"},
    "spec": {"group": "example.org", "scope": "Cluster", "names": {"kind": "Greeting", "plural": "greetings"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
            "properties": {"spec": {"type": "object", "properties": {"text": {"type": "string"}}}}}}}]}}"#;

fn greeting(text: &str) -> String {
    json!({"apiVersion": "example.org/v1", "kind": "Greeting", "metadata": {"name": "hello"}, "spec": {"text": text}})
        .to_string()
}

fn count(verb: &str, resource: &str, plane: &ControlPlane, user: &str) -> usize {
    let kind = Kind { verb: verb.to_owned(), resource: resource.to_owned() };
    plane.audit_log().requests(user).get(&kind).copied().unwrap_or_default()
}

/// A custom resource is what kills an API server that was built with the reflect2 of the source package.
#[test]
fn custom_resources_survive_the_api_server_and_requests_are_counted() {
    if !programs::has_control_plane() {
        return;
    }
    let mut plane = ControlPlane::start();
    let kubectl = plane.kubectl().clone();
    kubectl.apply(GREETING);
    kubectl.run(&["wait", "--for=condition=Established", "crd/greetings.example.org"]).stdout();
    kubectl.apply(&greeting("good morning"));
    let text = |value: &Value| value["spec"]["text"].as_str().map(str::to_owned);
    assert_eq!(text(&kubectl.get(&["greetings", "hello"])).as_deref(), Some("good morning"));
    assert_eq!(count("create", "greetings", &plane, "admin"), 1);
    assert_eq!(count("create", "greetings", &plane, "system:node:node-1"), 0);

    plane.api_server.end(Signal::KILL);
    assert!(!kubectl.run(&["get", "greetings", "--request-timeout=2s"]).is_success(), "it is away");
    plane.api_server.start();
    let lagging = plane.another_api_server(|_| ());
    assert_ne!(lagging.url(), plane.url());
    assert_eq!(text(&lagging.kubectl().get(&["greetings", "hello"])).as_deref(), Some("good morning"));
}

#[test]
fn tokens_of_service_accounts_are_good_for_what_rbac_allows_until_they_expire() {
    if !programs::has_control_plane() {
        return;
    }
    let mut plane = ControlPlane::start();
    let admin = plane.kubectl().clone();
    admin.run(&["create", "serviceaccount", "agent"]).stdout();
    let token = admin.service_account_token("default", "agent", 600);
    let agent = plane.kubectl_with("agent", &token);
    assert!(agent.run(&["get", "nodes"]).refusal().contains("Forbidden"));
    admin.run(&["create", "clusterrole", "reader", "--verb=list", "--resource=nodes"]).stdout();
    let binding = ["create", "clusterrolebinding", "reader", "--clusterrole=reader", "--serviceaccount=default:agent"];
    admin.run(&binding).stdout();
    until("the role is known", Duration::from_secs(10), || {
        let listed = agent.run(&["get", "nodes"]);
        if listed.is_success() { Ok(()) } else { Err(listed.refusal()) }
    });
    assert!(count("list", "nodes", &plane, "system:serviceaccount:default:agent") >= 2);

    plane.expire_service_account_tokens();
    assert!(agent.run(&["get", "nodes"]).refusal().contains("Unauthorized"));
    let renewed = plane.kubectl_with("agent", &admin.service_account_token("default", "agent", 600));
    renewed.run(&["get", "nodes"]).stdout();
}

#[test]
fn writes_wait_for_an_etcd_that_hangs() {
    if !programs::has_control_plane() {
        return;
    }
    let plane = ControlPlane::start();
    plane.etcd(|etcd| etcd.freeze(0));
    let refused = plane.kubectl().run(&["create", "namespace", "late", "--request-timeout=2s"]).refusal();
    assert!(!refused.is_empty());
    plane.etcd(|etcd| etcd.thaw(0));
    plane.kubectl().run(&["create", "namespace", "early"]).stdout();
}
