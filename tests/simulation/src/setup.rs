//! What a simulated cluster is made of.

use gingham_ownership::grid::Grid;
use gingham_ownership::rules::Rules;

use crate::chooser::{Component, Native};
use crate::properties::StoreProperties;

#[derive(Debug, Clone)]
pub struct Setup {
    /// The node's name for each machine; two machines may have one name.
    pub nodes: Vec<String>,
    pub grid: Grid,
    /// Processes that run at the same time on one machine.
    pub processes: usize,
    /// Milliseconds.
    pub cooldown: u64,
    pub chooser: Native,
    /// Who proposes blocks in the place of `chooser`: the real component.
    pub component: Option<Component>,
    /// Whether the component chooses the addresses, too. It sees the whole cluster for each.
    pub component_allocates: bool,
    pub rules: Rules,
    pub store: StoreProperties,
    /// Whether only an address that is in use twice counts as a violation.
    pub damage_only: bool,
}

impl Setup {
    /// So many nodes, with a machine each, and a range of so many blocks of 2^`bits` addresses.
    ///
    /// # Panics
    /// If there are more blocks than addresses in 10.0.0.0/8.
    pub fn new(nodes: usize, blocks: u128, bits: u8, rules: Rules) -> Self {
        let blocks_bits = u8::try_from(blocks.next_power_of_two().trailing_zeros()).unwrap_or(u8::MAX);
        let range = ipnet::Ipv4Net::new([10, 32, 0, 0].into(), 32 - bits - blocks_bits);
        let grid = range.ok().and_then(|range| Grid::new(range.into(), 32 - bits).ok());
        let Some(grid) = grid else { panic!("{blocks} blocks of 2^{bits} addresses do not fit") };
        Self {
            nodes: (0..nodes).map(|number| format!("n{number}")).collect(),
            grid,
            processes: 3,
            cooldown: 120_000,
            chooser: Native::OwnShareFirst,
            component: None,
            component_allocates: false,
            rules,
            store: StoreProperties::ETCD,
            damage_only: false,
        }
    }
}
