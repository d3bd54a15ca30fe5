//! A member whose lease store is damaged comes back without doubling a block or an address.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use gingham_tests::ctl::ctl;
use gingham_tests::node::DATA;
use serde_json::json;

use crate::testbed::{Testbed, has_etcd};

const NEXT_BOOT: &str = "11111111-2222-4333-8444-555555555555";

/// Small blocks, so that several are claimed.
fn testbed() -> Testbed {
    Testbed::new(2, json!({"ipam": {"range": "10.32.0.0/20", "blockSize": 29}}))
}

fn add_some(testbed: &Testbed, node: usize, prefix: &str) -> Vec<IpAddr> {
    (0..8).map(|n| testbed.join(node, &format!("{prefix}{n}"))).collect()
}

fn assert_all_differ<'a>(addresses: impl IntoIterator<Item = &'a IpAddr>) {
    let mut seen = BTreeSet::new();
    for address in addresses {
        assert!(seen.insert(address), "{address} twice");
    }
}

#[test]
fn after_a_reboot_its_blocks_come_from_the_shared_store() {
    if !has_etcd() {
        return;
    }
    let testbed = testbed();
    let before = add_some(&testbed, 1, "before");
    let of_two = add_some(&testbed, 2, "two");
    testbed.on(1, |node| {
        node.pretend_reboot(NEXT_BOOT);
        fs::write(format!("{DATA}/leases.mdb"), "").unwrap();
    });
    let after = add_some(&testbed, 1, "after");
    let of_two_later = add_some(&testbed, 2, "later");
    assert_all_differ(of_two.iter().chain(&of_two_later).chain(&after));
    assert!(after.iter().any(|address| before.contains(address)), "it has its blocks again: {before:?} {after:?}");
}

#[test]
fn within_the_boot_addresses_of_running_containers_are_given_to_nobody() {
    if !has_etcd() {
        return;
    }
    let testbed = testbed();
    let before = add_some(&testbed, 1, "before");
    let of_two = add_some(&testbed, 2, "two");
    let network = testbed.network(testbed.nodes.node(1));
    let said = testbed.on(1, move |_| {
        fs::write(format!("{DATA}/leases.mdb"), "").unwrap();
        fs::create_dir_all("/run/net.d").unwrap();
        fs::write("/run/net.d/cluster.conf", network.to_string()).unwrap();
        ctl(&["recover", "--yes", "--config-dir", "/run/net.d"]).done()
    });
    assert!(said.contains("not recorded: 8 attachments") && said.contains("leaves its earlier blocks alone"), "{said}");
    let after = add_some(&testbed, 1, "after");
    let of_two_later = add_some(&testbed, 2, "later");
    assert_all_differ(before.iter().chain(&of_two).chain(&after).chain(&of_two_later));
}
