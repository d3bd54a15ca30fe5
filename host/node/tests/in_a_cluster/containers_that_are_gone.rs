//! Leases whose sandbox is gone are freed after the grace period; the node's own never.

use rustix::process::Signal;
use serde_json::json;

use crate::testbed::Testbed;

#[test]
fn a_lease_is_freed_after_the_grace_period() {
    let testbed = Testbed::new(1);
    let network = testbed.network(1, json!({}));
    let (container, _) = testbed.add(1, &network, "dead");
    let (_living, _) = testbed.add(1, &network, "alive");
    testbed.nodes.node(1).on(move |_| container.vanish());
    let mut patient = testbed.agent(1, &network, &["--grace-period", "3600"]);
    patient.reconciles(2);
    assert_eq!(patient.metric("gingham_collected_addresses_total"), Some(0));
    assert_eq!(testbed.leases(1).len(), 3);
    patient.end(Signal::TERM);

    let mut quick = testbed.agent(1, &network, &["--grace-period", "1"]);
    quick.until("gingham_collected_addresses_total", |addresses| addresses == 1);
    quick.reconciles(2);
    let left = testbed.leases(1);
    let holders: Vec<&str> = left.iter().filter_map(|lease| lease.split(' ').next()).collect();
    assert_eq!(holders, ["alive", "node/node-1"]);
    assert!(quick.log().contains("of container dead: nothing is at /run/netns/dead\n"), "{}", quick.log());
}
