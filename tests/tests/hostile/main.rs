//! Nothing that a policy does gives a duplicate address, an address outside its pools, a hang, a lost lease or a crash.
//! One guest for each kind of misbehaviour (`tests/hostile/guests`), each in the engine and through the plugin.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod blocks;
mod engine;
mod guest_call;
mod handmade;
mod plugin;
mod resources;

use gingham_engine::compile::Compiler;
use gingham_tests::guests::guest;
use guest_call::{Before, call};
use serde_json::json;

/// A test for each guest: its circumstances, and the CNI code of the error it leads to.
macro_rules! guests {
    ($($name:ident: $call:expr => $code:expr;)*) => {
        $(#[test]
        fn $name() {
            $call.fails(stringify!($name), $code);
        })*
    };
}

guests! {
    panics: call("panics") => 101;
    panics_in_check_config: call("panics_in_check_config") => 101;
    executes_unreachable: call("executes_unreachable") => 101;
    reads_wild_pointer: call("reads_wild_pointer") => 101;
    passes_wild_pointer: call("passes_wild_pointer") => 101;
    passes_bytes_that_are_no_text: call("passes_bytes_that_are_no_text") => 101;
    answers_foreign_handle: call("answers_foreign_handle") => 101;
    overflows_stack: call("overflows_stack") => 101;

    loops_in_allocate: call("loops_in_allocate") => 101;
    loops_in_check_config: call("loops_in_check_config") => 101;
    waits_for_memory: call("waits_for_memory") => 101;
    loops_within_a_bound_of_the_operators: call("loops_in_allocate").with(json!({"limits": {"fuel": 10_000}})) => 101;

    eats_memory: call("eats_memory") => 101;
    eats_memory_within_a_bound_of_the_operators: call("eats_memory").with(json!({"limits": {"memory": "2MiB"}})) => 101;
    makes_100_megabytes: call("logs_100_megabytes") => 101;
    logs_100_megabytes: call("logs_100_megabytes").with_room() => 101;
    refuses_in_100_megabytes: call("refuses_in_100_megabytes").with_room() => 101;
    notes_100_megabytes: call("notes_100_megabytes").with_room() => 101;
    notes_under_a_key_of_100_megabytes: call("notes_under_a_key_of_100_megabytes").with_room() => 101;
    names_pool_in_100_megabytes: call("names_pool_in_100_megabytes").with_room() => 101;
    finds_problem_of_100_megabytes: call("finds_problem_of_100_megabytes").with_room() => 101;
    hoards_pools: call("hoards_pools").with_room() => 101;
    hoards_answers: call("hoards_answers").with_room() => 101;
    hoards_routes: call("hoards_routes").with_room() => 101;
    refuses_at_length: call("refuses_at_length") => 102;
    finds_countless_problems: call("finds_countless_problems") => 7;

    asks_without_end: call("asks_without_end").with_room() => 101;
    reads_request_without_end: call("reads_request_without_end").with_room() => 101;
    lists_keys_without_end: call("lists_keys_without_end").with_room() => 101;
    rereads_note_without_end: call("rereads_note_without_end").with_room() => 101;
    reserves_without_end: call("reserves_without_end").with_room() => 101;

    declares_no_pool: call("declares_no_pool") => 101;
    declares_empty_pool: call("declares_empty_pool") => 101;
    declares_too_many_pools: call("declares_too_many_pools") => 101;
    declares_overlapping_pools: call("declares_overlapping_pools") => 101;
    declares_range_outside_prefix: call("declares_range_outside_prefix") => 101;
    declares_backward_range: call("declares_backward_range") => 101;
    declares_overlong_prefix: call("declares_overlong_prefix") => 101;

    answers_leased: call("answers_always_the_same").when(Before::Leased) => 101;
    answers_resting: call("answers_always_the_same").when(Before::Resting) => 101;
    answers_excluded: call("answers_always_the_same").with(json!({"exclude": ["10.66.0.0/30"]})) => 101;
    answers_other_family: call("answers_other_family") => 101;
    answers_mapped_address: call("answers_mapped_address") => 101;
    answers_outside: call("answers_outside") => 101;
    answers_network_address: call("answers_network_address") => 101;
    answers_broadcast: call("answers_broadcast") => 101;
    answers_gateway: call("answers_gateway") => 101;
    answers_twice: call("answers_twice") => 101;
    answers_two_of_one_pool: call("answers_two_of_one_pool") => 101;
    answers_nothing: call("answers_nothing") => 101;
    answers_33_addresses: call("answers_33_addresses") => 101;
    answers_257_routes: call("answers_257_routes") => 101;
    answers_the_world_on_link: call("answers_the_world_on_link") => 101;
    answers_overlong_prefix: call("answers_overlong_prefix") => 101;
    answers_gateway_of_other_family: call("answers_gateway_of_other_family") => 101;
    answers_itself_as_gateway: call("answers_itself_as_gateway") => 101;
    answers_undeclared_gateway: call("answers_undeclared_gateway") => 101;
    answers_other_than_asked_for: call("honest").asked_for("10.66.0.77") => 101;
    answers_route_with_host_bits: call("answers_route_with_host_bits") => 101;
    answers_route_of_two_families: call("answers_route_of_two_families") => 101;
    answers_dns_with_line_break: call("answers_dns_with_line_break") => 101;

    refuses_exhausted: call("refuses_exhausted") => 103;
    refuses_exhausted_while_addresses_rest: call("refuses_exhausted").when(Before::Resting) => 103;
    refuses_unavailable: call("refuses_unavailable") => 103;
    refuses_for_now: call("refuses_for_now") => 11;
    refuses_for_good: call("refuses_for_good") => 102;
    refuses_otherwise: call("refuses_otherwise") => 102;
    refuses_its_configuration: call("refuses_its_configuration") => 7;
    finds_problems: call("finds_problems") => 7;
    forges_log_lines: call("forges_log_lines") => 102;

    notes_and_panics: call("notes_and_panics") => 101;
    notes_and_refuses: call("notes_and_refuses") => 102;
    notes_and_answers_gateway: call("notes_and_answers_gateway") => 101;
    reserves_and_panics: call("reserves_and_panics") => 101;
}

