//! Logs how long ago the last address was handed out, and panics when the clock was set back meanwhile.

use std::time::{Duration, SystemTime};

use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request, log, state};

#[derive(serde::Deserialize)]
struct Config {
    subnet: IpNet,
}

struct TakesTheClockForSteady;

const LAST: &str = "last";

impl Policy for TakesTheClockForSteady {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    #[allow(clippy::unwrap_used, reason = "this is what is wrong with it")]
    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let now = request.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let last: Option<Duration> = state::get(LAST);
        if let Some(last) = last {
            log::debug(&format!("{} s since the last address", now.checked_sub(last).unwrap().as_secs()));
        }
        state::set(LAST, &now).map_err(|error| Refusal::Other(error.to_string()))?;
        Ok(pools[0].take(request)?.into())
    }
}

gingham_sdk::policy!(TakesTheClockForSteady);
