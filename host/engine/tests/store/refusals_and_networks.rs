//! Networks do not see each other, and what a ledger cannot keep is refused.

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::memory_ledger::MemoryStore;
use gingham_engine::store::Store;

use crate::fixtures::{BOOT, NOW, Tmpfs, check_invariants, container, ip, record};

#[test]
fn networks_do_not_see_each_other() {
    let disk = Tmpfs::of("8m");
    for (network, id) in [("a", "one"), ("b", "two")] {
        let mut ledger = Store::open(&disk.store(), BOOT, NOW).unwrap().into_ledger(network).unwrap();
        ledger.attach(&container(id), &record(&[ip("10.0.0.2"), ip("fd00::2")])).unwrap();
        ledger.put_state("k", Some(id.as_bytes())).unwrap();
        ledger.commit().unwrap();
    }
    let reader = Store::open_read_only(&disk.store()).unwrap().unwrap();
    assert_eq!(reader.networks().unwrap(), ["a", "b"]);
    for (network, id) in [("a", "one"), ("b", "two")] {
        let ledger = reader.ledger(network).unwrap();
        assert_eq!(ledger.holder(ip("10.0.0.2")).unwrap(), Some(container(id)));
        assert_eq!(ledger.state_value("k").unwrap().unwrap(), id.as_bytes());
        assert_eq!(check_invariants(&ledger).len(), 2);
    }
    assert_eq!(reader.ledger("c").unwrap().attachment_count().unwrap(), 0);
}

#[test]
fn a_ledger_that_changed_nothing_leaves_no_network_behind() {
    let disk = Tmpfs::of("8m");
    let mut ledger = Store::open(&disk.store(), BOOT, NOW).unwrap().into_ledger("never-added").unwrap();
    assert_eq!(ledger.detach(&container("x"), NOW).unwrap(), None);
    ledger.commit().unwrap();
    assert_eq!(Store::open(&disk.store(), BOOT, NOW).unwrap().networks().unwrap(), Vec::<String>::new());
}

#[test]
fn what_came_and_went_in_one_transaction_rests_all_the_same() {
    let disk = Tmpfs::of("8m");
    let mut ledger = Store::open(&disk.store(), BOOT, NOW).unwrap().into_ledger("net").unwrap();
    ledger.attach(&container("a"), &record(&[ip("10.0.0.2")])).unwrap();
    ledger.detach(&container("a"), NOW).unwrap();
    ledger.commit().unwrap();
    let ledger = Store::open(&disk.store(), BOOT, NOW).unwrap().into_ledger("net").unwrap();
    assert_eq!(ledger.cooling_since(ip("10.0.0.2")).unwrap(), Some(NOW));
}

#[test]
fn a_second_lease_of_an_address_is_refused() {
    let disk = Tmpfs::of("8m");
    let refused = |ledger: &mut dyn FnMut(&AttachmentKey, &AttachmentRecord) -> String| {
        assert!(ledger(&container("b"), &record(&[ip("10.0.0.2")])).contains("10.0.0.2 is recorded already"));
    };
    let mut durable = Store::open(&disk.store(), BOOT, NOW).unwrap().into_ledger("net").unwrap();
    durable.attach(&container("a"), &record(&[ip("10.0.0.2")])).unwrap();
    refused(&mut |key, record| durable.attach(key, record).unwrap_err().to_string());
    assert!(durable.attach(&container("a"), &record(&[])).unwrap_err().to_string().contains("the attachment a eth0"));
    let mut memory = MemoryStore::new().ledger("net");
    memory.attach(&container("a"), &record(&[ip("10.0.0.2")])).unwrap();
    refused(&mut |key, record| memory.attach(key, record).unwrap_err().to_string());
}

#[test]
fn what_does_not_fit_is_refused_by_name_and_never_found() {
    let disk = Tmpfs::of("8m");
    let long = container("x".repeat(256));
    let mut ledger = Store::open(&disk.store(), BOOT, NOW).unwrap().into_ledger(&"n".repeat(255)).unwrap();
    assert_eq!(ledger.attachment(&long).unwrap(), None);
    assert_eq!(ledger.detach(&long, NOW).unwrap(), None);
    let refusal = ledger.attach(&long, &record(&[])).unwrap_err().to_string();
    assert_eq!(refusal, "the container id is 256 bytes long; the store keeps at most 255");
    assert!(ledger.attach(&container("a\0b"), &record(&[])).unwrap_err().to_string().contains("NUL"));
    ledger.attach(&container("x".repeat(255)), &record(&[ip("::1")])).unwrap();
    ledger.put_state(&"k".repeat(256), Some(&vec![7; 64 << 10])).unwrap();
    ledger.commit().unwrap();
    let ledger = Store::open(&disk.store(), BOOT, NOW).unwrap().into_ledger(&"n".repeat(255)).unwrap();
    assert_eq!(ledger.holder(ip("::1")).unwrap(), Some(container("x".repeat(255))));
    assert_eq!(ledger.state_value(&"k".repeat(256)).unwrap().unwrap().len(), 64 << 10);
    drop(ledger);
    assert!(Store::open(&disk.store(), BOOT, NOW).unwrap().into_ledger(&"n".repeat(256)).is_err());
}

#[test]
fn in_memory_a_branch_is_undone_alone_and_a_lost_update_is_refused() {
    let store = MemoryStore::new();
    let mut first = store.ledger("net");
    let mut branch = first.clone();
    branch.attach(&container("b"), &record(&[ip("10.0.0.2")])).unwrap();
    first.attach(&container("a"), &record(&[ip("10.0.0.2")])).unwrap();
    assert_eq!(store.networks(), Vec::<String>::new());
    first.commit().unwrap();
    assert!(branch.commit().is_err(), "it does not know of the first");
    assert_eq!(store.ledger("net").holder(ip("10.0.0.2")).unwrap(), Some(container("a")));
}
