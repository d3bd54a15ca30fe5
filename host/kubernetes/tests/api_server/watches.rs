//! Watches, and what is kept current by them.

use std::thread;
use std::time::{Duration, Instant};

use gingham_kubernetes::{Api, Event, Next, Resource, Selection, Stop, Watched};
use gingham_kubernetes_tests::audit_log::Kind;
use gingham_kubernetes_tests::{ControlPlane, programs, users};
use gingham_ownership::shared_store::Reply;
use rustix::process::Signal;

use crate::setup::{
    BLOCK, PATIENCE, api, block, call, control_plane, create, delete, list, member, network_record, store, update,
    written,
};

#[test]
fn watches_report_each_event_and_how_they_end() {
    if !programs::has_control_plane() {
        return;
    }
    let mut plane = control_plane();
    let api = api(&plane, &plane.url());
    let old = events(&plane, &api);
    let future = format!("{}", old.parse::<u64>().unwrap() + 1_000_000);
    let mut watch = watch(&api, &future, &Stop::new());
    written(call(&mut store(&plane, "other"), &create(BLOCK, &block("node-1"))));
    assert_eq!(watch.next(Duration::from_secs(3)), Next::Silence, "a version of the future proves nothing");

    plane.api_server.end(Signal::KILL);
    assert!(matches!(watch.next(PATIENCE), Next::Ended(_)));
    plane.api_server.start();
    // A new API server knows nothing of what was before it.
    let mut watch = self::watch(&api, &old, &Stop::new());
    assert!(matches!(watch.next(PATIENCE), Next::Expired(_)));
}

fn watch(api: &Api, from: &str, stop: &Stop) -> gingham_kubernetes::Watch {
    api.watch(&Resource::blocks(), &Selection::default(), from, stop, Instant::now() + PATIENCE).unwrap()
}

/// Returns the version of the last.
fn events(plane: &ControlPlane, api: &Api) -> String {
    let before = api.list(&Resource::blocks(), &Selection::default(), Instant::now() + PATIENCE).unwrap();
    let mut store = store(plane, "pods");
    let first = written(call(&mut store, &create(BLOCK, &block("node-1"))));
    let stop = Stop::new();
    let mut watch = watch(api, &before.version, &stop);
    let second = written(call(&mut store, &update(BLOCK, &block("node-2"), first)));
    assert_eq!(call(&mut store, &delete(BLOCK, second)), Reply::Deleted);
    let mut next = || watch.next(PATIENCE);
    let version = |object: &serde_json::Value| object["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let Next::Event(Event::Added(added)) = next() else { panic!("not added") };
    assert_eq!(version(&added), first.0.to_string());
    let Next::Event(Event::Modified(modified)) = next() else { panic!("not modified") };
    assert_eq!(version(&modified), second.0.to_string());
    let Next::Event(Event::Deleted(deleted)) = next() else { panic!("not deleted") };
    let last = version(&deleted);
    assert!(last.parse::<u64>().unwrap() > second.0);
    assert_eq!(watch.next(Duration::from_millis(200)), Next::Silence);

    let start = Instant::now();
    let stopping = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        stop.stop();
    });
    assert_eq!(watch.next(PATIENCE), Next::Stopped);
    assert!(start.elapsed() < PATIENCE / 2);
    stopping.join().unwrap();
    assert_eq!(watch.next(PATIENCE), Next::Stopped);
    last
}

#[test]
fn what_is_watched_is_what_is_stored_without_lists() {
    if !programs::has_control_plane() {
        return;
    }
    let mut plane = control_plane();
    let api = api(&plane, &plane.url());
    let mut store = store(&plane, "pods");
    written(call(&mut store, &create("config", &network_record())));
    written(call(&mut store, &create("members/node-1", &member(1))));
    let watched = Watched::start(&api, "pods", Duration::from_secs(20)).unwrap();
    assert!(watched.wait_until_listed(PATIENCE).is_some(), "{:?}", watched.failure());
    let log = plane.audit_log().from_now();

    let mut other = crate::setup::store(&plane, "other");
    written(call(&mut other, &create(BLOCK, &block("stranger"))));
    let first = written(call(&mut store, &create(BLOCK, &block("node-1"))));
    written(call(&mut store, &create("blocks/10.32.6.0-24", &block("node-1"))));
    let second = written(call(&mut store, &update(BLOCK, &block("node-2"), first)));
    equal(&watched, &list_of(&mut store));
    assert_eq!(call(&mut store, &delete(BLOCK, second)), Reply::Deleted);
    equal(&watched, &list_of(&mut store));
    bookmark(&api, &mut store);
    assert_eq!(watched.lists(), 3, "{:?}", watched.failure());
    let lists = |resource: &str| Kind { verb: "list".to_owned(), resource: resource.to_owned() };
    let requests = log.requests(users::ADMIN);
    // The three of this test itself, and those of one object after each silence.
    assert!(requests[&lists("addressblocks")] <= 3 + 5, "{requests:?}");
    let networks = requests[&lists("addressnetworks")];
    // Its silence ended, and the watch was begun again without the whole list.
    assert!((3..=3 + 5).contains(&networks), "{requests:?}");
    assert!(requests[&Kind { verb: "watch".to_owned(), resource: "addressnetworks".to_owned() }] >= 2, "{requests:?}");

    plane.api_server.end(Signal::KILL);
    plane.api_server.start();
    let again = written(call(&mut store, &create(BLOCK, &block("node-3"))));
    equal(&watched, &list_of(&mut store));
    assert!(watched.records().unwrap().records.iter().any(|(_, record)| record.version == again));
    let deadline = Instant::now() + PATIENCE;
    while let Some(failure) = watched.failure() {
        assert!(Instant::now() < deadline, "{failure}");
        thread::sleep(Duration::from_millis(100));
    }
    drop(watched);
}

fn list_of(store: &mut gingham_kubernetes::KubernetesStore) -> Vec<(String, gingham_ownership::shared_store::Record)> {
    match call(store, &list()) {
        Reply::Listed { records, .. } => records,
        other => panic!("not listed: {other:?}"),
    }
}

/// Waits until what is watched is what is stored.
#[track_caller]
fn equal(watched: &Watched, stored: &[(String, gingham_ownership::shared_store::Record)]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let changes = watched.signal().changes();
        let known = watched.records().unwrap();
        if known.records == stored {
            return;
        }
        assert!(Instant::now() < deadline, "{:?}\n{known:?}\nis not\n{stored:?}", watched.failure());
        watched.signal().wait(changes, Duration::from_secs(1));
    }
}

/// They come once a minute, also when the selection lets nothing through; but not where the kind does not change.
fn bookmark(api: &Api, store: &mut gingham_kubernetes::KubernetesStore) {
    let version = api.list(&Resource::blocks(), &Selection::default(), Instant::now() + PATIENCE).unwrap().version;
    let nothing = Selection::fields("metadata.name=nothing");
    let stop = Stop::new();
    let mut watch = api.watch(&Resource::blocks(), &nothing, &version, &stop, Instant::now() + PATIENCE).unwrap();
    let created = written(call(store, &create("blocks/10.32.77.0-24", &block("node-1"))));
    let next = watch.next(Duration::from_secs(75));
    assert_eq!(next, Next::Event(Event::Bookmark(created.0.to_string())));
}
