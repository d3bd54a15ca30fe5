//! Containers on nodes that are on one link reach each other by routes, with their own addresses.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod testbed;

use std::io::ErrorKind;
use std::net::{IpAddr, TcpStream};

use gingham_net::link::{Change, Which};
use gingham_net::node_routes::{self, Changes, Mode, PeerProblem, Wanted};
use gingham_net::route::{self, Route};
use gingham_net::{bridge, link, sysctl};
use testbed::nodes::{Node, RANGES, Switch, converse, udp_of};
use testbed::{net, source_seen};

/// Three nodes on a switch, each with a container.
fn three_nodes() -> (Switch, Vec<Node>) {
    let switch = Switch::new();
    let mut nodes: Vec<_> = (0..3).map(|number| node(&switch, number)).collect();
    for node in &mut nodes {
        node.start(None);
    }
    (switch, nodes)
}

fn node(switch: &Switch, number: u8) -> Node {
    let addresses = [format!("192.0.2.{}/24", number + 1), format!("2001:db8::{}/64", number + 1)];
    let addresses = addresses.each_ref().map(String::as_str);
    let node = Node::new(number, &addresses);
    switch.plug(number, &node, &addresses);
    node
}

fn reconcile_all(nodes: &[Node]) {
    for node in nodes {
        let report = node.reconcile(&node.wanted(Mode::Direct, nodes));
        assert_eq!(report.routes.unchanged + report.routes.added, (nodes.len() - 1) * 2);
    }
}

#[test]
fn containers_reach_each_other_with_their_own_addresses() {
    let (_switch, nodes) = three_nodes();
    reconcile_all(&nodes);
    for from in &nodes {
        nodes.iter().filter(|to| to.number != from.number).for_each(|to| converse(from, to));
    }
    // The node itself reaches containers elsewhere as well.
    let [v4, v6] = [(true, nodes[1].v4(2)), (false, nodes[1].v6(2))]
        .map(|(v4, pod)| source_seen(&udp_of(&nodes[0], v4), &nodes[1].pod().udp(&pod.to_string())));
    assert_eq!((v4, v6), (nodes[0].v4(1), nodes[0].v6(1)));
}

/// Also of IPv6, where containers of one node speak through the node.
#[test]
fn containers_of_one_node_reach_each_other() {
    let (_switch, nodes) = three_nodes();
    reconcile_all(&nodes);
    let node = &nodes[0];
    let [range4, range6] = RANGES.map(net);
    let networks = [
        node_routes::container_network(node.v4(3), range4, node.v4(1)),
        node_routes::container_network(node.v6(3), range6, node.v6(1)),
    ];
    let addresses = networks.each_ref().map(|(address, _)| address.to_string());
    let routes: Vec<Route> = networks.iter().flat_map(|(_, routes)| routes.iter().copied()).collect();
    let second = node.inside(|kernel| {
        let bridge = bridge::ensure(kernel, "br0", None, false).unwrap();
        testbed::Container::join(kernel, &bridge, 2, &addresses.each_ref().map(String::as_str), &routes)
    });
    for (one, other) in [(node.v4(2), node.v4(3)), (node.v6(2), node.v6(3))] {
        assert_eq!(source_seen(&node.pod().udp(&one.to_string()), &second.udp(&other.to_string())), one);
    }
}

/// The bridge answers for what is routed elsewhere, and for nothing else.
#[test]
fn addresses_that_no_node_holds_stay_unanswered() {
    let (_switch, nodes) = three_nodes();
    reconcile_all(&nodes);
    converse(&nodes[0], &nodes[1]);
    let pod = nodes[0].pod();
    let (error, neighbours) = pod.inside(|kernel| {
        // The kernel tells its own sockets over it that a neighbour does not answer.
        link::change(kernel, Which::Name("lo"), &Change { up: Some(true), ..Change::default() }).unwrap();
        sysctl::set("ipv4/neigh/eth0/retrans_time_ms", "50").unwrap();
        let unclaimed = "10.44.5.9:9".parse().unwrap();
        let error = TcpStream::connect_timeout(&unclaimed, testbed::PATIENCE).unwrap_err();
        (error, std::fs::read_to_string("/proc/thread-self/net/arp").unwrap())
    });
    assert_eq!(error.kind(), ErrorKind::HostUnreachable, "{error} {neighbours}");
    let mac = nodes[0].inside(|kernel| link::by_name(kernel, "br0").unwrap().unwrap().mac.unwrap().to_string());
    let known = |address: &str| {
        let line = neighbours.lines().find(|line| line.split_whitespace().next() == Some(address));
        line.is_some_and(|line| line.split_whitespace().nth(3) == Some(&mac))
    };
    assert_eq!((known("10.33.0.2"), known("10.44.5.9")), (true, false), "{neighbours}");
}

