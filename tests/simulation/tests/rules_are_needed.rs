//! Each rule switched off in turn: the simulation finds an address in use on two nodes.

use gingham_simulation::run::Case;

/// Steps of all seeds together after which a rule that is off must have been noticed.
const BOUND: u64 = 4_000_000;
const STEPS: u64 = 20_000;

#[test]
fn without_any_of_the_rules_an_address_is_used_twice() {
    let mut missed = Vec::new();
    for rule in 1..=8 {
        let case = Case {
            nodes: 2,
            blocks: 1,
            bits: 3,
            pods: 2,
            without: Some(format!("R{rule}")),
            damage_only: true,
            ..Case::default()
        };
        let mut steps = 0;
        let mut found = None;
        for seed in 0..BOUND / STEPS {
            match case.run(seed, STEPS) {
                Ok(world) => steps += world.counts.steps,
                Err(failure) => {
                    steps += failure.counts.steps;
                    found = Some((seed, failure));
                    break;
                }
            }
        }
        match found {
            None => missed.push(rule),
            Some((seed, failure)) => {
                let short = failure.clone().shrink(3000);
                println!("R{rule}: seed {seed} after {steps} steps: {}, shrunk to {}", failure.violation.what, short.case.decisions.len());
                println!("    {}", serde_json::to_string(&short.case.decisions).unwrap_or_default());
            }
        }
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
