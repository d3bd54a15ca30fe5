//! A policy of one's own: installed, selected, pinned, replaced, removed.

use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use gingham_tests::guests::{guest, module};
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only_with, bridged_with, with};
use gingham_tests::node::Node;
use serde_json::{Value, json};

fn install(name: &str) -> String {
    let said = ctl(&["policy", "add", module(name).to_str().unwrap(), "--name", name]).done();
    let digest = said.split_whitespace().find(|word| word.starts_with("sha256:"));
    digest.unwrap_or_else(|| panic!("no digest in {said}")).to_owned()
}

fn by_policy(policy: &str) -> Value {
    addresses_only_with(json!({"ipam": {"type": "gingham", "policy": policy, "subnet": null}}))
}

#[test]
fn is_selected_by_policy_and_by_type() {
    let node = Node::new();
    install("honest");
    let main = bridged_with(json!({"ipam": {"type": "honest", "subnet": null}}));
    let c1 = node.container("c1");
    assert_eq!(address(&Cni::add(&main, &c1).run().result()), "10.66.0.2");
    kernel::reaches(&c1, "10.66.0.1".parse().unwrap());
    let by_name = bridged_with(json!({"ipam": {"type": "gingham", "policy": "honest", "subnet": null}}));
    assert_eq!(address(&Cni::add(&by_name, &node.container("c2")).run().result()), "10.66.0.3");
    let as_ipam = by_policy("honest");
    assert_eq!(address(&Cni::add(&as_ipam, &node.container("c3")).run().result()), "10.66.0.4");
}

#[test]
fn is_pinned_by_its_digest() {
    let node = Node::new();
    let digest = install("honest");
    let pinned = by_policy(&format!("honest@{digest}"));
    Cni::add(&pinned, &node.container("c1")).run().result();
    let other = by_policy(&format!("honest@sha256:{}", "0".repeat(64)));
    let fault = Cni::add(&other, &node.container("c2")).run().fault();
    assert_eq!(fault.code, 7, "{fault:?}");
    assert!(fault.msg.contains(&digest) && fault.msg.contains(&"0".repeat(64)), "{fault:?}");
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.66.0.2"]);
}

#[test]
fn a_built_in_policy_is_pinned_too() {
    let node = Node::new();
    let list: Value = serde_json::from_str(&ctl(&["policy", "list", "--json"]).done()).unwrap();
    let entry = list.as_array().unwrap().iter().find(|entry| entry["name"] == "host-local").unwrap();
    let digest = entry["digest"].as_str().unwrap();
    let pinned = |digest: &str| {
        addresses_only_with(json!({"ipam": {"type": "gingham", "policy": format!("host-local@{digest}")}}))
    };
    Cni::add(&pinned(digest), &node.container("c1")).run().result();
    let wrong = pinned(&format!("sha256:{}", "a".repeat(64)));
    assert_eq!(Cni::add(&wrong, &node.container("c2")).run().fault().code, 7);
}

#[test]
fn an_update_counts_from_the_next_add_on_and_a_pin_notices() {
    let node = Node::new();
    let digest = install("honest");
    Cni::add(&by_policy("honest"), &node.container("c1")).run().result();
    ctl(&["policy", "add", module("refuses_for_good").to_str().unwrap(), "--name", "honest"]).done();
    assert_eq!(Cni::add(&by_policy("honest"), &node.container("c2")).run().fault().code, 102);
    assert_eq!(Cni::add(&by_policy(&format!("honest@{digest}")), &node.container("c3")).run().fault().code, 7);
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.66.0.2"]);
}

