//! The address follows from the pod's name, and every container is taken for a pod's.

use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request, leases, stable_hash};

#[derive(serde::Deserialize)]
struct Config {
    subnet: IpNet,
}

struct NeedsAPodName;

impl Policy for NeedsAPodName {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    #[allow(clippy::expect_used, reason = "this is what is wrong with it")]
    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let name = request.pod_name().known().expect("every pod has a name");
        let range = pools[0].ranges()[0].range();
        let wanted = range.nth(u128::from(stable_hash(name.as_bytes())) % (range.span() + 1));
        let hashed = || leases::next_free(range.starting_at(wanted?)?, None).or_else(|| pools[0].first_free());
        let chosen = pools[0].requested(request)?.or_else(hashed);
        let assigned = chosen.and_then(|address| pools[0].assign(address));
        Ok(assigned.ok_or_else(|| pools[0].exhausted())?.into())
    }
}

gingham_sdk::policy!(NeedsAPodName);
