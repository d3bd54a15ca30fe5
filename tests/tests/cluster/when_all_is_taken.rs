//! A full share borrows of the others; a full cluster says so soon.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::testbed::{Testbed, has_etcd};

#[test]
fn a_full_share_borrows_and_a_full_cluster_says_so() {
    if !has_etcd() {
        return;
    }
    // Four blocks of four addresses: two a share. The network's and the broadcast address are nobody's.
    let testbed = Testbed::new(2, json!({"ipam": {"range": "10.32.0.0/28", "blockSize": 30, "cooldown": "0"}}));
    let mut given = vec![testbed.join(1, "a-0"), testbed.join(2, "b-0")];
    for number in 1.. {
        let start = Instant::now();
        let (_, outcome) = testbed.start_add(1, &format!("a-{number}")).end();
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
        if outcome.is_success() {
            given.push(gingham_tests::cni::address(&outcome.result()).parse().unwrap());
            continue;
        }
        let fault = outcome.fault();
        assert!([11, 103].contains(&fault.code), "{fault:?}");
        break;
    }
    // Three blocks of the first node, less the network's and broadcast address and its gateway; one of the other's.
    assert_eq!(given.len(), 3 * 4 - 3 + 1, "{given:?}");
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 10, "nobody has another's");
    let (_, outcome) = testbed.start_add(2, "b-1").end();
    outcome.result();
}
