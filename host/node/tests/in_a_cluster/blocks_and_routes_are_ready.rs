//! Blocks are claimed before the first ADD, idle blocks are released, and the routes to other nodes follow.

use serde_json::json;

use crate::testbed::Testbed;
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;

#[test]
fn nodes_have_room_and_routes_before_the_first_container() {
    let testbed = Testbed::new(2);
    let (first, second) = (testbed.network(1, json!({})), testbed.network(2, json!({})));
    let mut one = testbed.agent(1, &first, &[]);
    let mut other = testbed.agent(2, &second, &[]);
    for agent in [&mut one, &mut other] {
        agent.until("gingham_members", |members| members == 2);
        assert!(agent.until("gingham_addresses,state=\"free\"", |free| free >= 64) < 512);
        agent.until("gingham_routes", |routes| routes == 1);
        agent.until("gingham_last_reconcile_succeeded", |succeeded| succeeded == 1);
    }
    let route = testbed.routes(1)[0];
    assert_eq!(route.gateway, Some(testbed.nodes.node(2).address));
    let (_, result) = testbed.add(2, &second, "pod");
    let address = result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap().parse().unwrap();
    assert!(route.destination.contains(&std::net::IpAddr::V4(address)), "{route:?} {address}");
    // The node's own, as the gateway, and the container's.
    other.until("gingham_addresses,state=\"used\"", |used| used == 2);
    assert_eq!((other.metric("gingham_blocks"), other.metric("gingham_store_errors_total")), (Some(1), Some(0)));
    other.until("gingham_block_claims_total", |claims| claims == 1);
    assert!(one.ask("/healthz").ends_with("\r\n\r\nnet: reconciled\n"), "{}", one.ask("/healthz"));
}

#[test]
fn blocks_that_stay_idle_go_back_and_their_routes_go() {
    let testbed = Testbed::new(2);
    let needs_much = testbed.network(1, json!({"ipam": {"cluster": {"lowWater": 600}}}));
    let mut other = testbed.agent(2, &testbed.network(2, json!({})), &[]);
    let mut one = testbed.agent(1, &needs_much, &[]);
    one.until("gingham_blocks", |blocks| blocks == 3);
    let routed = |routes: &[gingham_net::node_routes::NodeRoute]| -> usize {
        routes.iter().map(|route| 1 << (24 - route.destination.prefix_len())).sum()
    };
    testbed.until_routes(2, |routes| routed(routes) == 3);
    one.end(Signal::TERM);

    let needs_little = testbed.network(1, json!({}));
    let mut one = testbed.agent(1, &needs_little, &["--grace-period", "3600"]);
    one.reconciles(2);
    assert_eq!((one.metric("gingham_blocks"), one.metric("gingham_block_releases_total")), (Some(3), Some(0)));
    one.end(Signal::TERM);
    let mut one = testbed.agent(1, &needs_little, &["--grace-period", "1"]);
    one.until("gingham_blocks", |blocks| blocks == 1);
    assert_eq!(one.metric("gingham_block_releases_total"), Some(2));
    testbed.until_routes(2, |routes| routed(routes) == 1);
    // And they stay away.
    one.reconciles(2);
    assert_eq!((one.metric("gingham_blocks"), one.metric("gingham_block_claims_total")), (Some(1), Some(0)));
    other.until("gingham_ownership_conflicts_total", |conflicts| conflicts == 0);
}

/// Whatever wrote them.
#[test]
fn unreadable_records_are_logged_once_and_counted() {
    let testbed = Testbed::new(1);
    let mut one = testbed.agent(1, &testbed.network(1, json!({})), &[]);
    one.until("gingham_last_reconcile_succeeded", |succeeded| succeeded == 1);
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
    one.reconciles(2);
    let log = one.log();
    assert_eq!(log.matches("cannot read").count(), 1, "{log}");
    assert!(log.contains("\"blocks/10.32.77.0-24\"") && log.contains("5 records"), "{log}");
    assert_eq!(one.metric("gingham_last_reconcile_succeeded"), Some(1), "{log}");
}
