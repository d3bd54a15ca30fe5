//! The policy @NAME@: the lowest free address of a subnet.
//!
//! ```json
//! "ipam": {"type": "gingham", "policy": "@NAME@", "subnet": "10.1.0.0/24"}
//! ```

use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request};

/// The keys under `ipam`.
#[derive(serde::Deserialize)]
pub struct Config {
    subnet: IpNet,
}

/// The policy.
pub struct @PASCAL@;

impl Policy for @PASCAL@ {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![pool(config)?])
    }

    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let assigned = pools[0].take(request)?;
        let pod = request.pod_name().known().unwrap_or_else(|| request.container_id());
        Ok(Answer::from(assigned).because(format!("the lowest free address, for {pod}")))
    }
}

/// Where this network's addresses lie.
fn pool(config: &Config) -> Result<Pool, Vec<Problem>> {
    let subnet = config.subnet;
    if subnet.max_prefix_len() - subnet.prefix_len() < 2 {
        return Err(vec![Problem::new("subnet", format!("{subnet} is too small: use a /29 or larger"))]);
    }
    Ok(Pool::new("subnet").subnet(subnet))
}

gingham_sdk::policy!(@PASCAL@);

#[cfg(test)]
mod tests {
    use super::*;

    // `cargo test` runs on this machine, without the host: leases and requests are for the cases.
    #[test]
    fn a_subnet_without_room_is_a_problem() {
        let of = |subnet: &str| pool(&Config { subnet: subnet.parse().unwrap() });
        assert_eq!(of("10.1.0.0/24").unwrap().ranges()[0].range().to_string(), "10.1.0.0-10.1.0.255");
        assert_eq!(of("10.1.0.0/31").unwrap_err()[0].key, "subnet");
    }
}
