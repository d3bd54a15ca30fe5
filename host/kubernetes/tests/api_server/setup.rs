//! A client, a store, and what calls should have become.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gingham_kubernetes::{Api, Config, KubernetesStore, Pem, Permissions, Resource, Server};
use gingham_kubernetes_tests::{ControlPlane, users};
use gingham_ownership::shared_store::{Call, Record, Reply, SharedStore, StoreFault, Version};
use serde_json::{Value, json};

/// Longer than anything takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) const BLOCK: &str = "blocks/10.32.5.0-24";

const KINDS: [&str; 4] = [
    include_str!("../../../../deploy/kubernetes/base/crds/addressblocks.yaml"),
    include_str!("../../../../deploy/kubernetes/base/crds/addressnetworks.yaml"),
    include_str!("../../../../deploy/kubernetes/base/crds/allocationpolicies.yaml"),
    include_str!("../../../../deploy/kubernetes/base/crds/networkmembers.yaml"),
];

/// An API server with Gingham's kinds.
pub(crate) fn control_plane() -> ControlPlane {
    let plane = ControlPlane::start();
    apply_kinds(&plane);
    plane
}

pub(crate) fn apply_kinds(plane: &ControlPlane) {
    plane.kubectl().with_file(&["apply", "--validate=false"], &KINDS.join("\n---\n")).stdout();
    let api = api(plane, &plane.url());
    for resource in [Resource::blocks(), Resource::members(), Resource::networks(), Resource::policies()] {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = api.list(&resource, &gingham_kubernetes::Selection::default(), deadline) {
            assert!(Instant::now() < deadline, "{error}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

pub(crate) fn config(plane: &ControlPlane, url: &str, token: &Path) -> Config {
    Config {
        server: Server::parse(url).unwrap(),
        authority: Pem::File(plane.authority().to_owned()),
        token: Some(token.to_owned()),
    }
}

/// A client who may do everything.
pub(crate) fn api(plane: &ControlPlane, url: &str) -> Api {
    Api::new(
        config(plane, url, &token_file(plane, "admin-token", &plane.user(users::ADMIN).token)),
        Permissions::Everything,
    )
}

pub(crate) fn token_file(plane: &ControlPlane, name: &str, token: &str) -> PathBuf {
    let path = plane.directory().join(name);
    std::fs::write(&path, token).unwrap();
    path
}

pub(crate) fn store(plane: &ControlPlane, network: &str) -> KubernetesStore {
    KubernetesStore::new(api(plane, &plane.url()), network).unwrap()
}

/// In time, whatever happens.
pub(crate) fn call_within(store: &mut KubernetesStore, call: &Call, patience: Duration) -> Reply {
    let start = Instant::now();
    let reply = store.call(call, start + patience);
    let late = start.elapsed().saturating_sub(patience);
    assert!(late < Duration::from_secs(5), "the deadline of {patience:?} was missed by {late:?}: {reply:?}");
    reply
}

pub(crate) fn call(store: &mut KubernetesStore, call: &Call) -> Reply {
    call_within(store, call, PATIENCE)
}

pub(crate) fn get(key: &str) -> Call {
    Call::Get { key: key.to_owned() }
}

pub(crate) fn list() -> Call {
    Call::List { prefix: String::new() }
}

pub(crate) fn create(key: &str, value: &Value) -> Call {
    Call::Create { key: key.to_owned(), value: value.to_string().into_bytes() }
}

pub(crate) fn update(key: &str, value: &Value, expected: Version) -> Call {
    Call::Update { key: key.to_owned(), value: value.to_string().into_bytes(), expected }
}

pub(crate) fn delete(key: &str, expected: Version) -> Call {
    Call::Delete { key: key.to_owned(), expected }
}

pub(crate) fn block(owner: &str) -> Value {
    json!({"owner": owner, "incarnation": 1})
}

pub(crate) fn member(incarnation: u64) -> Value {
    json!({
        "machine": "m", "disk": "d", "boot": "b", "incarnation": incarnation, "fenced": 0, "membership": "member",
        "address": null, "mac": null, "since": 7,
    })
}

pub(crate) fn network_record() -> Value {
    json!({"schema": 1, "grids": [{"range": "10.32.0.0/12", "blockLength": 24}], "policy": "weave-split"})
}

#[track_caller]
pub(crate) fn written(reply: Reply) -> Version {
    match reply {
        Reply::Written(version) => version,
        other => panic!("not written: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn refused(reply: Reply) -> StoreFault {
    match reply {
        Reply::Refused(fault) => fault,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn unknown(reply: Reply) -> StoreFault {
    match reply {
        Reply::Unknown(fault) => fault,
        other => panic!("not unknown: {other:?}"),
    }
}

/// The record that is there.
#[track_caller]
pub(crate) fn found(reply: Reply) -> Option<(Value, Version)> {
    match reply {
        Reply::Got(found) | Reply::Conflict(found) => found.map(|record| (value(&record), record.version)),
        other => panic!("nothing was read: {other:?}"),
    }
}

pub(crate) fn value(record: &Record) -> Value {
    serde_json::from_slice(&record.value).unwrap()
}

/// The object of a block.
pub(crate) fn object(api: &Api, name: &str) -> Option<Value> {
    api.get(&Resource::blocks(), name, Instant::now() + PATIENCE).unwrap()
}
