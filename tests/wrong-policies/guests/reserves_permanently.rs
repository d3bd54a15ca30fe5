//! Reserves each address for its container, and never ends the reservation.

use std::time::Duration;

use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request, reservations};

#[derive(serde::Deserialize)]
struct Config {
    subnet: IpNet,
}

struct ReservesPermanently;

impl Policy for ReservesPermanently {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let container = request.container_id();
        let kept = reservations::find(&container).first().map(|reservation| reservation.address);
        let assigned = match kept.filter(|_| request.requested_addresses().is_empty()) {
            Some(address) => pools[0].assign(address).ok_or_else(|| pools[0].exhausted())?,
            None => pools[0].take(request)?,
        };
        reservations::end(&container);
        reservations::reserve(&container, assigned.address.addr(), Duration::MAX)
            .map_err(|error| Refusal::Other(error.to_string()))?;
        Ok(assigned.into())
    }
}

gingham_sdk::policy!(ReservesPermanently);
