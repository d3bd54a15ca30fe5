//! Leases of containers that are gone are found wherever they come from, and those of the living are never taken for them.

use std::thread;
use std::time::{Duration, Instant};

use gingham_net::link::{self, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only_with, bridged_with, with};
use gingham_tests::node::Node;
use serde_json::{Value, json};

/// Room for two containers.
fn narrow() -> Value {
    bridged_with(
        json!({"macspoofchk": true, "ipam": {"subnet": "10.7.0.0/29", "rangeStart": "10.7.0.2", "rangeEnd": "10.7.0.3"}}),
    )
}

/// The node is a container itself: its restart takes all namespaces and links, and the kernel's boot goes on.
#[test]
fn after_the_restart_of_a_node_that_is_a_container_all_can_start() {
    let node = Node::new();
    let containers = [node.container("c1"), node.container("c2")];
    for container in &containers {
        Cni::add(&narrow(), container).run().result();
    }
    for container in &containers {
        container.vanish();
    }
    link::delete(&mut Socket::<Route>::open().unwrap(), Which::Name("cni0")).unwrap();
    let again = node.container("c1");
    Cni::add(&narrow(), &again).run().result();
    let new = node.container("new");
    Cni::add(&narrow(), &new).run().result();
    let holders: Vec<String> =
        kernel::leases("mynet").iter().map(|lease| lease.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(holders, ["c1", "new"]);
    assert_eq!(kernel::guarded("mynet").len(), 2);
}

/// The old path leads to a new namespace, perhaps with the old one's inode number.
#[test]
fn another_namespace_at_the_path_is_another_container() {
    let node = Node::new();
    for network in [narrow(), addresses_only_with(json!({}))] {
        let c1 = node.container("c1");
        Cni::add(&network, &c1).run().result();
        c1.vanish();
        let again = node.container("c1");
        let said = ctl(&["leases"]).done();
        assert!(said.contains("container gone: at /run/netns/c1 is the namespace of another"), "{said}");
        Cni::add(&network, &again).run().result();
        assert_eq!(kernel::leases("mynet").len(), 1);
        let fault = Cni::add(&network, &again).run().fault();
        assert_eq!(fault.code, 104, "a second ADD of a living sandbox stays an error: {fault:?}");
        assert!(ctl(&["leases"]).done().contains("in use"));
        Cni::del(&network, &again).run().succeeds();
        again.vanish();
    }
}

#[test]
fn the_living_are_not_freed_for_one_that_finds_no_address() {
    let node = Node::new();
    let (c1, c2, c3) = (node.container("c1"), node.container("c2"), node.container("c3"));
    Cni::add(&narrow(), &c1).run().result();
    let second = address(&Cni::add(&narrow(), &c2).run().result());
    assert_eq!(Cni::add(&narrow(), &c3).run().fault().code, 103);
    c2.vanish();
    assert_eq!(address(&Cni::add(&narrow(), &c3).run().result()), second, "only now one is free");
    assert_eq!(kernel::leases("mynet").len(), 2);
}

/// An address that somebody names is freed for him as well.
/// Its name was taken away, and a process lives on in it.
#[test]
fn a_namespace_without_its_name_lives_as_long_as_a_process_is_in_it() {
    let node = Node::new();
    let named = node.container("named");
    Cni::add(&narrow(), &named).run().result();
    let mut sleeper = named.inside(|| std::process::Command::new("sleep").arg("100").spawn().unwrap());
    let leases = kernel::leases("mynet");
    named.vanish();
    ctl(&["gc"]).done();
    assert_eq!(kernel::leases("mynet"), leases);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    ctl(&["gc"]).done();
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn an_address_asked_for_by_name_is_had_from_the_dead() {
    let node = Node::new();
    let c1 = node.container("c1");
    let first = address(&Cni::add(&narrow(), &c1).run().result());
    c1.vanish();
    let c2 = node.container("c2");
    let add = Cni::add(&narrow(), &c2).args(&format!("IP={first}"));
    assert_eq!(address(&add.run().result()), first);
}

/// The kernel takes links away some time after their namespace; the plugin waits for it, but not as long as a busy machine
/// needs.
fn await_links(count: usize) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while kernel::links().iter().filter(|name| name.starts_with("veth")).count() > count {
        assert!(Instant::now() < deadline, "links stay: {:?}", kernel::links());
        thread::sleep(Duration::from_millis(10));
    }
}

/// containerd 1.6 sends DEL with the configuration of the day.
#[test]
fn a_del_by_the_networks_new_name_frees_what_a_dead_container_has_under_the_old_one() {
    let node = Node::new();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    let old = bridged_with(json!({"name": "old", "macspoofchk": true}));
    Cni::add(&old, &c1).run().result();
    Cni::add(&old, &c2).run().result();
    c2.vanish();
    await_links(1);
    let new = with(old.clone(), json!({"name": "new", "bridge": "cni7"}));
    Cni::del(&new, &c1).run().succeeds();
    Cni::del(&new, &c2).without_netns().run().succeeds();
    assert_eq!(kernel::leases("old"), ["c1 eth0 10.7.0.2"], "the bridge of a dead container does not matter");
    assert_eq!(kernel::guarded("old").len(), 1);
}

/// The living keep what they have until their sandbox is gone; then an ADD that finds no address frees it.
#[test]
fn an_add_under_the_networks_new_name_frees_what_the_dead_have_under_the_old_one() {
    let node = Node::new();
    let (old, new) = (narrow(), with(narrow(), json!({"name": "new"})));
    let elsewhere = with(narrow(), json!({"name": "elsewhere", "bridge": "cni1"}));
    for container in ["c1", "c2"].map(|id| node.container(id)) {
        Cni::add(&old, &container).run().result();
        Cni::del(&new, &container).run().succeeds();
        Cni::add(&elsewhere, &container).interface("eth1").run().result();
        container.vanish();
    }
    await_links(0);
    assert_eq!(kernel::leases("mynet").len(), 2);
    Cni::add(&new, &node.container("c3")).run().result();
    assert_eq!(kernel::leases("mynet"), [""; 0]);
    assert_eq!(kernel::leases("elsewhere").len(), 2, "its addresses are free on this bridge");
}

/// The second ADD fails because the interface is there. The runtime's DEL after it looks like that of a renamed network.
#[test]
fn a_del_after_a_failed_add_in_a_second_network_leaves_the_first_one_connected() {
    let node = Node::new();
    let c1 = node.container("c1");
    let first = bridged_with(json!({"ipMasq": true}));
    Cni::add(&first, &c1).run().result();
    let traces = kernel::traces("mynet", "cni0");
    for bridge in ["cni0", "cni1"] {
        let second = with(first.clone(), json!({"name": "second", "bridge": bridge}));
        let fault = Cni::add(&second, &c1).run().fault();
        assert!(fault.msg.contains("eth0"), "{fault:?}");
        Cni::del(&second, &c1).run().succeeds();
        Cni::del(&second, &c1).without_netns().run().succeeds();
        let mut left = kernel::traces("mynet", "cni0");
        left.retain(|trace| trace != "link cni1");
        assert_eq!(left, traces, "{bridge}");
        kernel::reaches(&c1, "10.7.0.1".parse().unwrap());
    }
}

/// The main plugin makes the interface, so this one cannot know whether it is there.
#[test]
fn a_del_of_a_second_network_leaves_the_addresses_of_the_first_one() {
    let node = Node::new();
    let c1 = node.container("c1");
    let first = addresses_only_with(json!({"master": "ens3"}));
    Cni::add(&first, &c1).run().result();
    Cni::del(&with(first, json!({"name": "second"})), &c1).run().succeeds();
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2"]);
}

/// An interface that left one network and joined another is not the first one's to end.
#[test]
fn a_late_del_takes_nothing_from_another_network() {
    let node = Node::new();
    let c1 = node.container("c1");
    let other = bridged_with(json!({"name": "other", "bridge": "cni1", "ipam": {"subnet": "10.8.0.0/24"}}));
    Cni::add(&other, &c1).run().result();
    Cni::del(&bridged_with(json!({})), &c1).run().succeeds();
    assert_eq!(kernel::leases("other"), ["c1 eth0 10.8.0.2"]);
}

/// Without a list a runtime has named nothing as stale.
#[test]
fn gc_without_a_list_keeps_the_living() {
    let node = Node::new();
    for (number, list) in [None, Some(Value::Null)].into_iter().enumerate() {
        let (alive, dead) = (node.container(&format!("alive{number}")), node.container(&format!("dead{number}")));
        let network = bridged_with(json!({"name": format!("n{number}"), "bridge": format!("cni{number}")}));
        Cni::add(&network, &alive).run().result();
        Cni::add(&network, &dead).run().result();
        dead.vanish();
        let mut asked = network.clone();
        if let Some(list) = list {
            asked["cni.dev/valid-attachments"] = list;
        }
        Cni::of("GC", &asked).run().succeeds();
        assert_eq!(kernel::leases(&format!("n{number}")), [format!("alive{number} eth0 10.7.0.2")]);
        assert!(!alive.inside(kernel::links).is_empty());
        Cni::gc(&network, &[]).run().succeeds();
        assert_eq!(kernel::leases(&format!("n{number}")), [""; 0], "an empty list is the runtime's word");
    }
}

/// `gc` frees the dead of networks that no configuration names any more.
#[test]
fn the_tool_frees_all_of_them() {
    let node = Node::new();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    Cni::add(&bridged_with(json!({"name": "one"})), &c1).run().result();
    Cni::add(&addresses_only_with(json!({"name": "two", "ipam": {"subnet": "10.8.0.0/24"}})), &c2).run().result();
    c1.vanish();
    c2.vanish();
    let _same_path = node.container("c2");
    assert!(ctl(&["gc"]).done().starts_with("freed 2 of 2 attachments"));
}
