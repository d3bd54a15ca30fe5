//! Two ranges, searched from the first address to the one before the last: `span` is not the number of addresses.

use gingham_sdk::leases;
use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, PoolRange, Problem, Refusal, Request};

#[derive(serde::Deserialize)]
struct Config {
    subnets: Vec<IpNet>,
}

struct MissesTheLastAddress;

impl Policy for MissesTheLastAddress {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        let ranges = config.subnets.iter().map(|subnet| PoolRange::of(*subnet).allowing_broadcast_address(true));
        Ok(vec![ranges.fold(Pool::new("subnets"), Pool::range)])
    }

    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let searched = || {
            let ranges = pools[0].ranges().iter().map(PoolRange::range);
            let addresses = ranges.flat_map(|range| (0..range.span()).filter_map(move |offset| range.nth(offset)));
            addresses.into_iter().find(|address| leases::is_free(*address))
        };
        let chosen = pools[0].requested(request)?.or_else(searched);
        let assigned = chosen.and_then(|address| pools[0].assign(address));
        Ok(assigned.ok_or_else(|| pools[0].exhausted())?.into())
    }
}

gingham_sdk::policy!(MissesTheLastAddress);
