//! Counts its leases in its state. Nobody calls it when a reboot ends them, so the count stays, and it refuses while
//! addresses are free.

use gingham_sdk::{Answer, Context, Ended, IpNet, Policy, Pool, Problem, Refusal, ReleaseHook, Request, state};

#[derive(serde::Deserialize)]
struct Config {
    subnet: IpNet,
}

struct CountsLeasesInState;

const HELD: &str = "held";

impl Policy for CountsLeasesInState {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let held: u128 = state::get(HELD).unwrap_or(0);
        // Without the network, broadcast and gateway address.
        if held >= pools[0].ranges()[0].range().span() - 2 {
            return Err(pools[0].exhausted());
        }
        let assigned = pools[0].take(request)?;
        state::set(HELD, &(held + 1)).map_err(|error| Refusal::Other(error.to_string()))?;
        Ok(assigned.into())
    }
}

impl ReleaseHook for CountsLeasesInState {
    fn release(_: &Config, _: &Context, _: &Ended) {
        let held: u128 = state::get(HELD).unwrap_or(0);
        // The state may be full, and then the count is one too high.
        let _ = state::set(HELD, &held.saturating_sub(1));
    }
}

gingham_sdk::policy!(CountsLeasesInState, release);
