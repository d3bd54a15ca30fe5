//! Containers on nodes with a router between them reach each other through a vxlan device, with their own addresses.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod testbed;

use gingham_net::link::{self, Change, Which};
use gingham_net::node_routes::{self, Changes, Device, Mode, NodeRoutesError, Vxlan, Wanted};
use gingham_net::{bridge, sysctl};
use testbed::nodes::{NETWORK, Node, RANGES, Router, converse, udp_of};
use testbed::{net, source_seen};

const DEVICE: &str = "ggv-mynet";

/// Three nodes, each on a network of its own, each with a container. `underlay`: 0 for IPv4, 1 for IPv6.
fn three_nodes(underlay: usize) -> (Router, Vec<Node>) {
    let router = Router::new();
    let mut nodes: Vec<_> = (0..3)
        .map(|number| {
            let addresses = [format!("198.51.{number}.2/24"), format!("2001:db8:{number}::2/64")];
            let gateways = [format!("198.51.{number}.1/24"), format!("2001:db8:{number}::1/64")];
            let addresses = addresses.each_ref().map(String::as_str);
            let node = Node::new(number, &addresses);
            router.connect(number, &node, &gateways.each_ref().map(String::as_str), &addresses);
            node
        })
        .collect();
    for node in &mut nodes {
        let mode = node.vxlan(underlay);
        node.start(Some(node_routes::container_mtu(&mode, 1500)));
    }
    (router, nodes)
}

fn reconcile_all(nodes: &[Node], underlay: usize) {
    for node in nodes {
        let report = node.reconcile(&node.wanted(node.vxlan(underlay), nodes));
        assert_eq!(
            (report.device, report.routes.added, report.neighbours.added),
            (Device::Created, 4, neighbours(underlay))
        );
    }
}

/// For two nodes: a forwarding entry each, and the next hop's neighbour. Over IPv4 that is the node's address for IPv4
/// routes and a link-local one for IPv6's; over IPv6 both go to the same.
fn neighbours(underlay: usize) -> usize {
    if underlay == 0 { 6 } else { 4 }
}

fn all_converse(nodes: &[Node]) {
    for from in nodes {
        nodes.iter().filter(|to| to.number != from.number).for_each(|to| converse(from, to));
    }
}

#[test]
fn containers_reach_each_other_with_their_own_addresses() {
    let (_router, nodes) = three_nodes(0);
    reconcile_all(&nodes, 0);
    all_converse(&nodes);
    // The node itself reaches containers elsewhere with its address in the range, so that the answer comes back.
    let seen = source_seen(&udp_of(&nodes[0], true), &nodes[1].pod().udp("10.33.0.2"));
    assert_eq!(seen, nodes[0].v4(1));
    let seen = source_seen(&udp_of(&nodes[0], false), &nodes[1].pod().udp("fd00:10::1:2"));
    assert_eq!(seen, nodes[0].v6(1));
}

#[test]
fn over_ipv6_too() {
    let (_router, nodes) = three_nodes(1);
    reconcile_all(&nodes, 1);
    all_converse(&nodes);
    let mtu = nodes[0].inside(|kernel| link::by_name(kernel, DEVICE).unwrap().unwrap().mtu);
    assert_eq!(mtu, 1430);
}

/// The largest packet that the device takes arrives in one piece.
#[test]
fn nothing_is_fragmented() {
    let (_router, nodes) = three_nodes(0);
    reconcile_all(&nodes, 0);
    let (from, to) = (nodes[0].pod().udp("10.32.0.2"), nodes[1].pod().udp("10.33.0.2"));
    let device = nodes[0].inside(|kernel| link::by_name(kernel, DEVICE).unwrap().unwrap());
    assert_eq!(device.mtu, 1450);
    let mtu = device.mtu as usize;
    // Without the headers of IP and UDP.
    let payload = vec![7; mtu - 28];
    from.send_to(&payload, to.local_addr().unwrap()).unwrap();
    let mut buffer = vec![0; 2000];
    assert_eq!(to.recv_from(&mut buffer).unwrap().0, payload.len());
    let reassembled = sysctl_snmp(&nodes[1], "ReasmReqds");
    assert_eq!(reassembled, 0);
}

/// A counter of the node's IP layer.
fn sysctl_snmp(node: &Node, name: &str) -> u64 {
    node.inside(|_| {
        let text = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Ip: "));
        let column = lines.next().unwrap().split(' ').position(|column| column == name).unwrap();
        lines.next().unwrap().split(' ').nth(column).unwrap().parse().unwrap()
    })
}

