//! Any free address, each about as likely as another. The draw follows from the request's seed, so it can be replayed.
//!
//! ```json
//! {"type": "gingham", "policy": "random", "subnet": "10.1.0.0/16"}
//! ```

use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request, leases};

/// The keys under `ipam`.
#[derive(serde::Deserialize)]
pub struct Config {
    subnet: IpNet,
}

/// The policy.
pub struct Random;

impl Policy for Random {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let pool = &pools[0];
        let range = pool.ranges()[0].range();
        let above = || leases::next_free(range.starting_at(request.random().address(range))?, None);
        let address = pool.requested(request)?.or_else(above).or_else(|| pool.first_free());
        let assigned = address.and_then(|address| pool.assign(address)).ok_or_else(|| pool.exhausted())?;
        Ok(assigned.into())
    }
}

gingham_sdk::policy!(Random);
