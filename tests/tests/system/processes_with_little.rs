//! Where a process may not have what WebAssembly needs, the error is about that, and never about the policy.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gingham_tests::binaries::binaries;
use gingham_tests::cni::{Cni, Fault};
use gingham_tests::guests::guest;
use gingham_tests::networks::addresses_only_with;
use gingham_tests::node::Node;
use rustix::mount::{MountFlags, mount_bind, mount_remount};
use serde_json::{Value, json};

const POLICIES: &str = "/var/lib/gingham/policies";

fn network(policy: &str) -> Value {
    addresses_only_with(json!({"ipam": {"type": "gingham", "policy": policy}}))
}

/// An ADD from a shell with this limit of the address space.
fn add_within(node: &Node, kibibytes: u64, container: &str) -> gingham_tests::cni::Outcome {
    let directory = Path::new("/run/limited");
    fs::create_dir_all(directory).unwrap();
    let script = format!("#!/bin/sh\nulimit -v {kibibytes}\nexec {} \"$@\"\n", binaries().plugin.display());
    fs::write(directory.join("gingham"), script).unwrap();
    fs::set_permissions(directory.join("gingham"), fs::Permissions::from_mode(0o755)).unwrap();
    Cni::add(&network("host-local"), &node.container(container)).only_directory(directory).run()
}

fn is_about_the_process(fault: &Fault, words: &[&str]) {
    assert_eq!(fault.code, 5, "{fault:?}");
    for word in words {
        assert!(fault.msg.contains(word), "{fault:?} says {word:?}");
    }
    assert!(!fault.msg.contains("recompile"), "{fault:?}");
}

#[test]
fn too_little_address_space_is_named() {
    let node = Node::new();
    let fault = add_within(&node, 80_000, "c1").fault();
    is_about_the_process(&fault, &["host-local", "address space", "81920000 bytes", "ulimit -v 1048576"]);
}

#[test]
fn a_file_system_without_execution_is_named() {
    let node = Node::new();
    guest("honest").install();
    mount_bind(POLICIES, POLICIES).unwrap();
    mount_remount(POLICIES, MountFlags::BIND | MountFlags::NOEXEC, "").unwrap();
    let honest = addresses_only_with(json!({"ipam": {"type": "gingham", "policy": "honest", "subnet": null}}));
    let fault = Cni::add(&honest, &node.container("c1")).run().fault();
    is_about_the_process(&fault, &["honest", "executable", "noexec", "MemoryDenyWriteExecute"]);
}
