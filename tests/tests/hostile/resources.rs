//! Components made by hand, each of which wants too much of one thing. None is installed, and one that was installed all
//! the same would not start on a node.

use std::fmt::Write;

use gingham_engine::compile::Compiler;
use gingham_tests::guests::guest;
use serde_json::json;

use crate::engine::Network;
use crate::guest_call::call;
use crate::handmade::component;

/// What `ginghamctl policy add` says of it.
#[track_caller]
fn refusal(parts: &str) -> String {
    let compiled = Compiler::new().unwrap().compile(&component(parts)).map(|compiled| compiled.surface);
    compiled.expect_err("the misbehaviour was rewarded").to_string()
}

#[track_caller]
fn assert_begins(said: &str, expected: &str) {
    assert!(said.starts_with(expected), "{said}");
}

fn too_large(fault: &str) -> String {
    format!("this component is too large for a policy: it has {fault}: build it from fewer or smaller modules")
}

fn times(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, number| {
        writeln!(all, "{}", part(number)).unwrap();
        all
    })
}

fn instances(count: usize) -> String {
    times(count, |_| "(core instance (instantiate $m))".to_owned())
}

#[test]
fn tables_are_counted_over_all_instances() {
    let module = format!("(core module $m {})", times(30, |_| "(table 1 funcref)".to_owned()));
    assert_eq!(
        refusal(&format!("{module}{}", instances(3))),
        "this policy does not start: start: it is made of too many parts (table count too high at 90); link them \
         into fewer modules"
    );
}

#[test]
fn elements_of_tables_are_counted_over_all_tables() {
    let module = format!("(core module $m {})", times(2, |_| "(table 30000 funcref)".to_owned()));
    let expected = "this policy does not start: start: it used more than 100000 elements of tables and was stopped; no limit \
                    of the configuration raises this";
    assert_begins(&refusal(&format!("{module}{}", instances(2))), expected);
    let grows = r"(core module $m (table $t 1 funcref)
        (func $grow (drop (table.grow $t (ref.null func) (i32.const 200000))))
        (start $grow))";
    let said = refusal(&format!("{grows}{}", instances(1)));
    assert_begins(&said, expected);
    assert!(said.contains(", in grow;"), "{said}");
}

#[test]
fn memories_are_counted_and_added_up() {
    let expected = "this policy does not start: start: it is made of too many parts (memory count too high at 5); \
                    link them into fewer modules";
    assert_eq!(refusal(&format!("(core module $m (memory 1)){}", instances(5))), expected);
    // 100 MiB each.
    assert_begins(
        &refusal(&format!("(core module $m (memory 1600)){}", instances(3))),
        "this policy does not start: start: it needed 314572800 bytes of memory, more than 268435456 \
         (ipam.limits.memory), and was stopped",
    );
}

#[test]
fn instances_and_modules_are_counted() {
    // The policy itself is one more.
    assert_eq!(
        refusal(&format!("(core module $m){}", instances(65))),
        too_large("65 core instances, and 64 is the most a policy may have")
    );
    let modules = times(65, |_| "(core module)".to_owned());
    assert_eq!(refusal(&modules), too_large("65 core modules, and 64 is the most a policy may have"));
}

#[test]
fn what_an_instance_holds_is_counted_for_each_of_them() {
    let globals = |count| format!("(core module $m {})", times(count, |_| "(global i32 (i32.const 0))".to_owned()));
    assert_eq!(refusal(&globals(100_001)), too_large("100001 globals, and 100000 is the most a policy may have"));
    let data = format!("(core module $m (memory 100) (data (i32.const 0) {:?}))", "x".repeat(6_000_000));
    assert_eq!(
        refusal(&format!("{data}{}", instances(60))),
        too_large("270000000 bytes in its core instances, and 268435456 is the most a policy may have")
    );
}

