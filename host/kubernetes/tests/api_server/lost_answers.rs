//! Connections that break at each request and at each answer of each write.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use gingham_kubernetes::KubernetesStore;
use gingham_kubernetes_tests::programs;
use gingham_ownership::shared_store::{Call, Reply, Version};

use crate::setup::{api, block, call, control_plane, create, delete, found, get, object, store, update, written};

/// Relays connections to an API server, and breaks them when it is told to.
struct Relay {
    address: SocketAddr,
    requests: Arc<AtomicI64>,
    answers: Arc<AtomicI64>,
}

/// Which message breaks the connection instead of being passed on.
#[derive(Debug, Clone, Copy)]
enum Break {
    Request(i64),
    Answer(i64),
}

const NEVER: i64 = -1;

impl Relay {
    fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, answers) = (Arc::new(AtomicI64::new(NEVER)), Arc::new(AtomicI64::new(NEVER)));
        let relay = Self { address, requests: Arc::clone(&requests), answers: Arc::clone(&answers) };
        // It ends with the process.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(server).unwrap();
                pass(client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(&requests));
                pass(server, client, Arc::clone(&answers));
            }
        });
        relay
    }

    fn break_at(&self, at: Break) {
        match at {
            Break::Request(number) => self.requests.store(number, Ordering::SeqCst),
            Break::Answer(number) => self.answers.store(number, Ordering::SeqCst),
        }
    }

    fn break_no_more(&self) {
        self.break_at(Break::Request(NEVER));
        self.break_at(Break::Answer(NEVER));
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, left: Arc<AtomicI64>) {
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length) = from.read(&mut buffer) {
            let breaks = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| (left >= 0).then_some(left - 1));
            if length == 0 || breaks == Ok(0) || to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}

#[test]
fn a_write_is_repeated_until_it_is_known_and_is_carried_out_once() {
    if !programs::has_control_plane() {
        return;
    }
    let plane = control_plane();
    let relay = Relay::start(plane.api_server.address());
    let mut direct = store(&plane, "pods");
    let mut through = KubernetesStore::new(api(&plane, &format!("https://{}", relay.address)), "pods").unwrap();
    let api = api(&plane, &plane.url());
    let mut unknown = [0; 3];
    let points = (0..3).flat_map(|number| [Break::Request(number), Break::Answer(number)]);
    for (number, at) in points.enumerate() {
        let key = format!("blocks/10.32.{number}.0-24");
        let generation =
            || object(&api, &format!("pods.10.32.{number}.0-24")).unwrap()["metadata"]["generation"].clone();
        let mut broken = |call: &Call, count: &mut i32| broken(&mut through, &relay, at, call, count);

        let created = written(broken(&create(&key, &block("node-1")), &mut unknown[0]));
        assert_eq!(found(call(&mut direct, &get(&key))), Some((block("node-1"), created)), "{at:?}");
        assert_eq!(generation(), 1, "{at:?}");

        let updated = written(broken(&update(&key, &block("node-1"), created), &mut unknown[1]));
        assert_eq!(found(call(&mut direct, &get(&key))), Some((block("node-1"), updated)), "{at:?}");
        assert_eq!(generation(), 2, "{at:?}");

        // A delete has no nonce: what is gone already may have been deleted by anyone.
        let deleted = broken(&delete(&key, updated), &mut unknown[2]);
        assert!(matches!(deleted, Reply::Deleted | Reply::Conflict(None)), "{at:?}: {deleted:?}");
        assert_eq!(found(call(&mut direct, &get(&key))), None, "{at:?}");
        assert_eq!(call(&mut direct, &delete(&key, Version(1))), Reply::Conflict(None));
    }
    assert!(unknown.iter().all(|count| *count >= 2), "{unknown:?}");
}

/// Carries a call out while a message breaks the connection, and again while nothing is known.
fn broken(store: &mut KubernetesStore, relay: &Relay, at: Break, wanted: &Call, unknown: &mut i32) -> Reply {
    // A connection without TLS's messages before the request.
    assert!(matches!(call(store, &get("blocks/10.99.0.0-24")), Reply::Got(None)));
    relay.break_at(at);
    let mut reply = call(store, wanted);
    relay.break_no_more();
    for _ in 0..2 {
        if matches!(reply, Reply::Unknown(_)) {
            *unknown += 1;
            reply = call(store, wanted);
        }
    }
    reply
}
