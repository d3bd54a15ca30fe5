//! Traffic and allocation go on while the store is down, and the agent reconnects to it.

use gingham_net::netlink::{Route, Socket};
use gingham_net::node_routes;
use gingham_testbed::etcd::{Etcd, Layout, PACKAGE, PROGRAM};
use gingham_tests::nodes::BETWEEN;
use serde_json::json;

use crate::testbed::{NETWORK, Testbed};

#[test]
fn everything_that_needs_no_store_goes_on() {
    if !skipped_tests::has(PROGRAM, PACKAGE) {
        return;
    }
    let testbed = Testbed::new(2);
    let mut etcd = Etcd::start(&Layout::at(testbed.directory.path(), BETWEEN.into(), 1)).unwrap();
    let store = json!({"ipam": {"cluster": {"store": "etcd", "directory": null, "endpoints": etcd.endpoints()}}});
    let (first, second) = (testbed.network(1, store.clone()), testbed.network(2, store));
    let mut one = testbed.agent(1, &first, &["--grace-period", "1"]);
    let mut other = testbed.agent(2, &second, &[]);
    one.until("gingham_routes", |routes| routes == 1);
    other.until("gingham_routes", |routes| routes == 1);
    let (container, _) = testbed.add(1, &first, "before");
    let routes = testbed.routes(1);
    assert_eq!(one.metric("gingham_store_errors_total"), Some(0));

    etcd.kill(0);
    one.until("gingham_store_errors_total", |errors| errors > 0);
    one.until("gingham_store_contact_age_seconds", |age| age >= 2);
    let health = one.ask("/healthz");
    let unreachable = health.starts_with("HTTP/1.1 200 ")
        && health.contains("net: store unreachable, routes as last known: cluster store: ");
    assert!(unreachable, "{health}");
    assert_eq!(one.metric("gingham_last_reconcile_succeeded"), Some(0));
    // A route that another process removes comes back, and a dead container's lease goes.
    let range = "10.32.0.0/16".parse().unwrap();
    testbed.nodes.node(1).on(move |_| {
        container.vanish();
        node_routes::remove(&mut Socket::<Route>::open().unwrap(), NETWORK, "cni0", &[range]).unwrap();
    });
    testbed.until_routes(1, |now| now == routes);
    one.until("gingham_collected_addresses_total", |addresses| addresses == 1);
    // From what is claimed.
    testbed.add(1, &first, "meanwhile");
    one.until("gingham_addresses,state=\"used\"", |used| used == 2);

    etcd.restart(0).unwrap();
    etcd.wait_until_healthy(&[0]).unwrap();
    one.until("gingham_last_reconcile_succeeded", |succeeded| succeeded == 1);
    one.until("gingham_store_contact_age_seconds", |age| age <= 1);
    assert!(one.ask("/healthz").ends_with("\r\n\r\nnet: reconciled\n"), "{}", one.ask("/healthz"));
    assert_eq!((testbed.routes(1), one.metric("gingham_ownership_conflicts_total")), (routes, Some(0)));
    assert!(one.log().contains("info net: resolved: cluster store: "), "{}", one.log());
}