/// As the main plugin: neither bridge nor link nor masquerade comes of a guest.
#[test]
fn a_fault_names_the_functions_on_the_stack() {
    let outcome = engine::Network::new(&json!({})).add(&guest("overflows_stack"), "victim", &[]);
    let fault = outcome.answer.map(|granted| granted.answer).expect_err("the misbehaviour was rewarded").to_string();
    assert!(fault.contains("overflows_stack::"), "{fault}");
}

#[test]
fn no_sin_touches_the_kernel() {
    let guests = ["panics", "loops_in_check_config", "eats_memory", "answers_gateway", "refuses_for_good"];
    guests.into_iter().for_each(plugin::leaves_no_link);
}

/// What is bounded and not forbidden: the notes stay within their bound, and are kept.
#[test]
fn garbage_in_the_notes_is_bounded_and_kept() {
    let network = engine::Network::new(&json!({}));
    let outcome = network.add(&guest("notes_garbage"), "c1", &[]);
    outcome.answer.expect("bounded notes are no fault");
    let told: Vec<&str> = outcome.log.iter().map(|line| line.message.as_str()).collect();
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "errors", omit_expression => true }, {
        insta::assert_snapshot!("notes_garbage", format!("{}\n{}", told.join("\n"), network.state()));
    });
    network.add(&guest("honest"), "c2", &[]).answer.expect("the store works with full notes");
}

/// An address that one call reserved is no other call's, whatever the policy.
#[test]
fn a_reserved_address_is_refused_to_who_did_not_reserve_it() {
    let network = engine::Network::new(&json!({"cooldown": "0"}));
    network.add(&guest("keeps_the_first_address"), "c1", &[]).answer.expect("keeping one is no fault");
    assert_eq!(network.state(), "c1 eth0 [10.66.0.3]\nreserved 10.66.0.2 for \"somebody\"\n");
    let stolen = network.add(&guest("answers_always_the_same"), "c2", &[]).answer;
    assert_eq!(
        stolen.map(|granted| granted.answer).unwrap_err().to_string(),
        "policy answers_always_the_same: allocate: it answered 10.66.0.2, which is reserved, and this call did not reserve it under \
         the same key"
    );
    let next = network.add(&guest("honest"), "c3", &[]).answer.expect("another is free");
    assert_eq!(next.answer.addresses[0].address.to_string(), "10.66.0.4/24");
}

#[test]
fn an_adoption_that_a_policy_chokes_on_is_an_adoption_all_the_same() {
    let network = engine::Network::new(&json!({}));
    let log = network.adopt(&guest("panics_in_adopt"), "theirs", "10.66.0.7");
    let told = log.last().map(|line| line.message.as_str()).unwrap_or_default();
    assert!(
        told.starts_with(
            "leases were adopted, but the adoption hook failed: policy panics_in_adopt: adopt: it panicked at "
        ),
        "{told}"
    );
    assert_eq!(network.state(), "theirs eth0 [10.66.0.7]\n", "no note, no reservation");
}

#[test]
fn chatter_is_cut() {
    let network = engine::Network::new(&json!({}));
    let outcome = network.add(&guest("chatters"), "c1", &[]);
    outcome.answer.expect("talking is no fault");
    assert_eq!(outcome.log.len(), 65);
    assert_eq!(outcome.log[64].message, "936 more lines were dropped");
}

#[test]
fn a_release_that_fails_frees_the_address_and_writes_no_note() {
    for name in ["panics_in_release", "loops_in_release"] {
        let network = engine::Network::new(&json!({"cooldown": "0"}));
        let sinner = guest(name);
        network.add(&sinner, "c1", &[]).answer.expect("it allocates honestly");
        let log = network.delete(Some(&sinner), "c1");
        let told = log.last().map(|line| line.message.as_str()).unwrap_or_default();
        assert!(
            told.starts_with(&format!("the address is free, but the release hook failed: policy {name}: ")),
            "{told}"
        );
        assert_eq!(network.state(), "one rests\n", "no lease, no note");
    }
}

/// An endless loop before any function is called: in the start function of a component made by hand. It is not even
/// compiled, and would be stopped on a node all the same.
#[test]
fn loops_at_start() {
    let spin = "(core module $m (func $spin (loop (br 0))) (start $spin)) (core instance (instantiate $m))";
    let component = handmade::component(spin);
    let error =
        Compiler::new().unwrap().compile(&component).map(|compiled| compiled.surface).expect_err("it never starts");
    assert_eq!(
        error.to_string(),
        "this policy does not start: start: it used more than 100000000 fuel (ipam.limits.fuel) and was stopped, in spin; \
         reproduce it with `ginghamctl policy call`"
    );
}
