//! GC while ADDs are under way. The runtime promises not to do that; if it does, no address is in use without a record.

use std::time::{Duration, Instant};

use gingham_net::netns::NetNs;
use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::{self, ctl};
use gingham_tests::kernel;
use gingham_tests::networks::{bridged_with, with};
use gingham_tests::node::{Container, Node};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::{Value, json};

fn network() -> Value {
    bridged_with(json!({"ipMasq": true, "ipam": {"cooldown": "0"}}))
}

/// Waits until the process waits for a lock, or until it has ended.
fn await_lock_or_end(id: u32) {
    let waits = || {
        let process = format!(" {id} ");
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("->") && line.contains(&process))
    };
    let has_ended = || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_raw(id.cast_signed()).unwrap()), options).unwrap().is_some()
    };
    let deadline = Instant::now() + Duration::from_mins(1);
    while !waits() && !has_ended() {
        assert!(Instant::now() < deadline, "GC neither waits nor ends");
        std::thread::yield_now();
    }
}

/// A lease and a link, or neither.
fn is_whole(container: &Container) {
    let leased = kernel::leases("mynet").iter().any(|lease| lease.starts_with(&format!("{} ", container.id)));
    let linked = !container.inside(kernel::links).is_empty();
    assert_eq!(leased, linked, "{}: leased or linked, but not both", container.id);
}

#[test]
fn an_address_about_to_be_used_is_not_freed() {
    let node = Node::new();
    for place in ["add.allocated", "add.bridge", "add.veth", "add.configured"] {
        let c1 = node.container(&format!("c-{place}"));
        let add = Cni::add(&network(), &c1).failpoint(&format!("{place}=stop")).start();
        add.await_halt();
        let gc = Cni::gc(&network(), &[]).start();
        await_lock_or_end(gc.id());
        add.go_on();
        add.end().result();
        gc.end().succeeds();
        is_whole(&c1);
        assert_eq!(kernel::traces("mynet", "cni0"), [""; 0], "{place}: the list did not name it, so it is gone");
    }
}

/// `ginghamctl gc` judges by namespaces, and one that has lost its name during an ADD is still in the ADD's hands.
#[test]
fn nor_by_the_tool_when_the_container_vanishes() {
    let node = Node::new();
    let network = with(network(), json!({"macspoofchk": true}));
    for place in ["add.allocated", "add.bridge", "add.veth", "add.configured"] {
        let c1 = node.container(&format!("c-{place}"));
        let lives_on = NetNs::open(&c1.netns).unwrap();
        let add = Cni::add(&network, &c1).failpoint(&format!("{place}=stop")).start();
        add.await_halt();
        c1.vanish();
        let gc = ctl::start(&["gc"]);
        await_lock_or_end(gc.id());
        let leases = kernel::leases("mynet");
        assert_eq!(leases.len(), 1, "{place}: the lease of an ADD under way is freed");
        add.go_on();
        let told = address(&add.end().result());
        let said = gc.end().done();
        assert!(said.starts_with("freed 0 of 1 attachment\n") && said.contains("is still here"), "{place}: {said}");
        assert_eq!(kernel::leases("mynet"), leases, "{place}");
        assert_eq!(lives_on.enter(|| kernel::addresses("eth0")).unwrap(), [format!("{told}/24")], "{place}");
        assert_eq!(kernel::guarded("mynet").len(), 1, "{place}");
        drop(lives_on);
        let said = ctl(&["gc"]).done();
        assert!(said.starts_with("freed 1 of 1 attachment\n"), "{place}: {said}");
        assert_eq!((kernel::leases("mynet").len(), kernel::guarded("mynet").len()), (0, 0), "{place}");
    }
}

#[test]
fn what_comes_after_gc_has_begun_stays() {
    let node = Node::new();
    let (old, dead, new) = (node.container("old"), node.container("dead"), node.container("new"));
    for container in [&old, &dead] {
        Cni::add(&network(), container).run().result();
    }
    let gc = Cni::gc(&network(), &[("old", "eth0")]).failpoint("gc.begun=stop").start();
    gc.await_halt();
    let told = address(&Cni::add(&network(), &new).run().result());
    // And one that has gone and come again is another one.
    Cni::del(&network(), &dead).run().succeeds();
    Cni::add(&network(), &dead).run().result();
    gc.go_on();
    gc.end().succeeds();
    [&old, &dead, &new].into_iter().for_each(is_whole);
    assert_eq!(kernel::leases("mynet").len(), 3);
    assert_eq!(new.inside(|| kernel::addresses("eth0")), [format!("{told}/24")]);
    kernel::reaches(&new, "10.7.0.1".parse().unwrap());
    assert_eq!(kernel::masqueraded("mynet").len(), 3);
}

#[test]
fn many_gcs_beside_many_adds_and_dels() {
    let node = Node::new();
    let containers: Vec<Container> = (0..24).map(|number| node.container(&format!("c{number}"))).collect();
    for round in 0..4 {
        let stay: Vec<(&str, &str)> = containers.iter().step_by(2).map(|c| (c.id.as_str(), "eth0")).collect();
        let mut calls = Vec::new();
        for (number, container) in containers.iter().enumerate() {
            calls.push(Cni::add(&network(), container).start());
            if number % 4 == round {
                calls.push(Cni::gc(&network(), &stay).start());
            }
        }
        for call in calls {
            let outcome = call.end();
            // Those of an earlier round are still there.
            assert!(outcome.is_success() || outcome.fault().code == 104, "{outcome:?}");
        }
        containers.iter().for_each(is_whole);
        let leases = kernel::leases("mynet");
        let mut holders: Vec<&str> = leases.iter().map(|lease| lease.rsplit(' ').next().unwrap()).collect();
        holders.sort_unstable();
        holders.dedup();
        assert_eq!(holders.len(), leases.len(), "an address has two holders");
    }
    Cni::gc(&network(), &[]).run().succeeds();
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}