#[test]
fn who_leaves_takes_its_routes_along_and_no_others() {
    let (_switch, nodes) = three_nodes();
    let node = &nodes[0];
    let foreign = Route { gateway: Some("192.0.2.9".parse().unwrap()), ..Route::to(net("10.34.0.0/24")) };
    let elsewhere = Route { gateway: Some("192.0.2.9".parse().unwrap()), ..Route::to(net("10.33.0.0/25")) };
    let before = node.inside(|kernel| {
        let uplink = link::by_name(kernel, "eth0").unwrap().unwrap().index;
        for it in [foreign, elsewhere] {
            route::add(kernel, uplink, &it).unwrap();
        }
        route::list(kernel, uplink).unwrap()
    });

    let wanted = node.wanted(Mode::Direct, &nodes);
    let report = node.try_reconcile(&wanted).unwrap();
    let [conflict] = &report.conflicts[..] else { panic!("{report:?}") };
    let text = conflict.to_string();
    assert!(text.starts_with("10.34.0.0/24 belongs to node \"node-2\", but another route to it exists via 192.0.2.9"));
    assert_eq!(
        node.routes(),
        ["10.33.0.0/24 via 192.0.2.2", "fd00:10::1:0/112 via 2001:db8::2", "fd00:10::2:0/112 via 2001:db8::3"]
    );

    let without = node.wanted(Mode::Direct, &nodes[..2]);
    assert_eq!(node.reconcile(&without).routes, Changes { unchanged: 2, added: 0, removed: 1 });
    let alone = node.wanted(Mode::Direct, &[]);
    assert_eq!(node.reconcile(&alone).routes, Changes { unchanged: 0, added: 0, removed: 2 });
    node.inside(|kernel| {
        let uplink = link::by_name(kernel, "eth0").unwrap().unwrap().index;
        assert_eq!(route::list(kernel, uplink).unwrap(), before);
    });
}

#[test]
fn once_more_changes_nothing() {
    let (_switch, nodes) = three_nodes();
    let node = &nodes[0];
    let wanted = node.wanted(Mode::Direct, &nodes);
    assert_eq!(node.reconcile(&wanted).routes, Changes { unchanged: 0, added: 4, removed: 0 });
    let news = node.news_of(|| {
        let report = node.reconcile(&wanted);
        assert!(report.is_unchanged(), "{report:?}");
        assert_eq!(report.routes.unchanged, 4);
    });
    assert!(!news, "the kernel tells of changes");
}

/// Blocks that change their owner, and an owner that changes its address.
#[test]
fn routes_follow_the_blocks() {
    let (_switch, nodes) = three_nodes();
    let node = &nodes[0];
    let mut wanted = node.wanted(Mode::Direct, &nodes);
    node.reconcile(&wanted);
    let moved = wanted.peers[1].blocks.clone();
    wanted.peers[0].blocks.extend(moved);
    wanted.peers[1].blocks.clear();
    // 10.33.0.0/24 and 10.34.0.0/24 are no aligned pair, fd00:10::1:0/112 and ::2:0/112 are none either.
    assert_eq!(node.reconcile(&wanted).routes, Changes { unchanged: 2, added: 2, removed: 1 });
    let through = |v4: &str, v6: &str| {
        ["10.33.0.0/24", "10.34.0.0/24"]
            .map(|prefix| format!("{prefix} via {v4}"))
            .into_iter()
            .chain(["fd00:10::1:0/112", "fd00:10::2:0/112"].map(|prefix| format!("{prefix} via {v6}")))
            .collect::<Vec<_>>()
    };
    assert_eq!(node.routes(), through("192.0.2.2", "2001:db8::2"));
    wanted.peers[0].addresses = ["192.0.2.77", "2001:db8::77"].map(|address| address.parse().unwrap()).into();
    node.reconcile(&wanted);
    assert_eq!(node.routes(), through("192.0.2.77", "2001:db8::77"));
    // Two blocks more, which make one prefix of four.
    wanted.peers[0].blocks.extend(["10.32.128.0/18", "10.32.192.0/18"].map(net));
    node.reconcile(&wanted);
    assert!(node.routes().contains(&"10.32.128.0/17 via 192.0.2.77".to_owned()));
}

fn problems(node: &Node, wanted: &Wanted) -> Vec<String> {
    let report = node.try_reconcile(wanted).unwrap();
    report.problems.iter().map(PeerProblem::to_string).collect()
}

