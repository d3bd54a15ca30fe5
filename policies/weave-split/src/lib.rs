//! One range for a whole cluster, divided equally among its nodes.
//!
//! A node claims blocks of its own share first, and then unclaimed blocks of whichever other share has most of them; it
//! hands out addresses of the blocks it holds. Shares bind nobody: they say where to begin, so that nodes keep out of
//! each other's way. Who holds a block is decided by the host.

mod allocation;
mod claim;
mod config;
pub mod division;
mod plan;

use std::net::IpAddr;
use std::ops::RangeInclusive;

use gingham_sdk::{Answer, ClusterPolicy, Grid, IpNet, Policy, Pool, Problem, Refusal, Request, Route};

pub use config::Config;
use plan::Plan;

/// The policy.
pub struct WeaveSplit;

impl Policy for WeaveSplit {
    type Config = Config;

    fn pools(config: &Config) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Plan::of(config)?.pool()])
    }

    fn allocate(config: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let plan = plan(config)?;
        let addresses = vec![allocation::choose(&plan, config.pick, &pools[0], request)?];
        Ok(Answer {
            addresses,
            routes: Route::as_the_kernel_takes_them(config.routes.as_deref().unwrap_or_default()),
            dns: request.resolv_conf(),
        })
    }
}

impl ClusterPolicy for WeaveSplit {
    fn blocks(config: &Config) -> Result<Vec<Grid>, Vec<Problem>> {
        Ok(vec![Plan::of(config)?.grid])
    }

    fn share(config: &Config, members: &[String], member: &str) -> Result<Vec<RangeInclusive<IpAddr>>, Refusal> {
        let mut sorted: Vec<&str> = members.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let Ok(index) = sorted.binary_search(&member) else {
            return Err(Refusal::Other(format!("{member} is not among the {} members", sorted.len())));
        };
        let plan = plan(config)?;
        let share = plan.share(sorted.len(), index).and_then(|(from, to)| plan.grid.span(from, to));
        Ok(share.into_iter().collect())
    }

    fn next_block(config: &Config, _grid: usize) -> Result<IpNet, Refusal> {
        claim::next(&plan(config)?)
    }
}

/// The host calls `check-config` before everything else and stops there if it fails.
fn plan(config: &Config) -> Result<Plan, Refusal> {
    Plan::of(config).map_err(|mut problems| Refusal::InvalidConfig(problems.remove(0)))
}

gingham_sdk::policy!(WeaveSplit, cluster);
