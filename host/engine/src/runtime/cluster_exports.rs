//! The calls of the contract that cluster policies have beyond others.

use ipnet::IpNet;
use wasmtime::component::Resource;

use super::contract::{BLOCKS, NEXT_BLOCK, SHARE};
use super::fault::{CallError, PolicyFault};
use super::session::Session;
use super::v0_2::bindings::gingham::ipam::addresses as wit;
use super::v0_2::convert;
use crate::address::IpRange;
use crate::attachment::{Problem, Refusal};
use gingham_ownership::grid::Grid;

type DeclaredGrids = Result<Vec<wit::Grid>, Vec<Resource<Problem>>>;
type ShareResult = Result<Vec<wit::IpRange>, Resource<Refusal>>;
type NextBlockResult = Result<wit::IpPrefix, Resource<Refusal>>;

/// The calls that only a cluster policy has; see [`super::Policy::is_cluster`]. What they answer is not checked here.
impl Session {
    /// `blocks`: a grid for each pool, or everything that is wrong with the configuration.
    ///
    /// # Errors
    /// [`CallError`]; the inner result is the policy's word.
    pub fn blocks(&mut self, config: &str) -> Result<Result<Vec<Grid>, Vec<Problem>>, CallError> {
        let context = self.context();
        let (declared,): (DeclaredGrids,) = self.call(BLOCKS, (config, context))?;
        match declared {
            Err(problems) => Ok(Err(self.take_all(BLOCKS, problems)?)),
            Ok(grids) => {
                let grids: Result<_, _> = grids.into_iter().map(grid_in).collect();
                Ok(Ok(grids.map_err(|bad| self.fault(BLOCKS, bad))?))
            }
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
        let (answer,): (ShareResult,) = self.call(SHARE, (config, members, member))?;
        match answer {
            Err(refusal) => Ok(Err(self.take(SHARE, refusal)?)),
            Ok(ranges) => {
                let ranges = ranges.into_iter().map(convert::range_in).collect::<Result<_, _>>();
                Ok(Ok(ranges.map_err(|bad| self.fault(SHARE, bad))?))
            }
        }
    }

    /// `next-block`: the block to claim next for a grid, with the cluster in sight.
    ///
    /// # Errors
    /// [`CallError`]; the inner result is the policy's word.
    pub fn next_block(&mut self, config: &str, grid: u32) -> Result<Result<IpNet, Refusal>, CallError> {
        let context = self.context();
        let (answer,): (NextBlockResult,) = self.call(NEXT_BLOCK, (config, context, grid))?;
        match answer {
            Err(refusal) => Ok(Err(self.take(NEXT_BLOCK, refusal)?)),
            Ok(block) => Ok(Ok(convert::prefix_in(block).map_err(|bad| self.fault(NEXT_BLOCK, bad))?)),
        }
    }

    /// [`Session::check_types`] for what a cluster policy has beyond others.
    #[cfg(feature = "compiler")]
    pub(super) fn check_cluster_types(&mut self) -> Result<(), CallError> {
        self.typed::<(&str, Resource<crate::attachment::Context>), (DeclaredGrids,)>(BLOCKS)?;
        self.typed::<(&str, &[String], &str), (ShareResult,)>(SHARE)?;
        self.typed::<(&str, Resource<crate::attachment::Context>, u32), (NextBlockResult,)>(NEXT_BLOCK)?;
        Ok(())
    }
}

fn grid_in(grid: wit::Grid) -> Result<Grid, PolicyFault> {
    let range = convert::prefix_in(grid.range)?;
    Grid::new(range, grid.block_length).map_err(|error| PolicyFault::BadValue { what: format!("it declared {error}") })
}
