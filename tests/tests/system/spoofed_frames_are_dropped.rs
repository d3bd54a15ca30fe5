//! With `macspoofchk` a container is heard under its own hardware address alone, and the rule for that comes and goes
//! with the container, whatever else is gone.

use gingham_net::link::{self, Change, Which};
use gingham_net::mac_filter;
use gingham_net::netlink::{Route, Socket};
use gingham_tests::cni::Cni;
use gingham_tests::frames::Frames;
use gingham_tests::kernel;
use gingham_tests::networks::{bridged_with, with};
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

fn guarded() -> Value {
    bridged_with(json!({"macspoofchk": true}))
}

fn mac_of(container: &Container) -> gingham_net::Mac {
    container.inside(|| kernel::link("eth0")).unwrap().mac.unwrap()
}

/// What another container and the node hear first when a container sends a spoofed frame and then a rightful one.
fn first_heard(network: &Value) -> [String; 2] {
    let node = Node::new();
    let (liar, witness) = (node.container("c1"), node.container("c2"));
    for container in [&liar, &witness] {
        Cni::add(network, container).run().result();
    }
    let heard = [witness.inside(|| Frames::on("eth0")), Frames::on("cni0")];
    let mouth = liar.inside(|| Frames::on("eth0"));
    mouth.send(mac_of(&witness), "spoofed");
    mouth.send(mac_of(&liar), "rightful");
    heard.map(|ear| ear.receive())
}

#[test]
fn a_spoofed_frame_reaches_neither_container_nor_node_and_a_rightful_one_does() {
    assert_eq!(first_heard(&guarded()), ["rightful", "rightful"]);
}

#[test]
fn without_the_key_both_are_heard() {
    assert_eq!(first_heard(&bridged_with(json!({}))), ["spoofed", "spoofed"], "else the other test proves nothing");
}

#[test]
fn a_network_of_layer_2_is_guarded_too() {
    assert_eq!(first_heard(&with(guarded(), json!({"ipam": null, "isGateway": null}))), ["rightful", "rightful"]);
}

#[test]
fn a_guarded_container_speaks_under_the_address_it_asked_for() {
    let node = Node::new();
    let c1 = node.container("c1");
    let network = with(guarded(), json!({"args": {"cni": {"mac": "c2:00:00:00:00:05"}}}));
    let result = Cni::add(&network, &c1).run().result();
    kernel::reaches(&c1, "10.7.0.1".parse().unwrap());
    Cni::check(&network, &c1, &result).run().succeeds();
}

#[test]
fn check_sees_that_a_guard_is_gone_or_for_another() {
    let node = Node::new();
    let c1 = node.container("c1");
    let result = Cni::add(&guarded(), &c1).run().result();
    Cni::check(&guarded(), &c1, &result).run().succeeds();
    mac_filter::remove(&mut mac_filter::open("mynet").unwrap(), "mynet", |_| true).unwrap();
    let fault = Cni::check(&guarded(), &c1, &result).run().fault();
    assert!(fault.code == 100 && fault.msg.contains("macspoofchk"), "{fault:?}");
    Cni::del(&guarded(), &c1).run().succeeds();
    let result = Cni::add(&guarded(), &c1).run().result();
    c1.inside(|| {
        let change = Change { mac: Some("c2:00:00:00:00:09".parse().unwrap()), ..Change::default() };
        link::change(&mut Socket::<Route>::open().unwrap(), Which::Name("eth0"), &change).unwrap();
    });
    let fault = Cni::check(&guarded(), &c1, &result).run().fault();
    assert!(format!("{fault:?}").contains("macspoofchk"), "{fault:?}");
}

/// What is done to a DEL and its container before it runs.
type Preparation = fn(Cni, &Container) -> Cni;

#[test]
fn del_takes_the_guard_away_however_little_is_left() {
    let node = Node::new();
    let deletions: [(&str, Preparation); 3] = [
        ("with the namespace", |del, _| del),
        ("without CNI_NETNS", |del, _| del.without_netns()),
        ("after the namespace has gone", |del, container| {
            container.vanish();
            del
        }),
    ];
    for (number, (case, prepare)) in deletions.into_iter().enumerate() {
        let (c1, c2) = (node.container(&format!("c{number}")), node.container(&format!("other{number}")));
        for container in [&c1, &c2] {
            Cni::add(&guarded(), container).run().result();
        }
        assert_eq!(kernel::guarded("mynet").len(), 2, "{case}");
        prepare(Cni::del(&guarded(), &c1), &c1).run().succeeds();
        assert_eq!(kernel::guarded("mynet").len(), 1, "{case}: the other's stays");
        Cni::del(&guarded(), &c2).run().succeeds();
        assert_eq!(kernel::traces("mynet", "cni0"), [""; 0], "{case}");
    }
}

#[test]
fn gc_takes_guards_of_the_dead_away_and_no_others() {
    let node = Node::new();
    let other = with(guarded(), json!({"name": "another", "bridge": "cni1", "ipam": {"subnet": "10.8.0.0/24"}}));
    let containers = ["c1", "c2"].map(|id| node.container(id));
    for container in &containers {
        Cni::add(&guarded(), container).run().result();
        Cni::add(&other, container).interface("eth1").run().result();
    }
    containers[0].vanish();
    Cni::gc(&guarded(), &[("c2", "eth0")]).run().succeeds();
    assert_eq!((kernel::guarded("mynet").len(), kernel::guarded("another").len()), (1, 2));
    // The record is lost, the link went with its container: the guard is all that is left.
    containers[1].vanish();
    std::fs::remove_dir_all(gingham_tests::node::DATA).unwrap();
    Cni::gc(&guarded(), &[]).run().succeeds();
    assert_eq!(kernel::guarded("mynet"), [""; 0]);
    assert_eq!(kernel::guarded("another").len(), 2);
}

#[test]
fn errors_and_kills_at_every_place_leave_no_guard() {
    let node = Node::new();
    let network = with(guarded(), json!({"ipMasq": true, "ipam": {"cooldown": "0"}}));
    for place in ["add.veth", "add.plugged", "add.gateway", "add.configured", "add.done"] {
        let c1 = node.container(&format!("error-{place}"));
        Cni::add(&network, &c1).failpoint(&format!("{place}=error")).run().fault();
        assert_eq!(kernel::traces("mynet", "cni0"), [""; 0], "after an error at {place}");
        let c2 = node.container(&format!("kill-{place}"));
        Cni::add(&network, &c2).failpoint(&format!("{place}=kill")).run().was_killed();
        Cni::del(&network, &c2).run().succeeds();
        assert_eq!(kernel::traces("mynet", "cni0"), [""; 0], "after a kill at {place}");
    }
    let c3 = node.container("c3");
    Cni::add(&network, &c3).run().result();
    Cni::del(&network, &c3).failpoint("del.unlinked=kill").run().was_killed();
    assert_eq!(kernel::guarded("mynet").len(), 1, "else the place is no longer before the guard's removal");
    Cni::del(&network, &c3).run().succeeds();
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}
