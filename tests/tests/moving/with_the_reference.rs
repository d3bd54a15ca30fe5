//! With the programs of Debian's package `containernetworking-plugins`.

use std::path::Path;

use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use gingham_tests::kernel;
use gingham_tests::networks::with;
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

/// Where Debian installs them.
const REFERENCE: &str = "/usr/lib/cni";
const THEIR_LEASES: &str = "/var/lib/cni/networks/mynet";

/// Whether they are installed. Where they are not, the run ends by saying which tests wanted them.
fn are_installed() -> bool {
    skipped_tests::has(&format!("{REFERENCE}/bridge"), "containernetworking-plugins")
        && skipped_tests::has("/usr/sbin/iptables", "iptables")
}

/// What the node was configured with.
fn theirs() -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "mynet", "type": "bridge", "bridge": "ref0", "isGateway": true, "ipMasq": true,
        "ipam": {"type": "host-local", "subnet": "10.7.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]},
    })
}

/// The word that changes.
fn ours(theirs: &Value) -> Value {
    with(theirs.clone(), json!({"type": "gingham"}))
}

/// A call of the reference, which finds its own `host-local` and nothing of ours.
fn reference(call: Cni, program: &str) -> Cni {
    call.program(program).directory(REFERENCE).variable("CNI_PATH", REFERENCE)
}

fn see_each_other(one: (&Container, &str), other: (&Container, &str)) {
    for ((to, address), (from, seen)) in [(one, other), (other, one)] {
        assert_eq!(kernel::seen_by(to, address.parse().unwrap(), from).to_string(), seen);
    }
}

/// The reference lets the first two in, we the third, and then the reference ends the first.
fn three_of_whom_the_reference_ended_one(node: &Node) -> [Container; 3] {
    let (theirs, ours) = (theirs(), ours(&theirs()));
    let containers = ["c1", "c2", "c3"].map(|id| node.container(id));
    for container in &containers[..2] {
        reference(Cni::add(&theirs, container), "bridge").run().result();
    }
    Cni::add(&ours, &containers[2]).run().result();
    reference(Cni::del(&theirs, &containers[0]), "bridge").run().succeeds();
    containers
}

#[test]
fn one_word_changes_and_no_container_notices() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    let (theirs, ours) = (theirs(), ours(&theirs()));
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|id| node.container(id));
    let first = reference(Cni::add(&theirs, &c1), "bridge").run().result();
    reference(Cni::add(&theirs, &c2), "bridge").run().result();
    assert_eq!(address(&first), "10.7.0.2");

    // The first use of all: a question about an old container.
    Cni::check(&ours, &c1, &first).run().succeeds();
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2", "c2 eth0 10.7.0.3"]);
    let third = Cni::add(&ours, &c3).run().result();
    assert_eq!(address(&third), "10.7.0.4", "it goes on where the reference stopped");
    assert_eq!(c1.inside(|| kernel::addresses("eth0")), ["10.7.0.2/24"]);
    see_each_other((&c1, "10.7.0.2"), (&c3, "10.7.0.4"));
    see_each_other((&c2, "10.7.0.3"), (&c3, "10.7.0.4"));
    kernel::reaches(&c2, "10.7.0.1".parse().unwrap());
    Cni::check(&ours, &c2, &with(first.clone(), json!({}))).run().fault();
    Cni::check(&ours, &c3, &third).run().succeeds();
    assert_eq!(Cni::add(&ours, &c2).interface("eth0").run().fault().code, 104, "it is attached");

    Cni::del(&ours, &c1).run().succeeds();
    assert_eq!(c1.inside(kernel::links), [""; 0]);
    assert_eq!(kernel::leases("mynet"), ["c2 eth0 10.7.0.3", "c3 eth0 10.7.0.4"]);
    assert!(!Path::new(THEIR_LEASES).join("10.7.0.2").exists(), "their directory names nobody who is gone");
    assert!(Path::new(THEIR_LEASES).join("10.7.0.3").exists(), "and still everybody who is there");
    c2.vanish();
    Cni::del(&ours, &c2).without_netns().run().succeeds();
    Cni::del(&ours, &c3).run().succeeds();
    assert_eq!(kernel::leases("mynet"), [""; 0]);
    assert_eq!(kernel::masqueraded("mynet"), [""; 0]);
}