#[test]
fn once_more_changes_nothing() {
    let (_router, nodes) = three_nodes(0);
    reconcile_all(&nodes, 0);
    let node = &nodes[0];
    let wanted = node.wanted(node.vxlan(0), &nodes);
    let news = node.news_of(|| {
        let report = node.reconcile(&wanted);
        assert!(report.is_unchanged(), "{report:?}");
        assert_eq!((report.device, report.routes.unchanged, report.neighbours.unchanged), (Device::Unchanged, 4, 6));
    });
    assert!(!news, "the kernel tells of changes");
}

/// The other nodes need no update: the Ethernet address stays the same.
#[test]
fn a_device_made_anew_has_its_address_again() {
    let (_router, nodes) = three_nodes(0);
    reconcile_all(&nodes, 0);
    let node = &nodes[1];
    let look = || node.inside(|kernel| link::by_name(kernel, DEVICE).unwrap().unwrap());
    let before = look();
    node.inside(|kernel| assert!(link::delete(kernel, Which::Name(DEVICE)).unwrap()));
    let mut wanted = node.wanted(node.vxlan(0), &nodes);
    assert_eq!(node.reconcile(&wanted).device, Device::Created);
    assert_eq!(
        (look().mac, look().mtu, look().alias),
        (before.mac, before.mtu, Some("gingham mynet vxlan".to_owned()))
    );
    assert_ne!(look().index, before.index);
    all_converse(&nodes);

    // Somebody changed it: it is set right, and is the same device.
    node.inside(|kernel| {
        let change = Change {
            mtu: Some(1300),
            mac: Some("02:00:00:00:00:07".parse().unwrap()),
            up: Some(false),
            ..Change::default()
        };
        link::change(kernel, Which::Name(DEVICE), &change).unwrap();
    });
    let index = look().index;
    assert_eq!(node.reconcile(&wanted).device, Device::Adjusted);
    assert_eq!((look().mac, look().mtu, look().up, look().index), (before.mac, before.mtu, true, index));
    all_converse(&nodes);

    // Another port cannot be set: it is made anew, with all that belongs to it.
    let Mode::Vxlan(settings) = wanted.mode else { panic!() };
    wanted.mode = Mode::Vxlan(Vxlan { port: 8472, ..settings });
    let report = node.reconcile(&wanted);
    assert_eq!((report.device, report.routes.added, report.neighbours.added), (Device::Recreated, 4, 6));
    assert_eq!(look().mac, before.mac);
    assert!(node.reconcile(&wanted).is_unchanged());
}

#[test]
fn who_leaves_takes_its_entries_along_and_no_others() {
    let (_router, nodes) = three_nodes(0);
    reconcile_all(&nodes, 0);
    let node = &nodes[0];
    let report = node.reconcile(&node.wanted(node.vxlan(0), &nodes[..2]));
    assert_eq!(report.routes, Changes { unchanged: 2, added: 0, removed: 2 });
    assert_eq!(report.neighbours, Changes { unchanged: 3, added: 0, removed: 3 });
    converse(node, &nodes[1]);

    // A node that comes back with another address: its forwarding entry leads there, its next hop is new.
    let mut wanted = node.wanted(node.vxlan(0), &nodes[..2]);
    wanted.peers[0].addresses = vec!["198.51.9.9".parse().unwrap()];
    let report = node.reconcile(&wanted);
    assert_eq!(report.routes, Changes { unchanged: 1, added: 1, removed: 1 });
    assert_eq!(report.neighbours, Changes { unchanged: 1, added: 2, removed: 1 });
    assert!(node.reconcile(&wanted).is_unchanged());
    node.reconcile(&node.wanted(node.vxlan(0), &nodes[..2]));
    converse(node, &nodes[1]);
}

#[test]
fn one_way_follows_the_other_and_all_of_ours_is_taken_away() {
    let (_router, nodes) = three_nodes(0);
    reconcile_all(&nodes, 0);
    let node = &nodes[0];
    let report = node.try_reconcile(&node.wanted(Mode::Direct, &nodes)).unwrap();
    assert_eq!((report.device, report.problems.len()), (Device::Removed, 4), "behind a router: {:?}", report.problems);
    assert!(node.routes().is_empty());
    node.reconcile(&node.wanted(node.vxlan(0), &nodes));
    converse(node, &nodes[1]);
    node.inside(|kernel| {
        assert!(node_routes::remove(kernel, NETWORK, "br0", &RANGES.map(net)).unwrap());
        assert_eq!(link::by_name(kernel, DEVICE).unwrap(), None);
        assert!(!node_routes::remove(kernel, NETWORK, "br0", &RANGES.map(net)).unwrap());
    });
}

fn error(node: &Node, wanted: &Wanted) -> NodeRoutesError {
    node.try_reconcile(wanted).unwrap_err()
}

