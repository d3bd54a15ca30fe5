//! One range for a whole cluster, divided equally among its nodes.
//!
//! A node claims blocks of its own share first, and then unclaimed blocks of whichever other share has most of them; it
//! hands out addresses of the blocks it holds. Shares are not binding: they are where to begin, so that nodes keep out of
//! each other's way. Who holds a block is decided by the host.

mod allocation;
mod claim;
mod config;
pub mod division;
mod plan;

use gingham_sdk::{
    Answer, ClusterPolicy, Context, Grid, IpNet, IpRange, Policy, Pool, Problem, Refusal, Request, Route,
};

pub use config::Config;
use plan::Plan;

/// The policy.
pub struct WeaveSplit;

impl Policy for WeaveSplit {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Plan::of(config)?.pool()])
    }

    fn allocate(config: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let plan = plan(config)?;
        let assigned = allocation::choose(&plan, config.pick, &pools[0], request)?;
        let routes = Route::as_the_kernel_takes_them(config.routes.as_deref().unwrap_or_default());
        Ok(Answer::from(assigned).with_routes(routes).with_dns(request.resolv_conf()))
    }
}

impl ClusterPolicy for WeaveSplit {
    fn blocks(config: &Config, _: &Context) -> Result<Vec<Grid>, Vec<Problem>> {
        Ok(vec![Plan::of(config)?.grid])
    }

    fn share(config: &Config, members: &[String], member: &str) -> Result<Vec<IpRange>, Refusal> {
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

    fn next_block(config: &Config, _: &Context, _grid: usize) -> Result<IpNet, Refusal> {
        claim::next(&plan(config)?)
    }
}

/// The host calls `check-config` before everything else and stops there if it fails.
fn plan(config: &Config) -> Result<Plan, Refusal> {
    Plan::of(config).map_err(|mut problems| Refusal::InvalidConfig(problems.remove(0)))
}

gingham_sdk::policy!(WeaveSplit, cluster);
