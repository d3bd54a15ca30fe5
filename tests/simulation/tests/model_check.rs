//! Every order of things in a very small cluster: with all rules nothing is wrong; without one, an address is in use on
//! both nodes, and the shortest path there is printed.

use gingham_ownership::rules::{Rule, Rules};
use gingham_simulation::model::{Bounds, Scenario};
use gingham_simulation::properties::StoreProperties;

/// More states than any scenario has.
const MOST: usize = 3_000_000;

const NOTHING: Bounds = Bounds {
    adds: 0,
    dels: 0,
    joins: 0,
    claims: 0,
    releases: 0,
    syncs: 0,
    takeovers: 0,
    silences: 0,
    boots: 0,
    images: 0,
    losses: 0,
    kills: 0,
    repeats: 0,
    labels: 0,
    watched: 0,
    lost_leases: 0,
    sleeps: 0,
    confirms: 0,
};
/// What most scenarios have.
const BASE: Scenario = Scenario { name: "", blocks: 1, processes: 1, store: StoreProperties::ETCD, bounds: NOTHING };
const GIVE_AND_TAKE: Scenario = Scenario {
    name: "a block is given back and claimed by another, and an answer is lost",
    processes: 2,
    bounds: Bounds { adds: 2, claims: 2, releases: 1, syncs: 1, losses: 1, ..NOTHING },
    ..BASE
};
const REPEATED: Scenario = Scenario {
    name: "a block is given back, a call is sent twice and a process killed",
    processes: 2,
    bounds: Bounds { adds: 2, dels: 1, claims: 1, releases: 1, syncs: 1, kills: 1, repeats: 1, ..NOTHING },
    ..BASE
};
const TWO_BLOCKS: Scenario = Scenario {
    name: "two blocks and one that is given back",
    blocks: 2,
    processes: 2,
    bounds: Bounds { adds: 1, claims: 2, releases: 1, syncs: 1, ..NOTHING },
    ..BASE
};
const DEATH: Scenario = Scenario {
    name: "a node dies, is taken over and comes back, and an answer is lost",
    bounds: Bounds { adds: 2, joins: 1, claims: 1, takeovers: 1, boots: 1, losses: 1, ..NOTHING },
    ..BASE
};
const DEATH_AND_KILL: Scenario = Scenario {
    name: "a node dies, is taken over and comes back, and a process is killed",
    bounds: Bounds { adds: 2, joins: 2, claims: 1, takeovers: 1, boots: 1, kills: 1, ..NOTHING },
    ..BASE
};
const OLD_DISK: Scenario = Scenario {
    name: "a node gives a block back and starts from an older image of its disk",
    bounds: Bounds { adds: 2, joins: 1, claims: 2, releases: 2, boots: 1, images: 1, ..NOTHING },
    ..BASE
};
const SILENCE: Scenario = Scenario {
    name: "a node is silent",
    bounds: Bounds { adds: 2, claims: 1, silences: 1, syncs: 1, ..NOTHING },
    ..BASE
};

const TAKEN_BACK: Scenario = Scenario {
    name: "a block is given back, an answer is lost, and the block is taken back",
    processes: 2,
    store: StoreProperties::KUBERNETES,
    bounds: Bounds { adds: 2, claims: 2, releases: 1, syncs: 1, losses: 1, ..NOTHING },
    ..BASE
};
const LABELLED: Scenario = Scenario {
    name: "a block is given back and taken back while others write to its record",
    processes: 2,
    store: StoreProperties::KUBERNETES,
    bounds: Bounds { adds: 2, claims: 1, releases: 1, syncs: 1, losses: 1, labels: 2, ..NOTHING },
    ..BASE
};
const LABELLED_DEATH: Scenario = Scenario {
    name: "a node dies and is taken over while others write to its record",
    store: StoreProperties::KUBERNETES,
    bounds: Bounds { adds: 2, joins: 1, claims: 1, takeovers: 1, boots: 1, labels: 2, ..NOTHING },
    ..BASE
};
const LOST_LEASE: Scenario = Scenario {
    name: "a node's Lease is deleted, and it is taken over by who does not know whether it runs",
    store: StoreProperties::KUBERNETES,
    bounds: Bounds { adds: 2, joins: 1, claims: 1, watched: 1, boots: 1, lost_leases: 1, ..NOTHING },
    ..BASE
};
const ASLEEP: Scenario = Scenario {
    name: "a node is cut off without a boot, is taken over and comes back",
    blocks: 1,
    processes: 1,
    store: StoreProperties::KUBERNETES,
    bounds: Bounds { adds: 2, joins: 1, claims: 1, syncs: 1, takeovers: 1, sleeps: 1, confirms: 1, ..NOTHING },
};
const ASLEEP_AND_LABELLED: Scenario = Scenario {
    name: "the same while others write to the records and an answer is lost",
    bounds: Bounds {
        adds: 1,
        joins: 1,
        claims: 1,
        takeovers: 1,
        sleeps: 1,
        confirms: 2,
        labels: 1,
        losses: 1,
        ..NOTHING
    },
    ..ASLEEP
};
const TWO_READS: StoreProperties = StoreProperties { exact_lists: false, ..StoreProperties::KUBERNETES };
const READ_IN_TWO: Scenario = Scenario {
    name: "lists are two reads, and a node dies, is taken over and comes back",
    store: TWO_READS,
    bounds: Bounds { adds: 2, joins: 1, claims: 1, syncs: 1, takeovers: 1, boots: 1, ..NOTHING },
    ..BASE
};
const GIVEN_BACK_READ_IN_TWO: Scenario = Scenario {
    name: "lists are two reads, and a block is given back and claimed by another",
    processes: 2,
    store: TWO_READS,
    bounds: Bounds { adds: 2, claims: 2, releases: 1, syncs: 1, ..NOTHING },
    ..BASE
};

