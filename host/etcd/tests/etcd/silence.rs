//! Endpoints that take connections or packets and never answer: no call lasts longer than it may.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use gingham_etcd::Etcd;
use gingham_net::address::{self, DuplicateDetection};
use gingham_net::bridge;
use gingham_net::netlink::{Route, Socket};
use gingham_ownership::shared_store::{Reply, StoreFault};

use crate::testbed::{
    call, call_within, create, get, list, members, on_a_host, record, refused, settings, store, unknown,
    until_answered, update, with_etcd, written,
};

const SHORT: Duration = Duration::from_millis(600);

#[test]
fn a_frozen_member_is_not_even_asked() {
    with_etcd(|directory| {
        let mut members = members(directory, 1);
        let mut store = store(&members);
        let version = written(call(&mut store, &create("config", "0")));
        members.freeze(0);
        for wanted in [update("config", "1", version), get("config")] {
            let fault = refused(call_within(&mut store, &wanted, SHORT));
            assert!(
                matches!(&fault, StoreFault::Unreachable(text) if text.contains("http://127.0.0.1:2379")),
                "{fault:?}"
            );
        }
        members.thaw(0);
        assert_eq!(until_answered(&mut store, &get("config")), Reply::Got(Some(record("0", version))));
    });
}

/// Between store and etcd: passes everything on, but nothing back any more once it has seen `LOSE MY ANSWER`.
fn lose_answers() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let server = TcpStream::connect("127.0.0.1:2379").unwrap();
            let is_mute = Arc::new(AtomicBool::new(false));
            let sets_mute = Arc::clone(&is_mute);
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let asks = move |bytes: &[u8]| {
                let marked = bytes.windows(MARK.len()).any(|part| part == MARK.as_bytes());
                sets_mute.fetch_or(marked, Ordering::SeqCst);
                true
            };
            thread::spawn(move || relay(from, to, asks));
            thread::spawn(move || relay(server, client, move |_| !is_mute.load(Ordering::SeqCst)));
        }
    });
    url
}

const MARK: &str = "LOSE MY ANSWER";

fn relay(mut from: TcpStream, mut to: TcpStream, passes: impl Fn(&[u8]) -> bool) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if passes(&buffer[..length]) && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
}

#[test]
fn a_lost_answer_leaves_a_write_in_doubt() {
    with_etcd(|directory| {
        let members = members(directory, 1);
        let url = lose_answers();
        let mut store = Etcd::new(settings(std::slice::from_ref(&url)), "net");
        written(call(&mut store, &create("members/a", "0")));
        let fault = unknown(call_within(&mut store, &create("config", MARK), SHORT));
        assert!(matches!(&fault, StoreFault::Unreachable(text) if text.contains(&url)), "{fault:?}");
        // It was carried out. The same write again, on a new connection, conflicts.
        let Reply::Conflict(Some(present)) = call(&mut store, &create("config", "again")) else { panic!("not there") };
        assert_eq!(present.value, MARK.as_bytes());
        drop(members);
    });
}

#[test]
fn a_frozen_member_of_three_costs_a_part_of_the_time() {
    with_etcd(|directory| {
        let mut members = members(directory, 3);
        let mut store = store(&members);
        let version = written(call(&mut store, &create("config", "0")));
        members.freeze(0);
        let patience = Duration::from_secs(6);
        let reply = loop {
            // While the others elect a leader, they do not serve either.
            match call_within(&mut store, &get("config"), patience) {
                Reply::Refused(_) => {}
                reply => break reply,
            }
        };
        assert_eq!(reply, Reply::Got(Some(record("0", version))));
    });
}

#[test]
fn a_listener_that_says_nothing() {
    on_a_host(|_| {
        let listener = TcpListener::bind("127.0.0.1:2379").unwrap();
        let mut store = Etcd::new(settings(&["http://127.0.0.1:2379".to_owned()]), "net");
        let fault = refused(call_within(&mut store, &create("config", "0"), SHORT));
        assert!(matches!(&fault, StoreFault::Unreachable(text) if text.contains("http://127.0.0.1:2379")), "{fault:?}");
        drop(listener);
    });
}

/// An address on a link that does not answer, and a member that does.
#[test]
fn packets_that_vanish_leave_time_for_the_next_endpoint() {
    with_etcd(|directory| {
        let mut kernel = Socket::<Route>::open().unwrap();
        let hole = bridge::ensure(&mut kernel, "hole", None, false).unwrap();
        let net = "192.0.2.1/24".parse().unwrap();
        address::add(&mut kernel, hole.index, net, DuplicateDetection::Off).unwrap();
        let silent: IpAddr = "192.0.2.99".parse().unwrap();
        let members = members(directory, 1);
        let silent = format!("http://{silent}:2379");
        let mut alone = Etcd::new(settings(std::slice::from_ref(&silent)), "net");
        let fault = refused(call_within(&mut alone, &list(""), SHORT));
        assert!(fault.to_string().starts_with("http://192.0.2.99:2379: "), "{fault}");
        let endpoints = [vec![silent], members.endpoints()].concat();
        let mut store = Etcd::new(settings(&endpoints), "net");
        written(call_within(&mut store, &create("config", "0"), Duration::from_secs(4)));
    });
}

#[test]
fn no_time_at_all_is_a_refusal() {
    with_etcd(|directory| {
        let members = members(directory, 1);
        let mut store = store(&members);
        refused(call_within(&mut store, &create("config", "0"), Duration::ZERO));
        assert_eq!(call(&mut store, &get("config")), Reply::Got(None));
    });
}
