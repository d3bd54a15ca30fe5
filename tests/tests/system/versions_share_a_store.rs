//! Two versions of the plugin on one store: what the other one has written is used, and what it wrote beyond that does
//! no harm.

use std::path::Path;

use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use gingham_tests::kernel;
use gingham_tests::networks::bridged_with;
use gingham_tests::node::{Container, DATA, Node};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, EnvFlags, EnvOpenOptions};
use serde_json::{Map, Value, json};

/// The tables of `host/engine/src/store`, by the first byte of a key.
const META: [u8; 2] = [0, 0];
const ATTACHMENTS: u8 = 2;

/// Changes the JSON of the store's description of itself and of its attachments, as another version may have written it.
fn rewrite(meta: impl Fn(&mut Map<String, Value>), attachment: impl Fn(&mut Map<String, Value>)) {
    let mut options = EnvOpenOptions::new();
    let path = Path::new(DATA).join("leases.mdb");
    // SAFETY: no other process is at work on this store now, so the lock that is left out protects from nobody.
    let env = unsafe { options.map_size(1 << 30).flags(EnvFlags::NO_SUB_DIR | EnvFlags::NO_LOCK).open(path) }.unwrap();
    let tree: Database<Bytes, Bytes> = env
        .open_databases_and_commit(env.read_txn().unwrap(), |opener, txn| -> heed::Result<_> {
            opener.open_database::<Bytes, Bytes>(txn, None).map(CommitOrAbort::<_, ()>::Commit)
        })
        .map(|tree| tree.commit().flatten())
        .unwrap()
        .unwrap();
    let mut txn = env.write_txn().unwrap();
    let pairs: Vec<(Vec<u8>, Vec<u8>)> =
        tree.iter(&txn).unwrap().map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect();
    for (key, value) in pairs {
        let change: &dyn Fn(&mut Map<String, Value>) = match key.as_slice() {
            key if *key == META => &meta,
            [ATTACHMENTS, ..] => &attachment,
            _ => continue,
        };
        let mut object: Map<String, Value> = serde_json::from_slice(&value).unwrap();
        change(&mut object);
        tree.put(&mut txn, &key, &serde_json::to_vec(&object).unwrap()).unwrap();
    }
    txn.commit().unwrap();
}

fn network() -> Value {
    bridged_with(json!({"ipMasq": true, "ipam": {"cooldown": "0"}}))
}

fn attached() -> (Node, Container, Value) {
    let node = Node::new();
    let c1 = node.container("c1");
    let result = Cni::add(&network(), &c1).run().result();
    (node, c1, result)
}

/// Everything one does with an attachment of another version.
fn all_verbs(node: &Node, c1: &Container, result: &Value) {
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2"]);
    Cni::check(&network(), c1, result).run().succeeds();
    assert_eq!(Cni::add(&network(), c1).run().fault().code, 104);
    let c2 = node.container("c2");
    assert_eq!(address(&Cni::add(&network(), &c2).run().result()), "10.7.0.3");
    Cni::status(&network()).run().succeeds();
    assert!(ctl(&["leases"]).done().contains("10.7.0.2"));
    Cni::gc(&network(), &[("c1", "eth0")]).run().succeeds();
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2"]);
    Cni::del(&network(), c1).run().succeeds();
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn a_later_one_has_written_more() {
    let (node, c1, result) = attached();
    let more = |object: &mut Map<String, Value>| {
        object.insert("tomorrow".to_owned(), json!({"weather": ["fair", null], "since": 7}));
        object.insert("blob".to_owned(), json!("x".repeat(900)));
    };
    rewrite(more, more);
    all_verbs(&node, &c1, &result);
}

#[test]
fn an_earlier_one_has_written_less() {
    let (node, c1, result) = attached();
    rewrite(
        |_| (),
        |attachment| {
            attachment.remove("netns");
            attachment.remove("pod");
            attachment.remove("reason");
        },
    );
    all_verbs(&node, &c1, &result);
}

/// With other tables it is not to be touched, and nothing of it is.
#[test]
fn a_later_one_has_written_otherwise() {
    let (node, c1, result) = attached();
    let schema =
        |number: u32| move |meta: &mut Map<String, Value>| drop(meta.insert("schema".to_owned(), number.into()));
    rewrite(schema(3), |_| ());
    let before = std::fs::read(Path::new(DATA).join("leases.mdb")).unwrap();
    let calls = [
        Cni::add(&network(), &node.container("stranger")),
        Cni::check(&network(), &c1, &result),
        Cni::gc(&network(), &[]),
    ];
    for call in calls {
        let fault = call.run().fault();
        assert_eq!(fault.code, 5, "{fault:?}");
        assert!(fault.msg.contains("has schema 3") && fault.msg.contains("schema 2"), "{fault:?}");
    }
    assert!(std::fs::read(Path::new(DATA).join("leases.mdb")).unwrap() == before, "the store was changed");
    kernel::reaches(&c1, "10.7.0.1".parse().unwrap());
    rewrite(schema(2), |_| ());
    all_verbs(&node, &c1, &result);
}
