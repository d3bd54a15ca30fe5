//! kill -9 in every phase of an ADD that joins and claims: the next ADD goes on, nothing is given twice, nothing is left.

use gingham_tests::cni::{Cni, addresses};
use gingham_tests::kernel;
use serde_json::json;

use crate::testbed::{NETWORK, Testbed, has_etcd};

/// The places between which an ADD asks the store, records and configures.
const PLACES: [&str; 6] =
    ["add.planned", "add.no-room", "add.room", "add.allocated", "add.configured", "add.node-routes"];

#[test]
fn the_next_add_goes_on() {
    if !has_etcd() {
        return;
    }
    for place in PLACES {
        let testbed = Testbed::new(1, json!({}));
        let network = testbed.network(testbed.nodes.node(1));
        let given = testbed.on(1, move |node| {
            let container = node.container("killed");
            Cni::add(&network, &container).failpoint(&format!("{place}=kill")).run().was_killed();
            Cni::del(&network, &container).run().succeeds();
            let again = Cni::add(&network, &node.container("again")).run().result();
            assert_eq!(again["ips"][0]["gateway"], "10.32.0.1", "{place}");
            let leases = kernel::leases(NETWORK);
            assert_eq!(leases.len(), 2, "{place}: the node's and one container's: {leases:?}");
            addresses(&again)
        });
        assert_eq!(given.len(), 1, "{place}");
    }
}
