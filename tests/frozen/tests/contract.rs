//! The contract keeps what was released of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use gingham_frozen::contract::{current, faults, parse, released, text, version};

const RULES: &str = "\
This breaks policies that exist. Within 0.2.x a type never changes, and no function, interface or world goes away. What may
be added, and how, is in docs/policies/versions.md. Take the change back, or make it an addition with a new version.";

#[test]
fn released_versions_are_kept() {
    let released = released();
    assert!(!released.is_empty());
    for released in released {
        let faults = faults(&released, &current());
        let (version, faults) = (version(&released), faults.join("\n  "));
        assert!(faults.is_empty(), "sdk/wit differs from gingham:ipam@{version}:\n  {faults}\n\n{RULES}");
    }
}

/// What is found when one part of the contract is replaced.
#[track_caller]
fn changed(version: &str, before: &str, after: &str) -> Vec<String> {
    let released = &released()[0];
    let text = text(released);
    let changed = text.replacen(before, after, 1);
    assert_ne!(text, changed, "{before:?} is not in the contract");
    faults(released, &parse(&changed.replacen("@0.2.0", &format!("@{version}"), 1)))
}

#[track_caller]
fn is_a_fault(before: &str, after: &str, expected: &str) {
    let faults = changed("0.2.1", before, after);
    assert!(faults.len() == 1 && faults[0].contains(expected), "{faults:?}");
}

#[test]
fn what_policies_rely_on_is_not_changed() {
    is_a_fault(
        "    outside,\n",
        "    outside,\n    lost,\n",
        "interface leases / variant address-state: it was `free,",
    );
    is_a_fault("    length: u8,\n", "    length: u16,\n", "interface addresses / record ip-prefix: it was");
    is_a_fault("freed-at: func() -> u64;", "", "interface leases / resource former-holder / freed-at: it is gone");
    is_a_fault(
        "used-count: func(within: ip-range) -> u64;",
        "used-count: func(within: ip-range) -> u32;",
        "and is `func",
    );
    is_a_fault(
        "constructor(destination: ip-prefix);",
        "constructor(to: ip-prefix);",
        "resource route / constructor: it was",
    );
    is_a_fault("type ipv4-address = tuple<u8, u8, u8, u8>;", "type ipv4-address = u32;", "type ipv4-address: it was");
    is_a_fault("  import log;\n", "", "world imports / import log: it is gone");
}

#[test]
fn what_policies_export_gets_no_addition() {
    let function = "  more: func();\n";
    is_a_fault("interface allocator {\n", &format!("interface allocator {{\n{function}"), "allocator / more: policies");
    is_a_fault(
        "world policy {\n",
        "world policy {\n  export release-hook;\n",
        "world policy / export release-hook: policies",
    );
}

#[test]
fn additions_need_a_version() {
    let before = "interface log {\n";
    let after = "interface clock {\n  zone: func() -> string;\n}\n\ninterface log {\n  flush: func();\n";
    assert_eq!(changed("0.2.1", before, after), Vec::<String>::new());
    let faults = changed("0.2.0", before, after);
    assert!(faults.len() == 3 && faults[0].contains("it is new, and version 0.2.0 is released"), "{faults:?}");
}
