//! Keeps the last sixteen containers, and takes one that comes back for a duplicate: a runtime that retries fails.

use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request, state};

#[derive(serde::Deserialize)]
struct Config {
    subnet: IpNet,
}

struct RefusesContainersThatComeBack;

const RECENT: &str = "recent";

impl Policy for RefusesContainersThatComeBack {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let container = format!("{}/{}", request.container_id(), request.interface_name());
        let mut recent: Vec<String> = state::get(RECENT).unwrap_or_default();
        if recent.contains(&container) {
            return Err(Refusal::Denied(format!("container {container} has an address already")));
        }
        let assigned = pools[0].take(request)?;
        recent.push(container);
        recent.drain(..recent.len().saturating_sub(16));
        state::set(RECENT, &recent).map_err(|error| Refusal::Other(error.to_string()))?;
        Ok(assigned.into())
    }
}

gingham_sdk::policy!(RefusesContainersThatComeBack);
