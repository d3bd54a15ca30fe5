//! The default policy: the reference `host-local` plugin's configuration and order of allocation.
//!
//! A configuration has range sets; a container gets one address of each. Within a set addresses are handed out in turn:
//! the search begins behind the last one handed out and comes round to it at the very end.

mod allocation;
mod config;
mod overlap;
mod ranges;

use gingham_sdk::{Answer, Policy, Pool, Problem, Refusal, Request, Route};

pub use config::Config;

/// The policy.
pub struct HostLocal;

impl Policy for HostLocal {
    type Config = Config;

    fn pools(config: &Config) -> Result<Vec<Pool>, Vec<Problem>> {
        ranges::pools(config)
    }

    fn allocate(config: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let addresses = allocation::one_of_each(pools, request)?;
        Ok(Answer {
            addresses,
            routes: Route::as_the_kernel_takes_them(config.routes.as_deref().unwrap_or_default()),
            dns: request.resolv_conf(),
        })
    }
}

gingham_sdk::policy!(HostLocal);
