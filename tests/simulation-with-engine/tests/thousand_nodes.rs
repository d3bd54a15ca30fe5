//! A thousand nodes, Weave's range in blocks of 256 addresses, and the real component: equal, cheap, little stranded.

use gingham_simulation::scale::Scale;
use gingham_simulation_with_engine::ledger_disk::LedgerDisk;

#[test]
fn a_thousand_nodes_join_at_once_fill_up_and_some_die() {
    let scale = Scale { nodes: 1000, blocks: 4096, bits: 8, pods: 30, dead: 10, weave_split: true, seed: 1 };
    let figures = match scale.run::<LedgerDisk>() {
        Ok(figures) => figures,
        Err(violation) => panic!("{}", violation.what),
    };
    println!("{figures}");
    assert_eq!(figures.addresses, 1 << 20);
    assert_eq!(figures.shares, (4, 5), "shares differ by one block at most");
    assert_eq!(figures.held, (1, 1));
    assert_eq!(figures.borrowed, 0, "no node takes from another's share while its own has free blocks");
    assert_eq!(figures.steady.calls, 0, "ADD makes no call while the node has free addresses");
    assert_eq!(figures.filling.claims, 1000);
    assert_eq!(figures.stranded, (10 * 256, 0));
}
