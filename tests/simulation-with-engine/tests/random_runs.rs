//! A small cluster in which everything that can go wrong does, with what a node really has.

use gingham_simulation::disk::LeaseDisk;
use gingham_simulation::run::Case;
use gingham_simulation_with_engine::ledger_disk::LedgerDisk;

#[test]
fn four_nodes_with_the_real_component() {
    let case = Case { nodes: 4, blocks: 4, bits: 3, pods: 8, weave_split: true, ..Case::default() };
    for seed in 0..2 {
        let world = match case.run::<LedgerDisk>(seed, 20_000) {
            Ok(world) => world,
            Err(failure) => {
                let short = failure.clone().shrink::<LedgerDisk>(4000);
                let file = serde_json::to_string(&short.case).unwrap_or_default();
                panic!("seed {seed}: {}; shrunk: {}\n{file}", failure.violation.what, short.violation.what);
            }
        };
        let counts = world.counts;
        println!("{} ADDs, {} claims, {} takeovers", counts.adds, counts.claims, counts.takeovers);
        assert!(counts.adds > 100 && counts.claims > 20, "too little happens: {counts}");
        if let Err(violation) = world.settles() {
            panic!("seed {seed}: in the end {}", violation.what);
        }
    }
}

/// What the simulation has in the place of the ledger hands out the same addresses at the same time.
#[test]
fn the_simulations_disk_does_what_the_engines_ledger_does() {
    let cases = [
        Case { nodes: 2, blocks: 1, bits: 3, pods: 2, ..Case::default() },
        Case { nodes: 3, twin: true, blocks: 2, bits: 2, pods: 3, ..Case::default() },
        Case { nodes: 5, blocks: 4, bits: 2, pods: 5, ..Case::default() },
    ];
    for case in cases {
        for seed in 100..104 {
            let (Ok(plain), Ok(engine)) = (case.run::<LeaseDisk>(seed, 50_000), case.run::<LedgerDisk>(seed, 50_000))
            else {
                panic!("seed {seed}: a violation")
            };
            assert_eq!(plain.counts, engine.counts, "seed {seed}");
            assert_eq!((plain.records, plain.truth), (engine.records, engine.truth), "seed {seed}");
        }
    }
}
