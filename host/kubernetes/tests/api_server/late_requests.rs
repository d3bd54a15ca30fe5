//! Requests that an API server carries out after others have gone on, and API servers that hang or are gone.

use std::thread;
use std::time::{Duration, Instant};

use gingham_kubernetes::{Api, Deletion, KubernetesStore, Preconditions, Resource, Selection};
use gingham_kubernetes_tests::{ApiServer, programs};
use gingham_ownership::shared_store::{Reply, StoreFault};
use rustix::process::Signal;
use serde_json::Value;

use crate::setup::{
    BLOCK, PATIENCE, api, block, call, call_within, control_plane, create, found, get, list, object, refused, store,
    unknown, update, written,
};

const NAME: &str = "pods.10.32.5.0-24";

/// Until a request has reached a server that does not read it.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

#[test]
fn a_late_delete_misses_a_block_that_was_written_again() {
    if !programs::has_control_plane() {
        return;
    }
    let plane = control_plane();
    let other = plane.another_api_server(|_| ());
    let (api, late) = (api(&plane, &plane.url()), api(&plane, &other.url()));
    let mut store = store(&plane, "pods");

    // What makes the nonce needed: this update is answered with 200, and has no effect.
    let created = written(call(&mut store, &create(BLOCK, &block("node-1"))));
    let deletion = delete_late(&other, &late, || {
        let mut same = object(&api, NAME).unwrap();
        same["metadata"]["managedFields"] = Value::Null;
        let stored = api.replace(&Resource::blocks(), None, &same, Instant::now() + PATIENCE).unwrap();
        assert_eq!(stored["metadata"]["resourceVersion"], created.0.to_string());
    });
    assert!(matches!(deletion, Ok(Some(Deletion::Gone))), "{deletion:?}");
    assert_eq!(object(&api, NAME), None);

    // What the store does.
    let created = written(call(&mut store, &create(BLOCK, &block("node-1"))));
    let mut again = created;
    let deletion = delete_late(&other, &late, || {
        again = written(call(&mut store, &update(BLOCK, &block("node-1"), created)));
    });
    assert_eq!(deletion.unwrap_err().status().unwrap().code, 409);
    assert_eq!(found(call(&mut store, &get(BLOCK))), Some((block("node-1"), again)));
}

/// Sends a delete of the block as it is to a server that hangs, and lets it go on after `meanwhile`.
fn delete_late(
    server: &ApiServer,
    api: &Api,
    meanwhile: impl FnOnce(),
) -> Result<Option<Deletion>, gingham_kubernetes::ApiError> {
    let found = object(api, NAME).unwrap();
    let text = |field: &str| found["metadata"][field].as_str().unwrap().to_owned();
    let preconditions = Preconditions { uid: text("uid"), version: text("resourceVersion") };
    server.signal(Signal::STOP);
    thread::scope(|scope| {
        let delete = || api.delete(&Resource::blocks(), NAME, Some(&preconditions), Instant::now() + PATIENCE);
        let deletion = scope.spawn(delete);
        thread::sleep(ON_ITS_WAY);
        meanwhile();
        server.signal(Signal::CONT);
        deletion.join().unwrap()
    })
}

#[test]
fn an_api_server_that_hangs_or_is_gone_is_reported_in_time() {
    if !programs::has_control_plane() {
        return;
    }
    let mut plane = control_plane();
    let mut other = plane.another_api_server(|_| ());
    let mut late = KubernetesStore::new(api(&plane, &other.url()), "pods").unwrap();
    let mut store = store(&plane, "pods");
    let creation = create(BLOCK, &block("node-1"));
    let short = Duration::from_secs(2);
    assert_eq!(found(call(&mut late, &get(BLOCK))), None);

    other.signal(Signal::STOP);
    thread::sleep(ON_ITS_WAY);
    let fault = unknown(call_within(&mut late, &creation, short));
    assert!(matches!(fault, StoreFault::Unreachable(_)), "{fault:?}");
    let fault = refused(call_within(&mut late, &get(BLOCK), short));
    assert!(fault.to_string().contains("in time"), "{fault}");
    // No read decides what becomes of it.
    assert_eq!(found(call(&mut store, &get(BLOCK))), None);
    other.signal(Signal::CONT);
    // The same call is the same write, whether or not the first was carried out.
    let version = written(call(&mut late, &creation));
    assert_eq!(found(call(&mut store, &get(BLOCK))), Some((block("node-1"), version)));
    let api = api(&plane, &plane.url());
    assert_eq!(object(&api, NAME).unwrap()["metadata"]["generation"], 1);

    other.end(Signal::KILL);
    for gone in [call_within(&mut late, &creation, short), call_within(&mut late, &list(), short)] {
        assert!(matches!(refused(gone), StoreFault::Unreachable(text) if text.contains("refused")));
    }
    other.start();
    assert!(matches!(call(&mut late, &list()), Reply::Listed { .. }));

    // A connection that the server closed while it was idle is noticed before a write goes out on it.
    plane.api_server.end(Signal::TERM);
    plane.api_server.start();
    written(call(&mut store, &create("blocks/10.32.6.0-24", &block("node-1"))));
    assert_eq!(api.list(&Resource::blocks(), &Selection::default(), Instant::now() + PATIENCE).unwrap().items.len(), 2);
}
