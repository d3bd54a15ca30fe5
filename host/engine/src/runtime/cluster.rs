//! The part of the contract that cluster policies have beyond others: what they are asked, and what they see.

use std::net::IpAddr;

use ipnet::IpNet;

use super::bindings::gingham::ipam::{addresses as wit, attachment, shares};
use super::contract::{BLOCKS, NEXT_BLOCK, SHARE};
use super::convert;
use super::fault::{CallError, PolicyFault};
use super::session::Session;
use super::state::HostState;
use super::view::LeaseView;
use super::weight::Weight;
use crate::address::IpRange;
use crate::attachment::{Problem, Refusal};
use crate::ownership::grid::Grid;

/// The contract's results, as they come.
type DeclaredGrids = Result<Vec<wit::Grid>, Vec<attachment::Problem>>;
type SaidShare = Result<Vec<wit::IpRange>, attachment::Refusal>;
type SaidBlock = Result<wit::IpPrefix, attachment::Refusal>;

/// The calls that only a cluster policy has; see [`super::Policy::is_cluster`]. What they answer is not checked here.
impl<V: LeaseView + 'static> Session<V> {
    /// `blocks`: a grid for each pool, or everything that is wrong with the configuration.
    ///
    /// # Errors
    /// [`CallError`]; the inner result is the policy's word.
    pub fn blocks(&mut self, config: &str) -> Result<Result<Vec<Grid>, Vec<Problem>>, CallError> {
        let (declared,): (DeclaredGrids,) = self.call(BLOCKS, (config,))?;
        match declared {
            Err(problems) => Ok(Err(problems.iter().map(convert::problem_in).collect())),
            Ok(grids) => Ok(Ok(grids.into_iter().map(grid_in).collect::<Result<_, _>>()?)),
        }
    }

    /// `share`: the ranges meant for a member if these are all the members.
    ///
    /// # Errors
    /// [`CallError`]; the inner result is the policy's word.
    pub fn share(
        &mut self,
        config: &str,
        members: &[String],
        member: &str,
    ) -> Result<Result<Vec<IpRange>, Refusal>, CallError> {
        let (said,): (SaidShare,) = self.call(SHARE, (config, members, member))?;
        match said {
            Err(refusal) => Ok(Err(convert::refusal_in(refusal))),
            Ok(ranges) => {
                let ranges = ranges.into_iter().map(convert::range_in).collect::<Result<_, _>>();
                Ok(Ok(ranges.map_err(PolicyFault::from)?))
            }
        }
    }

    /// `next-block`: the block to claim next for a grid, with the cluster in sight.
    ///
    /// # Errors
    /// [`CallError`]; the inner result is the policy's word.
    pub fn next_block(&mut self, config: &str, grid: u32) -> Result<Result<IpNet, Refusal>, CallError> {
        let (said,): (SaidBlock,) = self.call(NEXT_BLOCK, (config, grid))?;
        match said {
            Err(refusal) => Ok(Err(convert::refusal_in(refusal))),
            Ok(block) => Ok(Ok(convert::prefix_in(block).map_err(PolicyFault::from)?)),
        }
    }

    /// [`Session::check_types`] for what a cluster policy has beyond others.
    #[cfg(feature = "compiler")]
    pub(super) fn check_cluster_types(&mut self) -> Result<(), CallError> {
        self.typed::<(&str,), (DeclaredGrids,)>(BLOCKS)?;
        self.typed::<(&str, &[String], &str), (SaidShare,)>(SHARE)?;
        self.typed::<(&str, u32), (SaidBlock,)>(NEXT_BLOCK)?;
        Ok(())
    }
}

fn grid_in(grid: wit::Grid) -> Result<Grid, PolicyFault> {
    let range = convert::prefix_in(grid.range)?;
    Grid::new(range, grid.block_length).map_err(|error| PolicyFault::BadValue { what: format!("it declared {error}") })
}

impl<V: LeaseView + 'static> shares::Host for HostState<V> {
    fn me(&mut self) -> wasmtime::Result<String> {
        let me = self.picture.as_ref().map_or(self.node.as_str(), |picture| picture.me()).to_owned();
        self.charge_for(me.len())?;
        Ok(me)
    }

    fn members(&mut self) -> wasmtime::Result<Vec<String>> {
        let alone = std::slice::from_ref(&self.node);
        let members = self.picture.as_ref().map_or(alone, |picture| picture.members()).to_vec();
        self.charge_for(members.bytes())?;
        Ok(members)
    }

    fn next_unclaimed(
        &mut self,
        within: wit::IpRange,
        after: Option<wit::IpAddress>,
    ) -> wasmtime::Result<Option<wit::IpPrefix>> {
        self.charge()?;
        let within = convert::range_in(within)?;
        let after = after.map(convert::address_in).transpose()?;
        let mut steps = 0;
        let found = self.picture.as_ref().and_then(|picture| picture.find_unclaimed(within, after, &mut steps));
        self.spend(steps)?;
        Ok(found.map(convert::prefix_out))
    }

    fn unclaimed_count(&mut self, within: wit::IpRange) -> wasmtime::Result<u64> {
        self.charge()?;
        let within = convert::range_in(within)?;
        let mut steps = 0;
        let count = self.picture.as_ref().map_or(0, |picture| picture.count_unclaimed(within, &mut steps));
        self.spend(steps)?;
        Ok(count)
    }

    fn claimed(&mut self) -> wasmtime::Result<Vec<wit::IpPrefix>> {
        // Looking at all claimed blocks costs, however few are this member's.
        self.charge_for(self.picture.as_ref().map_or(0, |picture| picture.claimed_count()))?;
        let mine =
            self.picture.as_ref().map(|picture| picture.blocks_of(picture.me()).map(convert::prefix_out).collect());
        let mine: Vec<wit::IpPrefix> = mine.unwrap_or_default();
        self.charge_for(mine.bytes())?;
        Ok(mine)
    }

    fn holder(&mut self, address: wit::IpAddress) -> wasmtime::Result<Option<String>> {
        let address: IpAddr = convert::address_in(address)?;
        let holder = self.picture.as_ref().and_then(|picture| picture.holder_of(address)).map(str::to_owned);
        self.charge_for(holder.bytes())?;
        Ok(holder)
    }
}
