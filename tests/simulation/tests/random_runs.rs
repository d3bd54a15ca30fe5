//! Small clusters in which everything that can go wrong does, from many seeds.

use gingham_simulation::disk::LeaseDisk;
use gingham_simulation::properties::StoreProperties;
use gingham_simulation::run::Case;

/// A fixed part of the seeds, so that a red test stays red.
fn run(case: &Case, seeds: std::ops::Range<u64>, steps: u64) {
    let (mut adds, mut claims, mut takeovers) = (0, 0, 0);
    for seed in seeds {
        match case.run::<LeaseDisk>(seed, steps) {
            Ok(world) => {
                adds += world.counts.adds;
                claims += world.counts.claims;
                takeovers += world.counts.takeovers;
                if let Err(violation) = world.settles() {
                    panic!("seed {seed}: in the end {}", violation.what);
                }
            }
            Err(failure) => {
                let short = failure.clone().shrink::<LeaseDisk>(4000);
                let file = serde_json::to_string(&short.case).unwrap_or_default();
                panic!("seed {seed}: {}; shrunk: {}\n{file}", failure.violation.what, short.violation.what);
            }
        }
    }
    println!("{adds} ADDs, {claims} claims, {takeovers} takeovers");
    assert!(adds > 100 && claims > 20 && takeovers > 0, "too little happens: {adds} {claims} {takeovers}");
}

#[test]
fn two_nodes_and_one_block() {
    run(&Case { nodes: 2, blocks: 1, bits: 3, pods: 2, ..Case::default() }, 0..8, 50_000);
}

#[test]
fn three_nodes_and_two_blocks() {
    run(&Case { nodes: 3, blocks: 2, bits: 2, pods: 2, ..Case::default() }, 0..8, 50_000);
}

#[test]
fn five_nodes_and_four_blocks() {
    run(&Case { nodes: 5, blocks: 4, bits: 2, pods: 5, ..Case::default() }, 0..8, 50_000);
}

#[test]
fn two_machines_of_one_name() {
    run(&Case { nodes: 2, twin: true, blocks: 2, bits: 2, pods: 2, ..Case::default() }, 0..8, 50_000);
}

const KUBERNETES: StoreProperties = StoreProperties::KUBERNETES;

#[test]
fn two_nodes_and_one_block_on_kubernetes() {
    run(&Case { nodes: 2, blocks: 1, bits: 3, pods: 2, store: KUBERNETES, ..Case::default() }, 0..8, 50_000);
}

#[test]
fn five_nodes_and_four_blocks_on_kubernetes() {
    run(&Case { nodes: 5, blocks: 4, bits: 2, pods: 5, store: KUBERNETES, ..Case::default() }, 0..8, 50_000);
}

#[test]
fn lists_that_are_two_reads_on_kubernetes() {
    let store = StoreProperties { exact_lists: false, ..KUBERNETES };
    run(&Case { nodes: 3, blocks: 2, bits: 2, pods: 2, store, ..Case::default() }, 0..8, 50_000);
}