fn nothing_is_wrong(scenarios: &[Scenario]) {
    for scenario in scenarios {
        let verdict = scenario.check(Rules::default(), false, MOST);
        println!("{}: {} states, {} decisions deep", scenario.name, verdict.states, verdict.depth);
        assert!(verdict.violation.is_none(), "{}: {:#?}", scenario.name, verdict.violation);
    }
}

#[test]
fn with_all_rules_nothing_is_wrong_while_blocks_come_and_go() {
    nothing_is_wrong(&[GIVE_AND_TAKE, REPEATED, TWO_BLOCKS]);
}

#[test]
fn with_all_rules_nothing_is_wrong_whoever_dies_and_comes_back() {
    nothing_is_wrong(&[DEATH, DEATH_AND_KILL, OLD_DISK, SILENCE]);
}

#[test]
fn with_all_rules_nothing_is_wrong_on_kubernetes_while_blocks_come_and_go() {
    nothing_is_wrong(&[TAKEN_BACK, LABELLED]);
}

#[test]
fn with_all_rules_nothing_is_wrong_on_kubernetes_whoever_dies_and_comes_back() {
    nothing_is_wrong(&[LABELLED_DEATH, LOST_LEASE]);
}

#[test]
fn lists_that_are_two_reads_break_no_rule() {
    nothing_is_wrong(&[READ_IN_TWO, GIVEN_BACK_READ_IN_TWO]);
}

/// The shortest way to a violation of a cluster without a countermeasure.
fn shortest(scenario: &Scenario, rules: Rules, damage_only: bool) -> usize {
    let verdict = scenario.check(rules, damage_only, MOST);
    let Some((violation, trace)) = verdict.violation else { panic!("{}: nothing is wrong", scenario.name) };
    println!("{}: {} decisions, {} states: {}", scenario.name, trace.len(), verdict.states, violation.what);
    println!("    {}", serde_json::to_string(&trace).unwrap_or_default());
    trace.len()
}

#[test]
fn without_nonces_a_late_delete_takes_a_block_after_a_write_that_was_answered() {
    let store = StoreProperties { nonces: false, ..StoreProperties::KUBERNETES };
    assert_eq!(shortest(&Scenario { store, ..TAKEN_BACK }, Rules::default(), false), 5);
    // Where nothing is carried out late, no delete is left that could.
    let store = StoreProperties { late_writes: false, ..store };
    nothing_is_wrong(&[Scenario { store, ..TAKEN_BACK }]);
}

#[test]
fn without_the_rule_for_lost_leases_a_living_node_is_taken_over() {
    assert_eq!(shortest(&LOST_LEASE, Rules::without(Rule::R10), true), 20);
}

#[test]
fn without_the_rule_for_silence_a_node_that_is_back_gives_addresses_of_another() {
    // Cut off, taken over, its block claimed and used, and back.
    assert!(shortest(&ASLEEP, Rules::without(Rule::R11), true) < 30);
}

/// A node that wakes up while a takeover of it is under way reads its record before the fence arrives.
#[test]
fn a_confirmation_by_a_read_does_not_end_a_takeover_that_is_under_way() {
    assert_eq!(shortest(&ASLEEP, Rules::without(Rule::R12), false), 14);
}

#[test]
fn with_all_rules_nothing_is_wrong_when_a_node_is_back_without_a_boot() {
    nothing_is_wrong(&[ASLEEP, ASLEEP_AND_LABELLED]);
}

#[test]
fn without_a_rule_both_nodes_use_one_address() {
    let shortest = [
        (Rule::R1, GIVE_AND_TAKE, 11),
        (Rule::R2, GIVE_AND_TAKE, 14),
        (Rule::R3, GIVE_AND_TAKE, 9),
        (Rule::R4, GIVE_AND_TAKE, 14),
        (Rule::R5, DEATH, 24),
        (Rule::R6, DEATH, 32),
        (Rule::R7, DEATH, 26),
        (Rule::R8, SILENCE, 19),
    ];
    for (rule, scenario, decisions) in shortest {
        let verdict = scenario.check(Rules::without(rule), true, MOST);
        let Some((violation, trace)) = verdict.violation else { panic!("{rule:?} is off, and nothing is wrong") };
        println!("{rule:?}: {} decisions, {} states: {}", trace.len(), verdict.states, violation.what);
        println!("    {}", serde_json::to_string(&trace).unwrap_or_default());
        assert!(violation.is_damage);
        assert_eq!(trace.len(), decisions, "{rule:?}");
    }
}
