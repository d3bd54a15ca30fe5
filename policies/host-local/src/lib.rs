//! The default policy: the reference `host-local` plugin's configuration and order of allocation.
//!
//! A configuration has range sets; a container gets one address of each. Within a set addresses are handed out in turn:
//! the search begins behind the last one handed out and comes round to it at the very end. A range with `draining` gives
//! out nothing new.

mod allocation;
mod config;
mod overlap;
mod ranges;

use gingham_sdk::{Adopted, AdoptionHook, Answer, Context, Policy, Pool, Problem, Refusal, Request, Route};

pub use config::Config;

/// The policy.
pub struct HostLocal;

impl Policy for HostLocal {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        ranges::pools(config)
    }

    fn allocate(config: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let addresses = allocation::one_of_each(pools, request)?;
        let routes = Route::as_the_kernel_takes_them(config.routes.as_deref().unwrap_or_default());
        Ok(Answer::of(addresses).with_routes(routes).with_dns(request.resolv_conf()))
    }
}

impl AdoptionHook for HostLocal {
    fn adopt(_: &Config, _: &Context, adopted: &Adopted) {
        allocation::go_on_from(adopted);
    }
}

gingham_sdk::policy!(HostLocal, adoption);
