//! The trait of policies that divide a range among the members of a cluster, and the glue to the contract.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::bindings::cluster::exports::gingham::ipam::cluster;
use crate::bindings::policy::gingham::ipam::{addresses as wit, answers, context};
use crate::guest::{Checked, Exported, log_panics};
use crate::range::number;
use crate::{Context, IpRange, Policy, Problem, Refusal, convert};

/// A policy that divides a range among the members of a cluster; see [`crate::policy!`].
///
/// Members take addresses only from blocks they hold: during [`Policy::allocate`] nothing else is free. When they need
/// more, [`ClusterPolicy::next_block`] names the block to claim, and the host claims it in the cluster's store, so that
/// no two members ever hold the same one.
///
/// ```
/// use gingham_sdk::{ClusterPolicy, Context, Grid, IpNet, IpRange, Problem, Refusal, shares};
/// # use gingham_sdk::{Answer, Policy, Pool, Request};
/// # #[derive(serde::Deserialize)] struct Config { range: IpNet }
/// # struct FirstCome;
/// # impl Policy for FirstCome {
/// #     type Config = Config;
/// #     fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
/// #         Ok(vec![Pool::new("range").subnet(config.range)])
/// #     }
/// #     fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
/// #         Ok(pools[0].take(request)?.into())
/// #     }
/// # }
///
/// impl ClusterPolicy for FirstCome {
///     fn blocks(config: &Config, _: &Context) -> Result<Vec<Grid>, Vec<Problem>> {
///         Ok(vec![Grid::new(config.range, 24).ok_or_else(|| vec![Problem::new("range", "is smaller than /24")])?])
///     }
///     fn share(config: &Config, _: &[String], _: &str) -> Result<Vec<IpRange>, Refusal> {
///         Ok(vec![config.range.into()])
///     }
///     fn next_block(config: &Config, _: &Context, _grid: usize) -> Result<IpNet, Refusal> {
///         shares::next_unclaimed(config.range.into(), None)
///             .ok_or_else(|| Refusal::Exhausted("all blocks are claimed".to_owned()))
///     }
/// }
/// gingham_sdk::policy!(FirstCome, cluster);
/// ```
pub trait ClusterPolicy: Policy {
    /// In which blocks the addresses are claimed: one grid for each of [`Policy::pools`], in the same order, each holding
    /// all ranges of its pool, without common addresses.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration, each with its key.
    fn blocks(config: &Self::Config, context: &Context) -> Result<Vec<Grid>, Vec<Problem>>;

    /// The ranges meant for `member` when these are all the members. It depends on nothing but its arguments, and not on
    /// the order of the members. It is not binding: tools show it.
    ///
    /// # Errors
    /// A refusal, with a sentence for the operator.
    fn share(config: &Self::Config, members: &[String], member: &str) -> Result<Vec<IpRange>, Refusal>;

    /// The block to claim next for a grid, counted from 0: one that [`crate::shares`] shows as unclaimed. If another member
    /// is faster, the host calls again.
    ///
    /// # Errors
    /// [`Refusal::Exhausted`] if no block is left.
    fn next_block(config: &Self::Config, context: &Context, grid: usize) -> Result<IpNet, Refusal>;
}

/// A range in blocks of one size, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    range: IpNet,
    block_length: u8,
}

impl Grid {
    /// The blocks with prefixes of this length. None if such a block is larger than the range, or smaller than an
    /// address.
    pub fn new(range: IpNet, block_length: u8) -> Option<Self> {
        let sound = (range.prefix_len()..=range.max_prefix_len()).contains(&block_length);
        sound.then(|| Self { range: range.trunc(), block_length })
    }

    /// The whole range, without host bits.
    pub fn range(&self) -> IpNet {
        self.range
    }

    /// The prefix length of a block.
    pub fn block_length(&self) -> u8 {
        self.block_length
    }

    /// How many blocks; `u128::MAX` stands for that many or more.
    pub fn block_count(&self) -> u128 {
        let bits = u32::from(self.block_length.saturating_sub(self.range.prefix_len()));
        1_u128.checked_shl(bits).unwrap_or(u128::MAX)
    }

    /// The addresses of the blocks from number `from` to `to`, that one not included. None if there is no such block.
    pub fn span(&self, from: u128, to: u128) -> Option<IpRange> {
        if from >= to || to > self.block_count() {
            return None;
        }
        let last_of_block = 1_u128.checked_shl(self.host_bits()).map_or(u128::MAX, |size| size - 1);
        let begin = |block: u128| self.base() + block.checked_shl(self.host_bits()).unwrap_or(0);
        IpRange::new(self.address(begin(from))?, self.address(begin(to - 1) + last_of_block)?)
    }

