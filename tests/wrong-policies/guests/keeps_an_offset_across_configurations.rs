//! Goes on where it stopped, by an offset into the subnet: when the configuration gets a smaller one, it panics.

use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request, leases, state};

#[derive(serde::Deserialize)]
struct Config {
    subnet: IpNet,
}

struct KeepsAnOffsetAcrossConfigurations;

const OFFSET: &str = "offset";

impl Policy for KeepsAnOffsetAcrossConfigurations {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    #[allow(clippy::expect_used, reason = "this is what is wrong with it")]
    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let range = pools[0].ranges()[0].range();
        let last = range.nth(state::get(OFFSET).unwrap_or(0)).expect("the last address is one of the subnet");
        let next = || leases::next_free(range, Some(last)).or_else(|| pools[0].first_free());
        let chosen = pools[0].requested(request)?.or_else(next).ok_or_else(|| pools[0].exhausted())?;
        let offset = (0..=range.span()).find(|offset| range.nth(*offset) == Some(chosen));
        state::set(OFFSET, &offset).map_err(|error| Refusal::Other(error.to_string()))?;
        Ok(pools[0].assign(chosen).ok_or_else(|| pools[0].exhausted())?.into())
    }
}

gingham_sdk::policy!(KeepsAnOffsetAcrossConfigurations);
