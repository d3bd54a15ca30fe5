//! The trait an author implements, and the glue between it and the contract.

use std::marker::PhantomData;
use std::net::IpAddr;

use serde::de::DeserializeOwned;

use crate::bindings::plain::gingham::ipam::attachment as wit;
use crate::bindings::{plain, with_release};
use crate::{Answer, Pool, Problem, Refusal, Request, convert, log};

/// An allocation policy.
pub trait Policy {
    /// The configuration: the keys under `ipam` that are not the host's. Keys match fields in any case, `null` means
    /// the default, unknown keys are ignored, and an error names the key.
    type Config: DeserializeOwned;

    /// Where this network's addresses lie. Nothing else is ever handed out.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration, each with its key.
    fn pools(config: &Self::Config) -> Result<Vec<Pool>, Vec<Problem>>;

    /// Chooses addresses for an attachment: at least one, at most one of each pool, all of them free. `pools` is what
    /// [`Policy::pools`] returned.
    ///
    /// # Errors
    /// A refusal, with a sentence for the operator.
    fn allocate(config: &Self::Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal>;
}

/// A policy that wants to know when attachments end; see [`crate::policy!`].
pub trait Release: Policy {
    /// An attachment has ended and its addresses are free.
    fn release(config: &Self::Config, ended: &Ended);
}

/// An attachment that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The runtime's identity of the container.
    pub container_id: String,
    /// The interface in the container.
    pub interface_name: String,
    /// What it held.
    pub addresses: Vec<IpAddr>,
    /// Its pod's namespace, where the runtime had told one.
    pub pod_namespace: Option<String>,
    /// Its pod's name.
    pub pod_name: Option<String>,
    /// Milliseconds since 1970-01-01 UTC.
    pub now: u64,
}

/// A policy behind the world `policy`.
pub struct Plain<P>(PhantomData<P>);

/// A policy behind the world `policy-with-release`.
pub struct WithRelease<P>(PhantomData<P>);

impl<P: Policy> plain::Guest for Plain<P> {
    fn check_config(config: String) -> Result<Vec<wit::Pool>, Vec<wit::Problem>> {
        check_config::<P>(&config)
    }

    fn allocate(config: String, request: &wit::Request) -> Result<wit::Answer, wit::Refusal> {
        allocate::<P>(&config, request)
    }
}

impl<P: Release> with_release::Guest for WithRelease<P> {
    fn check_config(config: String) -> Result<Vec<wit::Pool>, Vec<wit::Problem>> {
        check_config::<P>(&config)
    }

    fn allocate(config: String, request: &wit::Request) -> Result<wit::Answer, wit::Refusal> {
        allocate::<P>(&config, request)
    }

    fn release(config: String, ended: wit::Ended) {
        tell_last_words();
        match gingham_config::from_str(&config) {
            Ok(config) => P::release(&config, &convert::ended_in(ended)),
            Err(error) => log::error(&format!("release was not told to the policy: {error}")),
        }
    }
}

pub(crate) fn check_config<P: Policy>(config: &str) -> Result<Vec<wit::Pool>, Vec<wit::Problem>> {
    tell_last_words();
    let problems = |problems: Vec<Problem>| problems.into_iter().map(convert::problem_out).collect::<Vec<_>>();
    let config = gingham_config::from_str(config).map_err(|error| problems(vec![error.into()]))?;
    let pools = P::pools(&config).map_err(problems)?;
    Ok(pools.iter().map(convert::pool_out).collect())
}

pub(crate) fn allocate<P: Policy>(config: &str, request: &wit::Request) -> Result<wit::Answer, wit::Refusal> {
    tell_last_words();
    let answer = chosen::<P>(config, &Request::new(request)).map_err(convert::refusal_out)?;
    Ok(convert::answer_out(&answer))
}

fn chosen<P: Policy>(config: &str, request: &Request) -> Result<Answer, Refusal> {
    let config = gingham_config::from_str(config).map_err(|error| Refusal::InvalidConfig(error.into()))?;
    // The host calls check-config before and stops there if it fails.
    let pools = P::pools(&config).map_err(|mut problems| match problems.pop() {
        Some(problem) => Refusal::InvalidConfig(problem),
        None => Refusal::Other("the configuration is refused without a reason".to_owned()),
    })?;
    let answer = P::allocate(&config, &pools, request)?;
    let missing: Vec<String> = request
        .requested_addresses()
        .into_iter()
        .filter(|wanted| !answer.addresses.iter().any(|assigned| assigned.address.addr() == *wanted))
        .map(|wanted| wanted.to_string())
        .collect();
    if missing.is_empty() {
        return Ok(answer);
    }
    Err(Refusal::Unavailable(format!("failed to allocate all requested IPs: {}", missing.join(" "))))
}

/// A panic in a component is a bare trap; its message is worth more.
pub(crate) fn tell_last_words() {
    std::panic::set_hook(Box::new(|panic| log::error(&panic.to_string().replace('\n', " "))));
}