    /// The number of the block an address lies in.
    pub fn index_of(&self, address: IpAddr) -> Option<u128> {
        let offset = self.range.contains(&address).then(|| number(address) - self.base())?;
        Some(offset.checked_shr(self.host_bits()).unwrap_or(0))
    }

    /// The block an address lies in.
    pub fn block_of(&self, address: IpAddr) -> Option<IpNet> {
        let inside = self.range.contains(&address);
        inside.then(|| IpNet::new(address, self.block_length).ok()).flatten().map(|block| block.trunc())
    }

    fn base(&self) -> u128 {
        number(self.range.network())
    }

    fn host_bits(&self) -> u32 {
        u32::from(self.range.max_prefix_len().saturating_sub(self.block_length))
    }

    fn address(&self, number: u128) -> Option<IpAddr> {
        match self.range {
            IpNet::V4(_) => u32::try_from(number).ok().map(|number| Ipv4Addr::from(number).into()),
            IpNet::V6(_) => Some(Ipv6Addr::from(number).into()),
        }
    }
}

impl<P: ClusterPolicy> cluster::Guest for Exported<P> {
    fn blocks(config: String, context: &context::Context) -> Result<Vec<wit::Grid>, Vec<answers::Problem>> {
        log_panics();
        let context = Context::new(context);
        let checked = Checked::<P>::read(&config, &context).map_err(convert::problems_out)?;
        let grids = P::blocks(&checked.config, &context).map_err(convert::problems_out)?;
        Ok(grids.into_iter().map(grid_out).collect())
    }

    fn share(config: String, members: Vec<String>, member: String) -> Result<Vec<wit::IpRange>, answers::Refusal> {
        log_panics();
        let config = gingham_config::from_str(&config).map_err(|error| Refusal::InvalidConfig(error.into()));
        let share = config.and_then(|config| P::share(&config, &members, &member));
        share.map(|ranges| ranges.into_iter().map(convert::range_out).collect()).map_err(convert::refusal_out)
    }

    fn next_block(config: String, context: &context::Context, grid: u32) -> Result<wit::IpPrefix, answers::Refusal> {
        log_panics();
        let context = Context::new(context);
        let grid = usize::try_from(grid).unwrap_or(usize::MAX);
        let block = Checked::<P>::of_refusing(&config, &context)
            .and_then(|checked| P::next_block(&checked.config, &context, grid));
        block.map(convert::prefix_out).map_err(convert::refusal_out)
    }
}

fn grid_out(grid: Grid) -> wit::Grid {
    wit::Grid { range: convert::prefix_out(grid.range), block_length: grid.block_length }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(range: &str, block_length: u8, from: u128, to: u128) -> Option<String> {
        let grid = Grid { range: range.parse().unwrap(), block_length };
        grid.span(from, to).map(|span| span.to_string())
    }

    #[test]
    fn blocks_are_counted_from_the_range_s_beginning() {
        let grid = Grid { range: "10.32.0.0/12".parse().unwrap(), block_length: 24 };
        assert_eq!(grid.block_count(), 4096);
        assert_eq!(grid.index_of("10.33.1.7".parse().unwrap()), Some(257));
        assert_eq!(grid.block_of("10.33.1.7".parse().unwrap()), Some("10.33.1.0/24".parse().unwrap()));
        assert_eq!(grid.block_of("10.48.0.0".parse().unwrap()), None);
        assert_eq!(span("10.32.0.0/12", 24, 0, 1).as_deref(), Some("10.32.0.0-10.32.0.255"));
        assert_eq!(span("10.32.0.0/12", 24, 4095, 4096).as_deref(), Some("10.47.255.0-10.47.255.255"));
        assert_eq!(span("10.32.0.0/12", 24, 4095, 4097), None);
        assert_eq!(span("10.32.0.0/12", 24, 7, 7), None);
    }

    #[test]
    fn the_ends_of_both_address_spaces_hold() {
        assert_eq!(span("0.0.0.0/0", 32, 0, 1 << 32).as_deref(), Some("0.0.0.0-255.255.255.255"));
        assert_eq!(span("::/0", 0, 0, 1).as_deref(), Some("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
        let halves = span("::/0", 1, 1, 2);
        assert_eq!(halves.as_deref(), Some("8000::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    }
}