#[test]
fn functions_are_bounded_in_what_the_compiler_makes_of_them() {
    let of = |function: &str| refusal(&format!("(core module {function})"));
    assert_eq!(
        of(&format!("(func (local {}))", "i32 ".repeat(20_001))),
        too_large("20001 locals of one core function, and 20000 is the most a policy may have")
    );
    assert_eq!(
        of(&format!("(func (param {}))", "i32 ".repeat(257))),
        too_large("257 parameters of one core function, and 256 is the most a policy may have")
    );
    assert_eq!(
        of(&format!("(type (func (result {})))", "i32 ".repeat(33))),
        too_large("33 results of one core function, and 32 is the most a policy may have")
    );
    assert_eq!(
        of(&format!("(func (local {}) {})", "i32 ".repeat(10_000), "(loop)".repeat(2001))),
        too_large("20010000 branches times locals of one core function, and 20000000 is the most a policy may have")
    );
    let functions = times(260, |_| format!("(func (local {}))", "i32 ".repeat(20_000)));
    assert_eq!(
        of(&functions),
        too_large("5200000 locals of core functions, and 5000000 is the most a policy may have")
    );
}

#[test]
fn types_are_counted() {
    assert_eq!(
        refusal(&times(50_001, |_| "(type string)".to_owned())),
        too_large("50001 types, imports, exports and aliases, and 50000 is the most a policy may have")
    );
}

/// Nested components multiply what they contain, and wasmtime's adapters between them panic in the compiler as it is
/// configured here.
#[test]
fn composed_components_are_refused_before_they_are_compiled() {
    let nested = [
        "(component (component))",
        "(component (core module $m) (core instance (instantiate $m)))",
        "(component $c (core module))",
        r#"(component $c (core module $m (func (export "f"))) (core instance $i (instantiate $m))
            (func (export "f") (canon lift (core func $i "f"))))
            (instance $n (instantiate $c)) (core func (canon lower (func $n "f")))"#,
        "(core module $m) (component (alias outer 1 $m (core module)))",
        r#"(import "m" (core module))"#,
    ];
    for parts in nested {
        let said = refusal(parts);
        assert!(said.contains("it is composed of several components"), "{parts}: {said}");
    }
}

#[test]
fn handles_are_counted() {
    let parts = r#"(type $r (resource (rep i32)))
        (core func $new (canon resource.new $r))
        (core module $m (import "" "new" (func $new (param i32) (result i32)))
            (func $spin (loop (drop (call $new (i32.const 1))) (br 0)))
            (start $spin))
        (core instance (instantiate $m (with "" (instance (export "new" (func $new))))))"#;
    assert_begins(
        &refusal(parts),
        "this policy does not start: start: it kept more than 100000 handles of the host and was stopped; drop what is no \
         longer needed, in spin",
    );
}

/// 100,000 host calls cost as much as 6.4 MB passed to them: the eighth megabyte ends every policy.
#[test]
fn a_host_call_costs_what_it_carries() {
    let calls = [
        "cni-arg",
        "args-label",
        "pod-label",
        "pod-annotation",
        "namespace-label",
        "namespace-annotation",
        "state.get",
        "state.set key",
        "state.set value",
        "state.delete",
        "state.keys prefix",
        "state.keys after",
        "reservations.find",
        "reservations.reserve",
        "reservations.end",
        "leases.of-namespace",
        "leases.count-of-namespace",
        "set-reason",
        "refusal",
        "problem",
        "log",
        "pool",
        "set-dns",
    ];
    for call in calls {
        let network = Network::new(&json!({"call": call}));
        let outcome = network.add(&guest("carries_megabytes"), "c1", &[]);
        let said = outcome.answer.map(|granted| granted.usage).expect_err(call).to_string();
        let expected = "it used more than 100000 host calls (ipam.limits.hostCalls; 64 bytes count as a call)";
        assert!(said.starts_with("policy carries_megabytes: ") && said.contains(expected), "{call}: {said}");
    }
}

#[test]
fn carries_megabytes() {
    call("carries_megabytes").with(json!({"call": "cni-arg"})).fails("carries_megabytes", 101);
}

/// What a policy may cost while the store is locked is what two calls may cost: the rest happens before.
#[test]
fn a_request_calls_allocate_twice_at_most() {
    let network = Network::new(&json!({}));
    network.add(&guest("answers_always_the_same"), "held", &[]).answer.expect("the address is free");
    network.delete(None, "held");
    let outcome = network.add(&guest("counts_its_calls"), "c1", &[]);
    outcome.answer.map(|_| ()).expect_err("it refuses");
    let said: Vec<&str> = outcome.log.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(said, ["check-config", "allocate", "allocate"]);
}
