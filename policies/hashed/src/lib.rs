//! The address follows from the pod's name: the same pod gets the same address, on every node and without any state, as
//! long as it is free. Where it is not, the next free one above it.
//!
//! ```json
//! {"type": "gingham", "policy": "hashed", "subnet": "fd00::/64"}
//! ```

use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request, leases, stable_hash};

/// The keys under `ipam`.
#[derive(serde::Deserialize)]
pub struct Config {
    subnet: IpNet,
}

/// The policy.
pub struct Hashed;

impl Policy for Hashed {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let pool = &pools[0];
        if let Some(requested) = pool.requested(request)? {
            return Ok(pool.assign(requested).ok_or_else(|| pool.exhausted())?.into());
        }
        let range = pool.ranges()[0].range();
        let name = identity(request);
        let size = range.span().saturating_add(1);
        let wanted = range.nth(u128::from(stable_hash(name.as_bytes())) % size).unwrap_or(range.first());
        // Its own address is free to a pod while it cools, and is found only by name.
        let address = if leases::is_free(wanted) { Some(wanted) } else { None };
        let above = || leases::next_free(range.starting_at(wanted)?, None);
        let address = address.or_else(above).or_else(|| pool.first_free());
        let assigned = address.and_then(|address| pool.assign(address)).ok_or_else(|| pool.exhausted())?;
        Ok(Answer::from(assigned).because(format!("the hash of {name:?} leads to {wanted}")))
    }
}

/// The pod's name or, where there is no pod, the container's.
fn identity(request: &Request) -> String {
    match (request.pod_namespace().known(), request.pod_name().known()) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        _ => request.container_id(),
    }
}

gingham_sdk::policy!(Hashed);