#[test]
fn is_gone_after_its_removal() {
    let node = Node::new();
    install("honest");
    let c1 = node.container("c1");
    Cni::add(&by_policy("honest"), &c1).run().result();
    ctl(&["policy", "remove", "honest"]).done();
    let fault = Cni::add(&by_policy("honest"), &node.container("c2")).run().fault();
    assert_eq!(fault.code, 7, "{fault:?}");
    assert!(fault.msg.contains("honest") && fault.msg.contains("ginghamctl policy add"), "{fault:?}");
    Cni::del(&by_policy("honest"), &c1).run().succeeds();
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn what_is_no_policy_is_not_installed() {
    let _node = Node::new();
    let empty = wat::parse_str("(component)").unwrap();
    let wasi = wat::parse_str(
        r#"(component (import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result u64))))))"#,
    )
    .unwrap();
    let foreign = wat::parse_str(r#"(component (import "gingham:ipam/disk@0.2.0" (instance)))"#).unwrap();
    let later = wat::parse_str(r#"(component (import "gingham:ipam/leases@0.9.0" (instance)))"#).unwrap();
    let plain = wat::parse_str(r#"(module (func (export "allocate")))"#).unwrap();
    let mut torn = std::fs::read(module("honest")).unwrap();
    torn.truncate(torn.len() / 2);
    let cases: [(&str, &[u8], &str); 8] = [
        ("text", b"this is no policy", "not a WebAssembly"),
        ("nothing", b"", "not a WebAssembly"),
        ("empty", &empty, "gingham:ipam/allocator"),
        ("wasi", &wasi, "wasi:random/random@0.2.0"),
        ("foreign", &foreign, "gingham:ipam/disk@0.2.0"),
        ("later", &later, "gingham:ipam/leases@0.9.0"),
        ("plain", &plain, "not a component"),
        ("torn", &torn, "torn.wasm"),
    ];
    for (name, bytes, text) in cases {
        let file = format!("/run/{name}.wasm");
        std::fs::write(&file, bytes).unwrap();
        let said = ctl(&["policy", "add", &file]).failed();
        assert!(said.contains(text) && said.contains(&file), "{name}: {said}");
        let said = ctl(&["policy", "add", "/run/missing.wasm"]).failed();
        assert!(said.contains("/run/missing.wasm"), "{said}");
    }
    let list: Value = serde_json::from_str(&ctl(&["policy", "list", "--json"]).done()).unwrap();
    assert!(list.as_array().unwrap().iter().all(|entry| entry["builtIn"] == true), "{list}");
}

#[test]
fn a_policy_whose_functions_have_other_types_is_not_installed() {
    let _node = Node::new();
    let component = wat::parse_str(WRONG_TYPES).unwrap();
    std::fs::write("/run/wrong-types.wasm", component).unwrap();
    let said = ctl(&["policy", "add", "/run/wrong-types.wasm"]).failed();
    assert!(said.contains("its functions do not fit gingham:ipam@0.2.0"), "{said}");
}

/// A component with the right names, and functions that take and give nothing.
const WRONG_TYPES: &str = r#"(component
    (core module $m (func (export "f")))
    (core instance $i (instantiate $m))
    (func $f (canon lift (core func $i "f")))
    (instance $allocator (export "check-config" (func $f)) (export "allocate" (func $f)))
    (export "gingham:ipam/allocator@0.2.0" (instance $allocator)))"#;

#[test]
fn names_that_mean_something_else_are_refused() {
    let _node = Node::new();
    let file = module("honest");
    for name in ["host-local", "gingham", "a/b", "", "..", &"n".repeat(65)] {
        ctl(&["policy", "add", file.to_str().unwrap(), "--name", name]).failed();
    }
}

#[test]
fn a_policy_that_wants_to_know_is_told_of_the_end_and_cannot_stop_it() {
    for (name, what) in [("panics_in_release", "no goodbyes"), ("loops_in_release", "fuel")] {
        let node = Node::new();
        guest(name).install();
        let network = with(by_policy(name), json!({"ipam": {"cooldown": "0"}}));
        let c1 = node.container("c1");
        Cni::add(&network, &c1).run().result();
        let outcome = Cni::del(&network, &c1).run();
        outcome.succeeds();
        assert!(outcome.stderr.contains(&format!("policy {name}")), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(what), "{}", outcome.stderr);
        assert_eq!(kernel::leases("mynet"), [""; 0]);
        assert_eq!(address(&Cni::add(&network, &c1).run().result()), "10.66.0.2");
    }
}
