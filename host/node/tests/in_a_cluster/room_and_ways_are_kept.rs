//! Claimed addresses are ready before anybody asks, what is not needed goes back, and the ways to the others follow.

use serde_json::json;

use crate::testbed::Testbed;
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;

#[test]
fn nodes_have_room_and_routes_before_the_first_container() {
    let testbed = Testbed::new(2);
    let (first, second) = (testbed.network(1, json!({})), testbed.network(2, json!({})));
    let mut one = testbed.companion(1, &first, &[]);
    let mut other = testbed.companion(2, &second, &[]);
    for companion in [&mut one, &mut other] {
        companion.until("gingham_members", |members| members == 2);
        assert!(companion.until("gingham_addresses,state=\"free\"", |free| free >= 64) < 512);
        companion.until("gingham_routes", |routes| routes == 1);
        companion.until("gingham_kept", |kept| kept == 1);
    }
    let route = testbed.routes(1)[0];
    assert_eq!(route.gateway, Some(testbed.nodes.node(2).address));
    let (_, result) = testbed.add(2, &second, "pod");
    let address = result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap().parse().unwrap();
    assert!(route.destination.contains(&std::net::IpAddr::V4(address)), "{route:?} {address}");
    // The node's own, as the gateway, and the container's.
    other.until("gingham_addresses,state=\"used\"", |used| used == 2);
    assert_eq!((other.metric("gingham_blocks"), other.metric("gingham_store_errors_total")), (Some(1), Some(0)));
    other.until("gingham_claims_total", |claims| claims == 1);
    assert!(one.ask("/healthz").ends_with("\r\n\r\nnet: kept\n"), "{}", one.ask("/healthz"));
}

#[test]
fn blocks_that_stay_idle_go_back_and_their_routes_go() {
    let testbed = Testbed::new(2);
    let needs_much = testbed.network(1, json!({"ipam": {"cluster": {"lowWater": 600}}}));
    let mut other = testbed.companion(2, &testbed.network(2, json!({})), &[]);
    let mut one = testbed.companion(1, &needs_much, &[]);
    one.until("gingham_blocks", |blocks| blocks == 3);
    let routed = |routes: &[gingham_net::node_routes::NodeRoute]| -> usize {
        routes.iter().map(|route| 1 << (24 - route.destination.prefix_len())).sum()
    };
    testbed.until_routes(2, |routes| routed(routes) == 3);
    one.end(Signal::TERM);

    let needs_little = testbed.network(1, json!({}));
    let mut one = testbed.companion(1, &needs_little, &["--looks-apart", "3600"]);
    one.rounds(2);
    assert_eq!((one.metric("gingham_blocks"), one.metric("gingham_releases_total")), (Some(3), Some(0)));
    one.end(Signal::TERM);
    let mut one = testbed.companion(1, &needs_little, &["--looks-apart", "1"]);
    one.until("gingham_blocks", |blocks| blocks == 1);
    assert_eq!(one.metric("gingham_releases_total"), Some(2));
    testbed.until_routes(2, |routes| routed(routes) == 1);
    // And they stay away.
    one.rounds(2);
    assert_eq!((one.metric("gingham_blocks"), one.metric("gingham_claims_total")), (Some(1), Some(0)));
    other.until("gingham_ownership_conflicts_total", |conflicts| conflicts == 0);
}

/// Whatever wrote them.
#[test]
fn records_that_nobody_can_read_are_told_once_and_counted() {
    let testbed = Testbed::new(1);
    let mut one = testbed.companion(1, &testbed.network(1, json!({})), &[]);
    one.until("gingham_kept", |kept| kept == 1);
    assert_eq!(one.metric("gingham_unreadable_records"), Some(0));
    let file = testbed.path("store/net.json");
    // As those who write it do.
    let lock = std::fs::File::open(testbed.path("store")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let mut store: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for key in ["blocks/10.32.77.0-24", "blocks/nowhere", "life/ghost", "members/ghost", "something/else"] {
        store["records"][key] = json!({"version": 1, "value": "rubbish"});
    }
    std::fs::write(&file, store.to_string()).unwrap();
    drop(lock);
    one.until("gingham_unreadable_records", |unreadable| unreadable == 5);
    one.rounds(2);
    let said = one.log();
    assert_eq!(said.matches("cannot read").count(), 1, "{said}");
    assert!(said.contains("\"blocks/10.32.77.0-24\"") && said.contains("5 records"), "{said}");
    assert_eq!(one.metric("gingham_kept"), Some(1), "{said}");
}
