//! Gives every pod of a team the same address. Pods without the label `team` are refused, and no configuration names
//! that key.

use gingham_sdk::{Answer, Context, Fact, IpNet, Policy, Pool, Problem, Refusal, Request};

#[derive(serde::Deserialize)]
struct Config {
    subnet: IpNet,
}

struct GivesOneAddressToATeam;

impl Policy for GivesOneAddressToATeam {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let Fact::Known(_) = request.pod_label("team") else {
            return Err(Refusal::Denied("the pod has no label team".to_owned()));
        };
        let requested = pools[0].requested(request)?;
        let second = pools[0].ranges()[0].range().nth(2);
        let assigned = requested.or(second).and_then(|address| pools[0].assign(address));
        Ok(assigned.ok_or_else(|| pools[0].exhausted())?.into())
    }
}

gingham_sdk::policy!(GivesOneAddressToATeam);
