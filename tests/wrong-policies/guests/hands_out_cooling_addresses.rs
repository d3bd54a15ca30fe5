//! Takes the lowest address that is in no lease: that may be one that was freed a moment ago.

use std::collections::BTreeSet;
use std::net::IpAddr;

use gingham_sdk::leases::{self, AddressState};
use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request};

#[derive(serde::Deserialize)]
struct Config {
    subnet: IpNet,
}

struct HandsOutCoolingAddresses;

impl Policy for HandsOutCoolingAddresses {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let range = pools[0].ranges()[0].range();
        let leased: BTreeSet<IpAddr> = leases::list(range).map(|lease| lease.address()).collect();
        let usable = |address: &IpAddr| {
            !matches!(leases::state(*address), AddressState::Unusable | AddressState::Excluded | AddressState::Reserved)
        };
        let unleased = || {
            let addresses = (0..=range.span()).filter_map(|offset| range.nth(offset));
            addresses.filter(|address| !leased.contains(address)).find(usable)
        };
        let chosen = pools[0].requested(request)?.or_else(unleased);
        let assigned = chosen.and_then(|address| pools[0].assign(address));
        Ok(assigned.ok_or_else(|| pools[0].exhausted())?.into())
    }
}

gingham_sdk::policy!(HandsOutCoolingAddresses);
