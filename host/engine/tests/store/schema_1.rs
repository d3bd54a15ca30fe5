//! A store of schema 1, as versions before contract 0.2 wrote it, is read as it is and brought to schema 2 by the first
//! writer, within a boot and over one.

use std::path::Path;

use gingham_engine::attachment::Pod;
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries, Reservation};
use gingham_engine::store::{Store, StoreError};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, EnvFlags, EnvOpenOptions, RwTxn};

use crate::fixtures::{BOOT, NOW, Tmpfs, check_invariants, container, ip, open, range, record};

const NETWORKS: u8 = 1;
const COOLING: u8 = 5;
/// The first table that schema 1 did not have.
const FIRST_NEW: u8 = 10;

/// Two pods of a namespace, one of another, a cooling address, policy state.
fn make(directory: &Path) {
    let of_pod = |namespace: &str, name: &str, address: &str| {
        let pod = Pod { namespace: Some(namespace.into()), name: Some(name.into()), uid: None };
        AttachmentRecord { pod, ..record(&[ip(address)]) }
    };
    let mut ledger = open(directory);
    for (id, namespace, address) in
        [("a", "shop", "10.0.0.2"), ("b", "shop", "10.0.0.3"), ("c", "bank", "10.0.0.4"), ("d", "shop", "10.0.0.5")]
    {
        ledger.attach(&container(id), &of_pod(namespace, id, address)).unwrap();
    }
    ledger.detach(&container("d"), NOW - 5).unwrap();
    ledger.put_state("last/0", Some(b"10.0.0.5")).unwrap();
    ledger.commit().unwrap();
    to_schema_1(directory);
}

/// Runs `change` in a transaction past the store's own code.
fn with_tree<T>(directory: &Path, change: impl FnOnce(Database<Bytes, Bytes>, &mut RwTxn) -> heed::Result<T>) -> T {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    let flags = EnvFlags::NO_SUB_DIR | EnvFlags::NO_LOCK;
    // SAFETY: nothing else has the file open in these tests.
    let env = unsafe { options.map_size(1 << 20).flags(flags).open(directory.join("leases.mdb")) }.unwrap();
    let mut done = None;
    env.create_databases_and_commit(env.write_txn().unwrap(), |opener, txn| -> heed::Result<_> {
        let tree = opener.create_database::<Bytes, Bytes>(txn, None)?;
        done = Some(change(tree, txn)?);
        Ok(CommitOrAbort::<_, ()>::Commit(()))
    })
    .unwrap();
    done.unwrap()
}

/// Takes out what schema 1 did not have: tables, the holder of a cooling address, the count of reservations.
fn to_schema_1(directory: &Path) {
    with_tree(directory, |tree, txn| {
        let entries: Vec<(Vec<u8>, Vec<u8>)> = tree
            .iter(txn)?
            .map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())))
            .collect::<heed::Result<_>>()?;
        for (key, value) in &entries {
            match key[0] {
                NETWORKS => tree.put(txn, key, &value[..20])?,
                COOLING => tree.put(txn, key, &value[..8])?,
                FIRST_NEW.. => drop(tree.delete(txn, key)?),
                _ => {}
            }
        }
        tree.put(txn, &[0, 0], format!(r#"{{"schema":1,"boot":"{BOOT}","created":{NOW}}}"#).as_bytes())
    });
}

fn schema(directory: &Path) -> u64 {
    let meta = with_tree(directory, |tree, txn| Ok(tree.get(txn, &[0, 0])?.map(<[u8]>::to_vec)));
    let meta: serde_json::Value = serde_json::from_slice(&meta.unwrap()).unwrap();
    meta["schema"].as_u64().unwrap()
}

#[test]
fn it_can_be_read_before_anything_is_written() {
    let disk = Tmpfs::of("8m");
    make(&disk.store());
    let reader = Store::open_read_only(&disk.store()).unwrap().unwrap();
    let ledger = reader.ledger("net").unwrap();
    assert_eq!(ledger.attachment_count().unwrap(), 3);
    assert_eq!(ledger.reservation_count().unwrap(), 0);
    assert_eq!(ledger.cooling_since(ip("10.0.0.5")).unwrap(), Some(NOW - 5));
    assert_eq!(ledger.last_holder(ip("10.0.0.5")).unwrap(), None);
    drop((ledger, reader));
    assert_eq!(schema(&disk.store()), 1, "a reader changes nothing");
}

#[test]
fn its_first_writer_counts_the_leases_of_each_namespace() {
    let disk = Tmpfs::of("8m");
    make(&disk.store());
    let mut ledger = open(&disk.store());
    assert_eq!(ledger.lease_count_of_namespace("shop").unwrap(), 2);
    assert_eq!(ledger.leases_of_namespace("shop", None, 9).unwrap(), [ip("10.0.0.2"), ip("10.0.0.3")]);
    assert_eq!(ledger.lease_count_of_namespace("bank").unwrap(), 1);
    assert_eq!(check_invariants(&ledger).len(), 3);
    assert_eq!(ledger.state_value("last/0").unwrap().unwrap(), b"10.0.0.5");
    let kept = Reservation { address: ip("10.0.0.5"), key: "shop/d".into(), until: NOW + 5 };
    ledger.reserve(&kept).unwrap();
    ledger.detach(&container("a"), NOW).unwrap();
    ledger.commit().unwrap();
    let ledger = open(&disk.store());
    assert_eq!(ledger.lease_count_of_namespace("shop").unwrap(), 1);
    assert_eq!(ledger.reservations_of("shop/d").unwrap(), [kept]);
    let (holder, _) = ledger.last_holder(ip("10.0.0.2")).unwrap().unwrap();
    assert_eq!(holder.pod.name.as_deref(), Some("a"), "freed by this version");
    assert_eq!(ledger.last_holder(ip("10.0.0.5")).unwrap(), None, "freed by the earlier one");
    check_invariants(&ledger);
}

#[test]
fn the_upgrade_stays_although_the_first_writer_commits_nothing() {
    let disk = Tmpfs::of("8m");
    make(&disk.store());
    drop(open(&disk.store()));
    let reader = Store::open_read_only(&disk.store()).unwrap().unwrap();
    assert_eq!(reader.ledger("net").unwrap().lease_count_of_namespace("shop").unwrap(), 2);
    drop(reader);
    assert_eq!(schema(&disk.store()), 2);
}

#[test]
fn a_reboot_in_between_keeps_state_and_cooling_addresses() -> Result<(), StoreError> {
    let disk = Tmpfs::of("8m");
    make(&disk.store());
    let ledger = Store::open(&disk.store(), "5f0f1b3c-0000-4000-8000-000000000002", NOW)?.into_ledger("net")?;
    assert_eq!(ledger.attachment_count()?, 0);
    assert_eq!(ledger.lease_count_of_namespace("shop")?, 0);
    assert_eq!(ledger.cooling_since(ip("10.0.0.5"))?, Some(NOW - 5));
    assert_eq!(ledger.state_value("last/0")?.unwrap(), b"10.0.0.5");
    assert_eq!(ledger.next_unused(range("10.0.0.5-10.0.0.9"))?, Some(ip("10.0.0.6")));
    check_invariants(&ledger);
    Ok(())
}
