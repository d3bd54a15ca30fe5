//! A node that was taken over joins again by itself. Its containers keep what others may hand out now: that is told, and
//! they are left alone.

use std::fs;
use std::time::Duration;

use gingham_cluster::Cluster;
use gingham_engine::settings::Settings;
use rustix::process::Signal;
use serde_json::json;

use crate::testbed::{NETWORK, Testbed};

#[test]
fn it_joins_again_and_reports_the_addresses_in_doubt() {
    let testbed = Testbed::new(2);
    // Four blocks, and the first node wants to have all that are to be had.
    let small = |node, low_water: u64| {
        testbed.network(node, json!({"ipam": {"range": "10.32.0.0/22", "cluster": {"lowWater": low_water}}}))
    };
    let (first, second) = (small(1, 1000), small(2, 64));
    let mut back = testbed.agent(2, &second, &[]);
    back.until("gingham_blocks", |blocks| blocks == 1);
    testbed.add(2, &second, "pod");
    let mut one = testbed.agent(1, &first, &[]);
    one.until("gingham_blocks", |blocks| blocks == 3);
    one.until("gingham_routes", |routes| routes == 1);
    back.end(Signal::KILL);

    let config = first["ipam"].as_object().unwrap().clone();
    testbed.nodes.node(1).on(move |_| {
        let settings = Settings::parse(&config).unwrap();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let mut cluster = Cluster::new(NETWORK, &settings, boot.trim()).unwrap();
        cluster.takeover("node-2", true, Duration::from_secs(5)).unwrap();
    });
    one.until("gingham_routes", |routes| routes == 0);
    one.until("gingham_members", |members| members == 1);
    one.until("gingham_blocks", |blocks| blocks == 4);
    let leases = testbed.leases(2);

    let mut back = testbed.agent(2, &second, &[]);
    back.until("gingham_ownership_conflicts_total", |conflicts| conflicts == 1);
    back.until("gingham_stray_addresses", |addresses| addresses == 1);
    one.until("gingham_members", |members| members == 2);
    assert_eq!(testbed.leases(2), leases, "they are left alone");
    assert!(back.log().contains("warning net: this node was taken over"), "{}", back.log());
    assert!(back.log().contains("warning net: a container on this node has the address "), "{}", back.log());
}
