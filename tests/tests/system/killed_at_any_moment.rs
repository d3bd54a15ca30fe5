//! `kill -9` at any moment of ADD or DEL, then DEL: nothing is left.

use std::time::{Duration, Instant};

use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::Socket;
use gingham_tests::cni::Cni;
use gingham_tests::kernel;
use gingham_tests::networks::{bridged_with, with};
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

fn network() -> Value {
    bridged_with(json!({"ipMasq": true, "ipam": {"cooldown": "0"}}))
}

fn nothing_is_left(container: &Container, when: &str) {
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0], "killed {when}");
    assert_eq!(container.inside(kernel::links), [""; 0], "killed {when}");
}

/// Kills an ADD at a place, looks at what is there, and ends the attachment.
fn kill_add_at(place: &str, leased: bool, linked: bool) {
    let node = Node::new();
    let c1 = node.container("c1");
    Cni::add(&network(), &c1).failpoint(&format!("{place}=kill")).run().was_killed();
    assert_eq!(!kernel::leases("mynet").is_empty(), leased, "the lease at {place}");
    assert_eq!(!c1.inside(kernel::links).is_empty(), linked, "the interface at {place}");
    Cni::del(&network(), &c1).run().succeeds();
    nothing_is_left(&c1, place);
    // Neither does the next one stumble over it.
    Cni::add(&network(), &c1).run().result();
    kernel::reaches(&c1, "10.7.0.1".parse().unwrap());
}

#[test]
fn add_before_anything_is_done() {
    kill_add_at("add.planned", false, false);
}

#[test]
fn add_with_the_lease_and_before_any_interface() {
    kill_add_at("add.allocated", true, false);
}

#[test]
fn add_with_the_bridge() {
    kill_add_at("add.bridge", true, false);
}

#[test]
fn add_with_the_link() {
    kill_add_at("add.veth", true, true);
}

#[test]
fn add_with_the_gateway() {
    kill_add_at("add.gateway", true, true);
}

#[test]
fn add_with_the_addresses() {
    kill_add_at("add.configured", true, true);
}

#[test]
fn add_with_the_masquerade() {
    kill_add_at("add.masqueraded", true, true);
}

#[test]
fn add_with_everything_done() {
    kill_add_at("add.done", true, true);
}

/// The kernel takes an alias only after it has made the link: an ADD killed in between leaves one without.
#[test]
fn gc_finds_a_link_without_an_alias() {
    let node = Node::new();
    let (kept, c1) = (node.container("kept"), node.container("c1"));
    Cni::add(&network(), &kept).run().result();
    let before = kernel::links();
    Cni::add(&network(), &c1).failpoint("add.veth=kill").run().was_killed();
    let new = kernel::links().into_iter().find(|link| !before.contains(link)).unwrap();
    let nameless = Change { alias: Some(""), ..Change::default() };
    link::change(&mut Socket::open().unwrap(), Which::Name(&new), &nameless).unwrap();
    Cni::gc(&network(), &[("kept", "eth0")]).run().succeeds();
    assert_eq!(c1.inside(kernel::links), [""; 0]);
    assert_eq!(kernel::links(), before);
    assert_eq!(kernel::leases("mynet"), ["kept eth0 10.7.0.2"]);
    Cni::add(&network(), &c1).run().result();
    kernel::reaches(&c1, "10.7.0.1".parse().unwrap());
}

#[test]
fn gc_after_an_add_killed_at_every_place() {
    let guarded = with(network(), json!({"macspoofchk": true}));
    let places =
        ["add.allocated", "add.bridge", "add.veth", "add.plugged", "add.configured", "add.masqueraded", "add.done"];
    for place in places {
        let node = Node::new();
        let c1 = node.container("c1");
        Cni::add(&guarded, &c1).failpoint(&format!("{place}=kill")).run().was_killed();
        // By then the configuration asks for neither masquerade nor guards.
        Cni::gc(&bridged_with(json!({"ipam": {"cooldown": "0"}})), &[]).run().succeeds();
        nothing_is_left(&c1, place);
    }
}

#[test]
fn del_at_every_place() {
    for place in ["del.unlinked", "del.unmasqueraded", "del.forgotten", "del.done"] {
        let node = Node::new();
        let c1 = node.container("c1");
        Cni::add(&network(), &c1).run().result();
        Cni::del(&network(), &c1).failpoint(&format!("{place}=kill")).run().was_killed();
        Cni::del(&network(), &c1).run().succeeds();
        nothing_is_left(&c1, place);
    }
}

#[test]
fn the_others_keep_what_they_have() {
    let node = Node::new();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    Cni::add(&network(), &c1).run().result();
    Cni::add(&network(), &c2).failpoint("add.done=kill").run().was_killed();
    Cni::del(&network(), &c2).run().succeeds();
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2"]);
    assert_eq!(kernel::masqueraded("mynet"), ["10.7.0.2"]);
    kernel::reaches(&c1, "10.7.0.1".parse().unwrap());
}

/// Moments that no failpoint names: inside the store's commit, between two netlink messages.
#[test]
fn at_moments_spread_over_the_whole_call() {
    let node = Node::new();
    let took = |call: &Cni| {
        let start = Instant::now();
        call.start().end();
        start.elapsed()
    };
    let measured = node.container("measured");
    let add = took(&Cni::add(&network(), &measured));
    let del = took(&Cni::del(&network(), &measured));
    for step in 0..MOMENTS {
        let c1 = node.container(&format!("c{step}"));
        kill_after(&Cni::add(&network(), &c1), add * step / MOMENTS);
        Cni::del(&network(), &c1).run().succeeds();
        nothing_is_left(&c1, "in ADD");
        Cni::add(&network(), &c1).run().result();
        kill_after(&Cni::del(&network(), &c1), del * step / MOMENTS);
        Cni::del(&network(), &c1).run().succeeds();
        nothing_is_left(&c1, "in DEL");
    }
}

const MOMENTS: u32 = 24;

fn kill_after(call: &Cni, delay: Duration) {
    let start = Instant::now();
    let mut running = call.start();
    while start.elapsed() < delay {
        std::hint::spin_loop();
    }
    running.kill();
    running.end();
}