#[test]
fn nodes_that_cannot_be_reached_are_named() {
    let (_switch, nodes) = three_nodes();
    let node = &nodes[0];
    node.inside(|kernel| {
        let uplink = link::by_name(kernel, "eth0").unwrap().unwrap().index;
        let far = Route { gateway: Some("192.0.2.9".parse().unwrap()), ..Route::to(net("198.51.100.0/24")) };
        route::add(kernel, uplink, &far).unwrap();
    });
    let mut wanted = node.wanted(Mode::Direct, &nodes);
    wanted.peers[1].blocks.truncate(1);
    let mut with_address = |address: &str| {
        wanted.peers[1].addresses = vec![address.parse().unwrap()];
        let [problem] = &problems(node, &wanted)[..] else { panic!("one problem with {address}") };
        assert_eq!(node.routes().len(), 2, "the other node's routes are there: {problem}");
        problem.clone()
    };
    assert_eq!(
        with_address("198.51.100.7"),
        "node \"node-2\" (198.51.100.7) is not on a link of this node but behind the router 192.0.2.9; use `routing: vxlan`"
    );
    assert_eq!(
        with_address("203.0.113.7"),
        "no route to node \"node-2\" (203.0.113.7); check that the interface that leads to it is up"
    );
    assert_eq!(
        with_address("192.0.2.1"),
        "node \"node-2\" is registered with the address 192.0.2.1, which is an address of this node; correct its cluster.address"
    );
    assert_eq!(
        with_address("10.40.0.1"),
        "node \"node-2\" is registered with the address 10.40.0.1, which is in the cluster's range 10.32.0.0/12; give it an address outside of the range"
    );
    assert_eq!(
        with_address("2001:db8::3"),
        "node \"node-2\" is registered without an IPv4 address, which 10.34.0.0/24 needs; set its cluster.address to one, or use `routing: vxlan`"
    );
    wanted.peers[1] = nodes[2].peer();
    wanted.peers[1].blocks.push(net("10.64.0.0/24"));
    assert_eq!(problems(node, &wanted), ["block 10.64.0.0/24 of node \"node-2\" is outside of the network's range"]);
    assert_eq!(node.routes().len(), 4);
    wanted.peers[1].blocks = wanted.peers[0].blocks.clone();
    assert_eq!(problems(node, &wanted)[0], "block 10.33.0.0/24 of node \"node-2\" is held by node \"node-1\", too");
}

#[test]
fn proxy_arp_is_enabled_on_a_bridge_that_is_created_later() {
    let switch = Switch::new();
    let nodes = [node(&switch, 0), node(&switch, 1)];
    let wanted = nodes[0].wanted(Mode::Direct, &nodes);
    assert!(nodes[0].reconcile(&wanted).bridge_missing);
    nodes[0].inside(|kernel| {
        bridge::ensure(kernel, "br0", None, false).unwrap();
        assert!(node_routes::ensure_proxy_arp(kernel, "br0", &wanted.ranges).unwrap());
        assert_eq!(sysctl::get("ipv4/conf/br0/proxy_arp").unwrap(), "1");
        assert_eq!(sysctl::get("ipv4/neigh/br0/proxy_delay").unwrap(), "0");
    });
    assert!(!nodes[0].reconcile(&wanted).bridge_missing);
}

#[test]
fn all_of_ours_is_taken_away() {
    let (_switch, nodes) = three_nodes();
    let node = &nodes[0];
    node.reconcile(&node.wanted(Mode::Direct, &nodes));
    node.inside(|kernel| {
        let uplink = link::by_name(kernel, "eth0").unwrap().unwrap().index;
        route::add(kernel, uplink, &Route::to(net("10.47.0.0/24"))).unwrap();
        assert!(node_routes::remove(kernel, "mynet", "br0", &RANGES.map(net)).unwrap());
        assert!(!node_routes::remove(kernel, "mynet", "br0", &RANGES.map(net)).unwrap());
        assert_eq!(sysctl::get("ipv4/conf/br0/proxy_arp").unwrap(), "0");
        let left: Vec<_> = route::list(kernel, uplink).unwrap().iter().map(|it| it.destination.to_string()).collect();
        assert!(left.contains(&"10.47.0.0/24".to_owned()) && !left.contains(&"10.33.0.0/24".to_owned()), "{left:?}");
    });
    assert!(node.routes().is_empty());
}

/// A second interface on the nodes' network: what comes in by it goes back by the first.
#[test]
fn a_strict_reverse_path_filter_that_drops_is_reported() {
    let (switch, nodes) = three_nodes();
    let node = &nodes[0];
    let wanted = node.wanted(Mode::Direct, &nodes);
    node.reconcile(&wanted);
    let ask = || node.inside(|kernel| node_routes::dropped_by_reverse_path_filter(kernel, &wanted).unwrap());
    node.inside(|_| sysctl::set("ipv4/conf/all/rp_filter", "1").unwrap());
    assert_eq!(ask(), [], "one link is symmetric");
    switch.plug_as(9, node, "eth1", &["192.0.2.201/24"]);
    let dropped: Vec<_> = ask().iter().map(|problem| (problem.member.clone(), problem.interface.clone())).collect();
    assert_eq!(dropped, [("node-1".to_owned(), "eth1".to_owned()), ("node-2".to_owned(), "eth1".to_owned())]);
    node.inside(|_| sysctl::set("ipv4/conf/eth1/rp_filter", "2").unwrap());
    assert_eq!(ask(), [], "a loose filter lets them in");
}

/// The plugin and the agent may do it at the same time.
#[test]
fn many_may_do_it_at_once() {
    let (_switch, nodes) = three_nodes();
    let node = &nodes[0];
    let mut wanted = node.wanted(Mode::Direct, &nodes);
    for last in [2, 99, 2, 99] {
        // Routes that are new, and then routes that lead elsewhere.
        wanted.peers[0].addresses[0] = IpAddr::from([192, 0, 2, last]);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| node.reconcile(&wanted))).collect();
            for thread in threads {
                thread.join().unwrap();
            }
        });
        assert!(node.reconcile(&wanted).is_unchanged());
        assert_eq!(node.routes().len(), 4);
    }
}
