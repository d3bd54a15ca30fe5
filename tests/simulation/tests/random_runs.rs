//! Small clusters in which everything that can go wrong does, from many seeds.

use gingham_simulation::run::Case;

fn run(case: &Case, seeds: std::ops::Range<u64>, steps: u64) {
    for seed in seeds {
        match case.run(seed, steps) {
            Ok(world) => println!("seed {seed}\n{}", world.counts),
            Err(failure) => {
                let short = failure.clone().shrink(4000);
                let json = serde_json::to_string(&short.case).unwrap_or_default();
                panic!("seed {seed}: {}\nshrunk to {}: {}\n{json}", failure.violation.what, short.case.decisions.len(), short.violation.what);
            }
        }
    }
}

#[test]
fn two_nodes_and_one_block() {
    run(&Case { nodes: 2, blocks: 1, bits: 3, pods: 2, ..Case::default() }, 0..6, 50_000);
}
