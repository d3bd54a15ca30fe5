//! The policy @NAME@: nodes of a cluster share a range; each claims the first unclaimed block when it needs one.
//!
//! ```json
//! "ipam": {"type": "gingham", "policy": "@NAME@", "range": "10.32.0.0/16", "blockSize": 24, "cluster": {...}}
//! ```

use gingham_sdk::{
    Answer, ClusterPolicy, Context, Grid, IpNet, IpRange, Policy, Pool, Problem, Refusal, Request, shares,
};

/// The keys under `ipam`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The cluster's range.
    range: IpNet,
    /// The prefix length of a block.
    #[serde(default = "of_256_addresses")]
    block_size: u8,
}

fn of_256_addresses() -> u8 {
    24
}

/// The policy.
pub struct @PASCAL@;

impl Policy for @PASCAL@ {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        grid(config)?;
        Ok(vec![Pool::new("range").subnet(config.range)])
    }

    /// Only addresses of blocks that this node holds are free.
    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        Ok(pools[0].take(request)?.into())
    }
}

impl ClusterPolicy for @PASCAL@ {
    fn blocks(config: &Config, _: &Context) -> Result<Vec<Grid>, Vec<Problem>> {
        Ok(vec![grid(config)?])
    }

    /// Every node prefers the whole range: first come, first served.
    fn share(config: &Config, _: &[String], _: &str) -> Result<Vec<IpRange>, Refusal> {
        Ok(vec![config.range.into()])
    }

    fn next_block(config: &Config, _: &Context, _: usize) -> Result<IpNet, Refusal> {
        shares::next_unclaimed(config.range.into(), None)
            .ok_or_else(|| Refusal::Exhausted(format!("all blocks of {} are claimed", config.range)))
    }
}

/// The range in blocks.
fn grid(config: &Config) -> Result<Grid, Vec<Problem>> {
    let (range, length) = (config.range, config.block_size);
    Grid::new(range, length).ok_or_else(|| {
        let (shortest, longest) = (range.prefix_len(), range.max_prefix_len());
        vec![Problem::new("blockSize", format!("a block of {range} has a prefix length from {shortest} to {longest}, not {length}"))]
    })
}

gingham_sdk::policy!(@PASCAL@, cluster);

#[cfg(test)]
mod tests {
    use super::*;

    // `cargo test` runs on this machine, without the host: leases and requests are for the cases.
    #[test]
    fn a_block_is_not_larger_than_the_range() {
        let of = |block_size| grid(&Config { range: "10.32.0.0/16".parse().unwrap(), block_size });
        assert_eq!(of(24).unwrap().block_count(), 256);
        assert_eq!(of(8).unwrap_err()[0].key, "blockSize");
    }
}
