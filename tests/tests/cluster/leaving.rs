//! `ginghamctl cluster leave` while the store is away: this node uses nothing any more, the store loses nothing, and the
//! same command ends it later.

use gingham_net::netlink::{Route, Socket};
use gingham_net::node_routes;
use gingham_tests::kernel;
use gingham_tests::ownership::{held, records};
use ipnet::IpNet;
use serde_json::{Value, json};

use crate::testbed::{NETWORK, Testbed, has_etcd};

/// Routes to the other nodes, and the bridge's addresses.
fn ways(testbed: &Testbed, node: usize) -> (usize, Vec<String>) {
    testbed.on(node, |_| {
        let range = "10.32.0.0/12".parse().unwrap();
        let routes = node_routes::list(&mut Socket::<Route>::open().unwrap(), &[range]).unwrap();
        (routes.len(), kernel::addresses("cni0"))
    })
}

/// The blocks of a node, as the store has them.
fn blocks(testbed: &Testbed, node: &str) -> Vec<IpNet> {
    let records = records(&testbed.etcd.endpoints(), NETWORK);
    records.live_blocks().filter(|(_, seen)| seen.record.owner == node).map(|(block, _)| block).collect()
}

#[test]
fn it_is_begun_without_the_store_and_ended_with_it() {
    if !has_etcd() {
        return;
    }
    let mut testbed = Testbed::new(2, json!({}));
    testbed.add(1, "one");
    testbed.add(2, "two");
    let its = blocks(&testbed, "node-2");
    assert_eq!((its.len(), ways(&testbed, 2)), (1, (1, vec![format!("{}/12", gateway(&testbed))])));
    let said = testbed.ctl(2, &["leave", "--yes"]).failed();
    assert!(said.contains("network cluster has 1 attachment on this node"), "{said}");
    assert_eq!(testbed.on(2, |_| held(NETWORK)), its);
    testbed.leave(2, "two");

    testbed.etcd.kill(0);
    let said = testbed.ctl(2, &["leave", "--yes"]).failed();
    assert!(said.contains(&testbed.etcd.endpoints()[0]), "{said}");
    assert!(said.contains("the store still lists its blocks: run `ginghamctl cluster leave` again"), "{said}");
    assert_eq!(ways(&testbed, 2), (0, Vec::new()), "it speaks for no block any more");
    assert_eq!(testbed.on(2, |_| (held(NETWORK), kernel::leases(NETWORK))), (Vec::new(), Vec::new()));
    let (_, outcome) = testbed.start_add(2, "three").end();
    assert!(outcome.fault().msg.contains("ginghamctl cluster join"), "{:?}", outcome.fault());
    testbed.add(1, "four");

    testbed.etcd.restart(0).unwrap();
    testbed.etcd.wait_until_healthy(&[0]).unwrap();
    assert_eq!(blocks(&testbed, "node-2"), its, "nobody gave it away");
    let said = testbed.ctl(2, &["leave", "--yes"]).done();
    let announced =
        "node-2, this node, leaves network cluster:\n  its blocks become free for the other nodes: no block\n";
    assert!(said.starts_with(announced), "{said}");
    assert!(said.ends_with("\nnode-2 has left network cluster; the store is up to date\n"), "{said}");
    assert_eq!(blocks(&testbed, "node-2"), []);
    let status: Value = serde_json::from_str(&testbed.ctl(1, &["status", "--json"]).done()).unwrap();
    assert_eq!((&status["members"][1]["state"], &status["members"][1]["blocks"]), (&json!("left"), &json!([])));
    // Once more changes nothing, and it may come back.
    testbed.ctl(2, &["leave", "--yes"]).done();
    testbed.ctl(2, &["join"]).done();
    testbed.add(2, "five");
    assert_eq!((blocks(&testbed, "node-2").len(), ways(&testbed, 2).0), (1, 1));
    assert_eq!(blocks(&testbed, "node-1").len(), 1, "it was never touched");
}

/// The second node's address on its bridge.
fn gateway(testbed: &Testbed) -> String {
    let leases = testbed.on(2, |_| kernel::leases(NETWORK));
    let own = leases.iter().find(|lease| lease.starts_with("node/")).unwrap();
    own.rsplit(' ').next().unwrap().to_owned()
}
