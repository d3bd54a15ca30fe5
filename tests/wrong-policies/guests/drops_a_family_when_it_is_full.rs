//! An address of each family; of one that is full, none, and the container gets the other one alone.

use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request, log};

#[derive(serde::Deserialize)]
struct Config {
    subnets: Vec<IpNet>,
}

struct DropsAFamilyWhenItIsFull;

impl Policy for DropsAFamilyWhenItIsFull {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(config.subnets.iter().map(|subnet| Pool::new(subnet.to_string()).subnet(*subnet)).collect())
    }

    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let mut assigned = Vec::new();
        for pool in pools {
            match pool.take(request) {
                Ok(address) => assigned.push(address),
                Err(Refusal::Exhausted(message)) => log::warn(&message),
                Err(refusal) => return Err(refusal),
            }
        }
        if assigned.is_empty() {
            return Err(Refusal::Exhausted("no IP addresses available in any pool".to_owned()));
        }
        Ok(Answer::of(assigned))
    }
}

gingham_sdk::policy!(DropsAFamilyWhenItIsFull);