#[test]
fn what_stands_in_the_way_is_named() {
    let (_router, nodes) = three_nodes(0);
    let node = &nodes[0];
    let Mode::Vxlan(good) = node.vxlan(0) else { panic!() };
    let with = |settings: Vxlan| node.wanted(Mode::Vxlan(settings), &nodes);

    let wanted = with(Vxlan { local: "198.51.0.77".parse().unwrap(), ..good.clone() });
    let text = error(node, &wanted).to_string();
    assert!(
        text.starts_with("no interface of this node has the node address 198.51.0.77; set cluster.address"),
        "{text}"
    );
    assert!(matches!(error(node, &with(Vxlan { id: 0, ..good.clone() })), NodeRoutesError::BadIdentifier { id: 0 }));
    assert!(matches!(error(node, &with(Vxlan { id: 1 << 24, ..good.clone() })), NodeRoutesError::BadIdentifier { .. }));

    // Another network with the same identifier.
    node.reconcile(&Wanted { network: "other".to_owned(), ranges: vec![], peers: vec![], ..with(good.clone()) });
    let text = error(node, &with(good.clone())).to_string();
    assert!(text.starts_with("another vxlan device of this node uses VNI "), "{text}");
    assert!(text.contains("on UDP port 4789; give network \"mynet\" another vxlan.id or vxlan.port"), "{text}");
    node.inside(|kernel| {
        assert!(link::delete(kernel, Which::Name("ggv-other")).unwrap());
        bridge::ensure(kernel, DEVICE, None, false).unwrap();
    });
    let text = error(node, &with(good.clone())).to_string();
    assert!(text.contains("\"ggv-mynet\" exists but is not the vxlan device of network \"mynet\""), "{text}");
    node.inside(|kernel| {
        assert!(
            !node_routes::remove(kernel, NETWORK, "br0", &[]).unwrap()
                || link::by_name(kernel, DEVICE).unwrap().is_some()
        );
        assert!(link::delete(kernel, Which::Name(DEVICE)).unwrap());
        link::change(kernel, Which::Name("eth0"), &Change { mtu: Some(1300), ..Change::default() }).unwrap();
    });
    let text = error(node, &with(good)).to_string();
    assert!(text.starts_with("the MTU 1300 of \"eth0\" is too small for vxlan: its headers take 50 bytes"), "{text}");
}

#[test]
fn nodes_with_the_same_address_are_named() {
    let (_router, nodes) = three_nodes(0);
    let node = &nodes[0];
    let mut wanted = node.wanted(node.vxlan(0), &nodes);
    let problem = |change: &dyn Fn(&mut Wanted)| {
        let mut wanted = wanted.clone();
        change(&mut wanted);
        let report = node.try_reconcile(&wanted).unwrap();
        assert_eq!(node.routes().len(), 2, "the other node's routes are there");
        report.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let mac = wanted.peers[0].vxlan_mac;
    assert_eq!(
        problem(&|wanted| wanted.peers[1].vxlan_mac = None),
        "node \"node-2\" is registered without a vxlan device; use `routing: vxlan` there, too"
    );
    let text = problem(&|wanted| wanted.peers[1].vxlan_mac = mac);
    assert!(text.starts_with("node \"node-2\" is registered with the vxlan device address "), "{text}");
    assert!(text.ends_with(" of node \"node-1\"; give each node its own"), "{text}");
    let own = node.addresses[0];
    assert_eq!(
        problem(&|wanted| wanted.peers[1].addresses = vec![own]),
        "node \"node-2\" is registered with the address 198.51.0.2 of this node; give each node its own"
    );
    wanted.peers.clear();
    assert!(node.reconcile(&wanted).neighbours.removed > 0);
}

/// A strict filter does not stand in the way of the vxlan device: the way is symmetric.
#[test]
fn a_strict_reverse_path_filter_lets_packets_through() {
    let (_router, nodes) = three_nodes(0);
    for node in &nodes {
        node.inside(|_| sysctl::set("ipv4/conf/all/rp_filter", "1").unwrap());
    }
    reconcile_all(&nodes, 0);
    all_converse(&nodes);
    let wanted = nodes[0].wanted(nodes[0].vxlan(0), &nodes);
    let dropped = nodes[0].inside(|kernel| node_routes::dropped_by_reverse_path_filter(kernel, &wanted).unwrap());
    assert_eq!(dropped, []);
}

/// The plugin and the agent may do it at the same time, also the first time.
#[test]
fn many_may_do_it_at_once() {
    let (_router, nodes) = three_nodes(0);
    let node = &nodes[0];
    let wanted = node.wanted(node.vxlan(0), &nodes);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| node.reconcile(&wanted))).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    let report = node.reconcile(&wanted);
    assert!(report.is_unchanged(), "{report:?}");
    assert_eq!((report.routes.unchanged, report.neighbours.unchanged), (4, 6));
}
