use proptest::prelude::*;

use super::*;
use crate::ledger::LedgerQueries;
use crate::memory_ledger::{MemoryLedger, MemoryStore};

const NOW: u64 = 10_000;
const BOOT: u64 = 5_000;

fn key(container: &str, interface: &str) -> AttachmentKey {
    AttachmentKey { container_id: container.to_owned(), interface: interface.to_owned() }
}

fn lease(address: &str, container: &str, interface: &str, written: u64) -> Lease {
    Lease { address: address.parse().unwrap(), key: key(container, interface), written }
}

fn found(leases: &[Lease]) -> Found {
    Found { leases: leases.to_vec(), ..Found::default() }
}

fn nowhere(_: &AttachmentKey) -> Option<String> {
    None
}

/// Namespaces whose path says so are there.
fn circumstances(netns_of: &dyn Fn(&AttachmentKey) -> Option<String>) -> Circumstances<'_> {
    let is_there = &|netns: &str| Some(netns.starts_with("/there/"));
    Circumstances { boot: "boot", boot_began: BOOT, now: NOW, netns_of, is_there }
}

fn ledger() -> MemoryLedger {
    MemoryStore::new().ledger("n")
}

fn addresses(ledger: &MemoryLedger, key: &AttachmentKey) -> Vec<String> {
    let record = ledger.attachment(key).unwrap();
    record.iter().flat_map(|record| &record.addresses).map(ToString::to_string).collect()
}

#[test]
fn leases_of_one_interface_are_one_attachment() {
    let mut ledger = ledger();
    let leases = [lease("10.0.0.2", "a", "eth0", 7_000), lease("fd00::2", "a", "eth0", 7_001)];
    let about = circumstances(&|_| Some("/there/a".to_owned()));
    let adopted = adopt(&mut ledger, &found(&leases), &about).unwrap();
    assert_eq!(adopted.leases, leases);
    assert_eq!(addresses(&ledger, &key("a", "eth0")), ["10.0.0.2", "fd00::2"]);
    let record = ledger.attachment(&key("a", "eth0")).unwrap().unwrap();
    assert_eq!((record.since, record.boot.as_str(), record.netns.as_str()), (7_000, "boot", "/there/a"));
}

#[test]
fn what_was_adopted_is_known_the_next_time_and_more_is_added() {
    let mut ledger = ledger();
    let first = lease("10.0.0.2", "a", "eth0", 7_000);
    let second = lease("10.0.0.3", "a", "eth0", 8_000);
    let about = circumstances(&nowhere);
    adopt(&mut ledger, &found(std::slice::from_ref(&first)), &about).unwrap();
    let adopted = adopt(&mut ledger, &found(&[first.clone(), second.clone()]), &about).unwrap();
    assert_eq!((adopted.known, adopted.leases), (vec![first], vec![second]));
    assert_eq!(addresses(&ledger, &key("a", "eth0")), ["10.0.0.2", "10.0.0.3"]);
    assert_eq!(ledger.cooling_since("10.0.0.2".parse().unwrap()).unwrap(), None);
}

#[test]
fn a_lease_of_an_earlier_boot_is_left_unless_its_container_lives() {
    let mut ledger = ledger();
    let leases = [lease("10.0.0.2", "old", "eth0", BOOT - 1), lease("10.0.0.3", "living", "eth0", BOOT - 1)];
    let netns_of =
        |key: &AttachmentKey| Some(format!("/{}/x", if key.container_id == "living" { "there" } else { "gone" }));
    let adopted = adopt(&mut ledger, &found(&leases), &circumstances(&netns_of)).unwrap();
    assert_eq!((adopted.of_earlier_boot, adopted.leases), (vec![leases[0].clone()], vec![leases[1].clone()]));
}

#[test]
fn an_address_stays_with_a_living_holder_and_leaves_a_dead_one() {
    let mut ledger = ledger();
    for (container, address, netns) in
        [("living", "10.0.0.2", "/there/1"), ("dead", "10.0.0.3", "/gone/1"), ("node/me", "10.0.0.4", "")]
    {
        let addresses = vec![address.parse().unwrap()];
        let netns = netns.to_owned();
        let record = AttachmentRecord {
            addresses,
            since: 1,
            boot: "boot".to_owned(),
            netns,
            pod: Pod::default(),
            ..AttachmentRecord::default()
        };
        ledger.attach(&key(container, "eth0"), &record).unwrap();
    }
    let theirs: Vec<Lease> =
        ["10.0.0.2", "10.0.0.3", "10.0.0.4"].iter().map(|address| lease(address, "new", "eth0", 7_000)).collect();
    let adopted = adopt(&mut ledger, &found(&theirs), &circumstances(&nowhere)).unwrap();
    assert_eq!(adopted.leases, [theirs[1].clone()]);
    let kept: Vec<&str> = adopted.conflicts.iter().map(|conflict| conflict.ours.container_id.as_str()).collect();
    assert_eq!(kept, ["living", "node/me"]);
    assert_eq!(ledger.attachment(&key("dead", "eth0")).unwrap(), None);
}

proptest! {
    /// Every lease of this boot is held by its container afterwards, and adopting again changes nothing.
    #[test]
    fn nothing_is_lost_and_nothing_doubled(owners in prop::collection::btree_map(2_u8..=250, 0_u8..20, 0..60)) {
        let mut ledger = ledger();
        let leases: Vec<Lease> = owners
            .iter()
            .map(|(last, owner)| lease(&format!("10.0.0.{last}"), &format!("c{owner}"), if owner % 3 == 0 { "" } else { "eth0" }, 7_000))
            .collect();
        for round in 0..2 {
            let adopted = adopt(&mut ledger, &found(&leases), &circumstances(&nowhere)).unwrap();
            prop_assert_eq!(if round == 0 { adopted.leases } else { adopted.known }, leases.clone());
            for lease in &leases {
                prop_assert_eq!(ledger.holder(lease.address).unwrap(), Some(lease.key.clone()));
            }
            let held: usize = ledger.attachments().unwrap().iter().map(|(_, record)| record.addresses.len()).sum();
            prop_assert_eq!(held, leases.len());
        }
    }
}
