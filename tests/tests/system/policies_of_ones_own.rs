//! From `ginghamctl policy new` to an address on a node.

use std::fs;
use std::path::Path;
use std::process::Command;

use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use gingham_tests::networks::addresses_only_with;
use gingham_tests::node::Node;
use serde_json::json;

/// Writes a new policy, installs it as it is, and lets two containers have addresses of it.
fn a_new_policy_gives_addresses(language: &str, prepare: impl Fn(&Path)) {
    let node = Node::new();
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("policy");
    let path = directory.to_str().unwrap();
    ctl(&["policy", "new", "of-my-own", "--lang", language, "--dir", path]).done();
    prepare(&directory);
    let installed = ctl(&["policy", "add", path]).done();
    assert!(installed.contains("Installed policy of-my-own"), "{installed}");
    let config =
        addresses_only_with(json!({"ipam": {"type": "gingham", "policy": "of-my-own", "subnet": "10.66.0.0/29"}}));
    for (container, expected) in [("c1", "10.66.0.2"), ("c2", "10.66.0.3")] {
        assert_eq!(address(&Cni::add(&config, &node.container(container)).run().result()), expected);
    }
    let wrong =
        addresses_only_with(json!({"ipam": {"type": "gingham", "policy": "of-my-own", "subnet": "10.66.0.0/31"}}));
    if language == "rust" {
        let fault = Cni::add(&wrong, &node.container("c3")).run().fault();
        assert!(fault.code == 7 && fault.msg.contains("too small"), "{fault:?}");
    }
}

#[test]
fn in_c() {
    let libc = "/usr/lib/wasm32-wasi/libc.a";
    if skipped_tests::has("/usr/bin/clang", "clang")
        && skipped_tests::has("/usr/bin/wasm-ld", "lld")
        && skipped_tests::has(libc, "wasi-libc")
    {
        a_new_policy_gives_addresses("c", |_| {});
    }
}

#[test]
fn in_rust() {
    a_new_policy_gives_addresses("rust", |directory| {
        // Other people's crates that the workspace's policies were built with serve here, too.
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/policies");
        fs::create_dir(directory.join("target")).unwrap();
        let copied = Command::new("cp").arg("-a").arg(built).arg(directory.join("target")).status().unwrap();
        assert!(copied.success());
    });
}
