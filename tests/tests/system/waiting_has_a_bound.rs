//! Nobody waits without a bound for another process, whoever that is and whatever holds it up.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gingham_engine::library::LIBRARY_DIR;
use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use gingham_tests::guests::guest;
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only, addresses_only_with, bridged_with};
use gingham_tests::node::Node;
use rustix::fs::{FlockOperation, flock};
use serde_json::json;

const DATA: &str = "/var/lib/gingham";

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_process_that_keeps_the_store_locked_is_named() {
    let node = Node::new();
    let network = bridged_with(json!({"ipMasq": true}));
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    let result = Cni::add(&network, &c1).run().result();
    let store = File::open(DATA).unwrap();
    flock(&store, FlockOperation::LockExclusive).unwrap();
    let us = format!("pid {}", std::process::id());
    for call in [Cni::add(&network, &c2), Cni::del(&network, &c1), Cni::check(&network, &c1, &result)] {
        let fault = call.run().fault();
        assert_eq!(fault.code, 11, "{fault:?}");
        assert!(fault.msg.contains(DATA) && fault.msg.contains(&us) && fault.msg.contains("try again"), "{fault:?}");
    }
    let said = ctl(&["leases"]).failed();
    assert!(said.contains(&us), "{said}");
    drop(store);
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2"], "what was refused changed nothing");
    Cni::add(&network, &c2).run().result();
    Cni::del(&network, &c1).run().succeeds();
    assert_eq!(kernel::leases("mynet"), ["c2 eth0 10.7.0.3"]);
}

#[test]
fn an_add_that_is_stopped_holds_up_gc_for_a_while_and_other_adds_not_at_all() {
    let node = Node::new();
    let network = bridged_with(json!({}));
    let add = Cni::add(&network, &node.container("c1")).failpoint("add.bridge=stop").start();
    add.await_halt();
    let gc = Cni::gc(&network, &[]).start();
    Cni::add(&network, &node.container("c2")).run().result();
    let fault = gc.end().fault();
    assert_eq!(fault.code, 11, "{fault:?}");
    assert!(fault.msg.contains(&format!("pid {}", add.id())) && fault.msg.contains("stopped"), "{fault:?}");
    assert!(fault.msg.contains("gingham"), "the command: {fault:?}");
    let said = ctl(&["gc"]).failed();
    assert!(said.contains(&format!("pid {}", add.id())), "{said}");
    add.go_on();
    add.end().result();
    Cni::gc(&network, &[]).run().succeeds();
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn what_gingham_makes_is_its_owners_alone() {
    let node = Node::new();
    guest("honest").install();
    assert_eq!((mode(DATA), mode(LIBRARY_DIR)), (0o700, 0o700), "also where a policy is the first that comes");
    let network = bridged_with(json!({"ipMasq": true}));
    Cni::add(&network, &node.container("c1")).run().result();
    Cni::gc(&network, &[("c1", "eth0")]).run().succeeds();
    let mut open = Vec::new();
    let mut waiting = vec![Path::new(DATA).to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            if meta.permissions().mode() & 0o077 != 0 {
                open.push((entry.path(), meta.permissions().mode()));
            }
            waiting.extend(meta.is_dir().then(|| entry.path()));
        }
    }
    assert_eq!(open, []);
}

#[test]
fn a_directory_that_others_can_open_is_closed_to_them() {
    let node = Node::new();
    fs::create_dir(DATA).unwrap();
    fs::set_permissions(DATA, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(address(&Cni::add(&addresses_only(), &node.container("c1")).run().result()), "10.7.0.2");
    assert_eq!(mode(DATA), 0o700);
    fs::set_permissions(DATA, Permissions::from_mode(0o750)).unwrap();
    assert_eq!(address(&Cni::add(&addresses_only(), &node.container("c2")).run().result()), "10.7.0.3");
    assert_eq!(mode(DATA), 0o700);
}

#[test]
fn a_directory_that_others_use_is_refused_until_it_is_closed() {
    let node = Node::new();
    fs::create_dir(DATA).unwrap();
    fs::set_permissions(DATA, Permissions::from_mode(0o755)).unwrap();
    fs::write(format!("{DATA}/somebody's"), "").unwrap();
    let fault = Cni::add(&addresses_only(), &node.container("c1")).run().fault();
    assert_eq!(fault.code, 5, "{fault:?}");
    for word in ["mode 0755", "somebody's", "ipam.dataDir"] {
        assert!(fault.msg.contains(word), "{word}: {fault:?}");
    }
    assert!(!fault.msg.contains("chmod"), "the others would be shut out: {fault:?}");
    assert_eq!(mode(DATA), 0o755, "what is used by others stays as it is");
    fs::set_permissions(DATA, Permissions::from_mode(0o700)).unwrap();
    Cni::add(&addresses_only(), &node.container("c2")).run().result();
}

#[test]
fn a_directory_that_was_the_references_is_closed() {
    let node = Node::new();
    for directory in [DATA.to_owned(), format!("{DATA}/mynet")] {
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(format!("{DATA}/mynet/10.7.0.2"), "c0\r\neth0").unwrap();
    let network = addresses_only_with(json!({"ipam": {"dataDir": DATA}}));
    Cni::add(&network, &node.container("c1")).run().result();
    assert_eq!(mode(DATA), 0o700);
}