#[test]
fn a_link_named_host_local_under_the_reference_bridge_takes_over() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    // As the reference's own default, spelled out: from now on it is our data directory, too.
    let network = with(theirs(), json!({"ipam": {"dataDir": "/var/lib/cni/networks"}}));
    let [c1, c2] = ["c1", "c2"].map(|id| node.container(id));
    reference(Cni::add(&network, &c1), "bridge").run().result();
    let linked = |call: Cni| call.program("bridge").directory(REFERENCE);
    assert_eq!(address(&linked(Cni::add(&network, &c2)).run().result()), "10.7.0.3");
    see_each_other((&c1, "10.7.0.2"), (&c2, "10.7.0.3"));
    linked(Cni::del(&network, &c1)).run().succeeds();
    let leases = kernel::leases_in(Path::new("/var/lib/cni/networks"), "mynet");
    assert_eq!(leases, ["c2 eth0 10.7.0.3"]);
    assert_eq!(c1.inside(kernel::links), [""; 0]);
}

#[test]
fn there_and_back_and_there_again() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    // DEL of the reference 1.1.1 fails for containers whose iptables rules are missing, whoever removed or never made
    // them; the lease and the link are gone all the same.
    let theirs = with(theirs(), json!({"ipMasq": false}));
    let ours = ours(&theirs);
    let [c1, c2, c3, c4] = ["c1", "c2", "c3", "c4"].map(|id| node.container(id));
    reference(Cni::add(&theirs, &c1), "bridge").run().result();
    Cni::add(&ours, &c2).run().result();

    let said = ctl(&["export", "host-local", "--network", "mynet"]).done();
    assert_eq!(said, format!("mynet: 1 lease exported to {THEIR_LEASES}, 1 exported before\n"));
    assert_eq!(kernel::leases("mynet"), [""; 0]);
    let third = reference(Cni::add(&theirs, &c3), "bridge").run().result();
    assert_eq!(address(&third), "10.7.0.4", "the reference goes on where we stopped");
    see_each_other((&c2, "10.7.0.3"), (&c3, "10.7.0.4"));
    reference(Cni::del(&theirs, &c2), "bridge").run().succeeds();
    assert!(!Path::new(THEIR_LEASES).join("10.7.0.3").exists(), "the reference ends what we began");

    assert_eq!(address(&Cni::add(&ours, &c4).run().result()), "10.7.0.5");
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2", "c3 eth0 10.7.0.4", "c4 eth0 10.7.0.5"]);
    see_each_other((&c1, "10.7.0.2"), (&c4, "10.7.0.5"));
}

/// A runtime that keeps the configuration of old containers lets the reference end them.
#[test]
fn what_the_reference_frees_later_is_found_by_gc() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    let _containers = three_of_whom_the_reference_ended_one(&node);
    let said = ctl(&["gc"]).done();
    assert!(
        said.starts_with("freed 1 of 3 attachments\n") && said.contains("the reference host-local freed it"),
        "{said}"
    );
    assert_eq!(kernel::leases("mynet"), ["c2 eth0 10.7.0.3", "c3 eth0 10.7.0.4"]);
}

/// podman takes a container from its network by the configuration of the day when it joined.
#[test]
fn the_reference_takes_away_whom_it_let_in() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    let (theirs, ours) = (theirs(), ours(&theirs()));
    let [c1, c2, c3] = three_of_whom_the_reference_ended_one(&node);
    let again = Cni::add(&ours, &c1).run().result();
    assert_eq!(address(&again), "10.7.0.5", "its address rests");
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.5", "c2 eth0 10.7.0.3", "c3 eth0 10.7.0.4"]);
    reference(Cni::del(&theirs, &c2), "bridge").run().succeeds();
    for container in [&c1, &c3] {
        Cni::del(&ours, container).run().succeeds();
    }
    assert_eq!(kernel::leases("mynet"), [""; 0]);
    assert_eq!(kernel::masqueraded("mynet"), [""; 0]);
}

#[test]
fn a_cleared_directory_ends_no_lease() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    let (theirs, ours) = (theirs(), ours(&theirs()));
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|id| node.container(id));
    reference(Cni::add(&theirs, &c1), "bridge").run().result();
    Cni::add(&ours, &c2).run().result();
    for entry in std::fs::read_dir(THEIR_LEASES).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    Cni::del(&ours, &c2).run().succeeds();
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2"]);
    std::fs::remove_dir_all(THEIR_LEASES).unwrap();
    Cni::add(&ours, &c3).run().result();
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2", "c3 eth0 10.7.0.4"]);
}
