//! A policy in JavaScript: from nothing to an address, with no program but ours.

use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use gingham_tests::kernel;
use gingham_tests::networks::bridged_with;
use gingham_tests::node::Node;
use serde_json::json;
use tempfile::TempDir;

#[test]
fn from_nothing_to_an_address() {
    let node = Node::new();
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("first");
    let directory = directory.to_str().unwrap();
    ctl(&["policy", "new", "first", "--lang", "js", "--dir", directory]).done();
    ctl(&["policy", "add", directory]).done();
    let network = bridged_with(json!({"ipam": {"type": "gingham", "policy": "first"}}));
    let c1 = node.container("c1");
    assert_eq!(address(&Cni::add(&network, &c1).run().result()), "10.7.0.2");
    kernel::reaches(&c1, "10.7.0.1".parse().unwrap());
    Cni::del(&network, &c1).run().succeeds();
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}
