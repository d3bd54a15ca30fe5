//! Whether an attachment is masqueraded is durable, and unknown of those that an older version recorded.

use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries, Masquerade};
use gingham_engine::memory_ledger::MemoryStore;

use crate::fixtures::{Tmpfs, check_invariants, container, ip, open, record};

fn wanted() -> Masquerade {
    Masquerade { wanted: true, within: vec!["10.0.0.0/16".parse().unwrap()], delegated: Vec::new() }
}

fn is_recorded_later<L: Ledger>(ledger: &mut L) {
    ledger.attach(&container("a"), &record(&[ip("10.0.0.2")])).unwrap();
    assert!(ledger.put_masquerade(&container("a"), &wanted()).unwrap());
    assert!(!ledger.put_masquerade(&container("unknown"), &wanted()).unwrap());
    let expected = AttachmentRecord { masquerade: Some(wanted()), ..record(&[ip("10.0.0.2")]) };
    assert_eq!(ledger.attachment(&container("a")).unwrap(), Some(expected.clone()));
    assert_eq!(expected.masqueraded(), [ip("10.0.0.2")]);
    assert_eq!(ledger.attachments().unwrap().len(), 1);
}

#[test]
fn it_can_be_recorded_after_the_attachment() {
    let disk = Tmpfs::of("8m");
    let mut ledger = open(&disk.store());
    is_recorded_later(&mut ledger);
    ledger.commit().unwrap();
    let ledger = open(&disk.store());
    assert_eq!(ledger.attachment(&container("a")).unwrap().unwrap().masquerade, Some(wanted()));
    check_invariants(&ledger);
    is_recorded_later(&mut MemoryStore::new().ledger("net"));
}

#[test]
fn a_record_of_an_older_version_does_not_say() {
    let older = r#"{"addresses": ["10.0.0.2"], "since": 1, "boot": "b", "netns": "/run/netns/x"}"#;
    let older: AttachmentRecord = serde_json::from_str(older).unwrap();
    assert_eq!((older.masquerade.as_ref(), older.masqueraded()), (None, &[][..]));
    let text = serde_json::to_string(&older).unwrap();
    assert!(!text.contains("masquerade"), "{text}");
}

#[test]
fn addresses_of_another_plugin_are_masqueraded_too() {
    let masquerade = Masquerade { delegated: vec![ip("10.9.0.2")], ..wanted() };
    let delegated = AttachmentRecord { masquerade: Some(masquerade), ..record(&[]) };
    assert_eq!(delegated.masqueraded(), [ip("10.9.0.2")]);
    let unwanted = AttachmentRecord { masquerade: Some(Masquerade::default()), ..record(&[ip("10.0.0.2")]) };
    assert!(unwanted.masqueraded().is_empty());
}
