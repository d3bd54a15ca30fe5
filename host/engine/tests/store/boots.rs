//! A reboot frees what containers of earlier boots held, and a clock that is set back keeps nothing from being used.

use std::path::Path;

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries, Reservation};
use gingham_engine::reference_leases::Adoption;
use gingham_engine::store::Store;
use proptest::prelude::*;

use crate::fixtures::{BOOT, NOW, Tmpfs, add, check_invariants, container, ip, open, range, record};

const NEXT_BOOT: &str = "5f0f1b3c-0000-4000-8000-000000000002";

fn open_after_reboot(directory: &Path) -> gingham_engine::store::StoreLedger {
    Store::open(directory, NEXT_BOOT, NOW).unwrap().into_ledger("net").unwrap()
}

#[test]
fn addresses_of_an_earlier_boot_are_free_at_once() {
    let disk = Tmpfs::of("8m");
    for n in 2..200 {
        add(&disk.store(), &format!("c{n}"), &format!("10.0.0.{n}"));
    }
    let ledger = open_after_reboot(&disk.store());
    assert_eq!(ledger.attachment_count().unwrap(), 0);
    assert_eq!(ledger.next_unused(range("10.0.0.2-10.0.0.200")).unwrap(), Some(ip("10.0.0.2")));
    assert_eq!(ledger.cooling_count(range("10.0.0.0/8")).unwrap(), 0, "nothing rests: nobody can still be using it");
    assert!(check_invariants(&ledger).is_empty());
}

#[test]
fn notes_and_resting_addresses_outlive_a_reboot() {
    let disk = Tmpfs::of("8m");
    for n in 2..6 {
        add(&disk.store(), &format!("c{n}"), &format!("10.0.0.{n}"));
    }
    let mut ledger = open(&disk.store());
    ledger.detach(&container("c3"), NOW - 5).unwrap();
    ledger.put_state("last", Some(b"10.0.0.5")).unwrap();
    ledger.commit().unwrap();
    let ledger = open_after_reboot(&disk.store());
    assert_eq!(ledger.cooling_since(ip("10.0.0.3")).unwrap(), Some(NOW - 5));
    assert_eq!(ledger.state_value("last").unwrap().unwrap(), b"10.0.0.5");
    assert_eq!(ledger.attachment_count().unwrap(), 0);
    check_invariants(&ledger);
}

#[test]
fn reservations_outlive_a_reboot_and_so_does_who_had_a_resting_address() {
    let disk = Tmpfs::of("8m");
    add(&disk.store(), "c2", "10.0.0.2");
    let kept = |address: &str| Reservation { address: ip(address), key: "shop/web-0".into(), until: NOW + 500 };
    let mut ledger = open(&disk.store());
    ledger.detach(&container("c2"), NOW - 5).unwrap();
    for address in ["10.0.0.2", "10.0.0.3", "fd00::2"] {
        ledger.reserve(&kept(address)).unwrap();
    }
    ledger.commit().unwrap();
    let mut ledger = open_after_reboot(&disk.store());
    assert_eq!(ledger.reservations_of("shop/web-0").unwrap(), ["10.0.0.2", "10.0.0.3", "fd00::2"].map(kept));
    assert_eq!(ledger.next_unused(range("10.0.0.2-10.0.0.9")).unwrap(), Some(ip("10.0.0.4")));
    let (holder, since) = ledger.last_holder(ip("10.0.0.2")).unwrap().unwrap();
    assert_eq!((holder.key, since), (container("c2"), NOW - 5));
    check_invariants(&ledger);
    assert_eq!(ledger.end_reservations(NOW + 500, 10).unwrap(), 3);
    assert_eq!(ledger.next_unused(range("10.0.0.2-10.0.0.9")).unwrap(), Some(ip("10.0.0.3")), "2 still rests");
    check_invariants(&ledger);
}

#[test]
fn the_address_allocated_last_of_each_pool_outlives_a_reboot() {
    let disk = Tmpfs::of("8m");
    let mut ledger = open(&disk.store());
    for (pool, address) in [(1, "fd00::2"), (0, "10.0.0.9"), (0, "10.0.0.2")] {
        ledger.put_last_allocated(pool, ip(address)).unwrap();
    }
    ledger.commit().unwrap();
    let expected = [(0, ip("10.0.0.2")), (1, ip("fd00::2"))];
    assert_eq!(open(&disk.store()).last_allocated().unwrap(), expected);
    assert_eq!(open_after_reboot(&disk.store()).last_allocated().unwrap(), expected);
}

#[test]
fn a_nodes_own_lease_and_what_it_knows_of_its_cluster_outlive_a_reboot() {
    let disk = Tmpfs::of("8m");
    add(&disk.store(), "c2", "10.0.0.2");
    let mut ledger = open(&disk.store());
    let gateway = AttachmentKey::of_node("node-1", "cni0");
    ledger.attach(&gateway, &record(&[ip("10.0.0.1")])).unwrap();
    ledger.put_cluster_state(b"known").unwrap();
    ledger.commit().unwrap();
    let ledger = open_after_reboot(&disk.store());
    assert_eq!(ledger.cluster_state().unwrap().unwrap(), b"known");
    let of_this_boot = AttachmentRecord { boot: NEXT_BOOT.into(), ..record(&[ip("10.0.0.1")]) };
    assert_eq!(ledger.attachments().unwrap(), [(gateway.clone(), of_this_boot)]);
    assert_eq!(ledger.holder(ip("10.0.0.1")).unwrap(), Some(gateway));
    assert_eq!(ledger.next_unused(range("10.0.0.1-10.0.0.9")).unwrap(), Some(ip("10.0.0.2")));
    check_invariants(&ledger);
}

