//! Goes round the whole subnet and skips what is in use: network, broadcast and gateway address are not.

use gingham_sdk::leases::{self, AddressState};
use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request, state};

#[derive(serde::Deserialize)]
struct Config {
    subnet: IpNet,
}

struct WrapsToTheNetworkAddress;

const NEXT: &str = "next";

impl Policy for WrapsToTheNetworkAddress {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let range = pools[0].ranges()[0].range();
        let size = range.span() + 1;
        if let Some(assigned) = pools[0].requested(request)?.and_then(|address| pools[0].assign(address)) {
            return Ok(assigned.into());
        }
        let start: u128 = state::get(NEXT).unwrap_or(2);
        for step in 0..size {
            let offset = (start + step) % size;
            let Some(address) = range.nth(offset) else { continue };
            match leases::state(address) {
                AddressState::Leased | AddressState::Cooling | AddressState::Reserved | AddressState::Excluded => {}
                _ => {
                    state::set(NEXT, &(offset + 1)).map_err(|error| Refusal::Other(error.to_string()))?;
                    return Ok(pools[0].assign(address).ok_or_else(|| pools[0].exhausted())?.into());
                }
            }
        }
        Err(pools[0].exhausted())
    }
}

gingham_sdk::policy!(WrapsToTheNetworkAddress);
