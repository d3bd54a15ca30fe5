//! Stores the address of every container, and never forgets one that ended.

use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request, state};

#[derive(serde::Deserialize)]
struct Config {
    subnet: IpNet,
}

struct KeepsStateOfEndedContainers;

impl Policy for KeepsStateOfEndedContainers {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let assigned = pools[0].take(request)?;
        let key = format!("container/{}", request.container_id());
        state::set(&key, &assigned.address).map_err(|error| Refusal::Other(error.to_string()))?;
        Ok(assigned.into())
    }
}

gingham_sdk::policy!(KeepsStateOfEndedContainers);