#[test]
fn a_network_of_which_only_the_clusters_state_is_left_outlives_a_reboot() {
    let disk = Tmpfs::of("8m");
    let mut ledger = open(&disk.store());
    ledger.put_cluster_state(b"first").unwrap();
    ledger.put_cluster_state(b"second").unwrap();
    ledger.commit().unwrap();
    let other = Store::open(&disk.store(), BOOT, NOW).unwrap().into_ledger("other").unwrap();
    assert_eq!(other.cluster_state().unwrap(), None);
    drop(other);
    assert_eq!(open_after_reboot(&disk.store()).cluster_state().unwrap().unwrap(), b"second");
    let reader = Store::open_read_only(&disk.store()).unwrap().unwrap();
    assert_eq!(reader.ledger("net").unwrap().cluster_state().unwrap().unwrap(), b"second");
}

#[test]
fn attachments_of_this_boot_stay_although_the_store_is_of_another() {
    let disk = Tmpfs::of("8m");
    let mut ledger = open(&disk.store());
    let mut new = record(&[ip("10.0.0.2"), ip("fd00::2")]);
    ledger.attach(&container("old"), &record(&[ip("10.0.0.3")])).unwrap();
    new.boot = NEXT_BOOT.into();
    ledger.attach(&container("new"), &new).unwrap();
    ledger.commit().unwrap();
    let ledger = open_after_reboot(&disk.store());
    assert_eq!(ledger.attachments().unwrap(), [(container("new"), new)]);
    check_invariants(&ledger);
}

#[test]
fn that_a_network_was_adopted_is_known_in_this_boot() {
    let disk = Tmpfs::of("8m");
    let from = vec!["/var/lib/cni/networks/net".into()];
    let adoption = Adoption { at: NOW, from, watched: vec![container("old")], looked_at: NOW, ..Adoption::default() };
    let mut ledger = open(&disk.store());
    ledger.put_adoption(Some(&adoption)).unwrap();
    assert!(ledger.is_adopted().unwrap());
    drop(ledger);
    assert!(!open(&disk.store()).is_adopted().unwrap(), "not before it is committed");
    let mut ledger = open(&disk.store());
    ledger.put_adoption(Some(&adoption)).unwrap();
    ledger.commit().unwrap();
    add(&disk.store(), "a", "10.0.0.2");
    let reader = Store::open_read_only(&disk.store()).unwrap().unwrap();
    assert_eq!(reader.ledger("net").unwrap().adoption().unwrap(), Some(adoption));
    assert!(!reader.ledger("other").unwrap().is_adopted().unwrap());
    drop(reader);
    assert!(!open_after_reboot(&disk.store()).is_adopted().unwrap());
}

#[test]
fn a_reboot_is_dealt_with_once_even_if_the_first_add_fails() {
    let disk = Tmpfs::of("8m");
    add(&disk.store(), "a", "10.0.0.2");
    drop(open_after_reboot(&disk.store()));
    let reader = Store::open_read_only(&disk.store()).unwrap().unwrap();
    assert_eq!(reader.boot().unwrap(), NEXT_BOOT);
    assert_eq!(reader.networks().unwrap(), Vec::<String>::new(), "a network of which nothing is left is forgotten");
}

#[test]
fn a_store_is_readable_before_the_first_change_of_a_boot() {
    let disk = Tmpfs::of("8m");
    add(&disk.store(), "a", "10.0.0.2");
    let reader = Store::open_read_only(&disk.store()).unwrap().unwrap();
    assert_eq!(reader.boot().unwrap(), BOOT);
    assert_eq!(reader.ledger("net").unwrap().holder(ip("10.0.0.2")).unwrap(), Some(container("a")));
}

#[test]
fn what_was_freed_in_a_future_that_never_came_rests_from_now() {
    let disk = Tmpfs::of("8m");
    for n in 2..5 {
        add(&disk.store(), &format!("c{n}"), &format!("10.0.0.{n}"));
    }
    let mut ledger = open(&disk.store());
    let year = 365 * 86_400_000;
    ledger.detach(&container("c2"), NOW + year).unwrap();
    ledger.detach(&container("c3"), NOW + 30_000).unwrap();
    ledger.detach(&container("c4"), NOW - 30_000).unwrap();
    ledger.commit().unwrap();
    let ledger = open(&disk.store());
    let rests = |n| ledger.cooling_since(ip(&format!("10.0.0.{n}"))).unwrap();
    assert_eq!((rests(2), rests(3), rests(4)), (Some(NOW), Some(NOW + 30_000), Some(NOW - 30_000)));
    check_invariants(&ledger);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever rests, rests on after a reboot; whatever was leased is free; the runs fit.
    #[test]
    fn any_mix_of_leased_and_resting_comes_through_a_reboot(fates in prop::collection::vec(0u8..3, 1..120)) {
        let disk = Tmpfs::of("8m");
        let mut ledger = open(&disk.store());
        for (n, fate) in fates.iter().enumerate() {
            if *fate > 0 {
                ledger.attach(&container(n), &record(&[ip(&format!("10.0.0.{n}"))])).unwrap();
            }
            if *fate > 1 {
                ledger.detach(&container(n), NOW + n as u64).unwrap();
            }
        }
        ledger.commit().unwrap();
        let ledger = open_after_reboot(&disk.store());
        assert!(check_invariants(&ledger).is_empty());
        for (n, fate) in fates.iter().enumerate() {
            let rests = ledger.cooling_since(ip(&format!("10.0.0.{n}"))).unwrap();
            assert_eq!(rests, (*fate == 2).then_some(NOW + n as u64));
        }
    }
}
