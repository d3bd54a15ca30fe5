//! The pods of a `StatefulSet` come back to their addresses.
//!
//! ```json
//! {"type": "gingham", "policy": "sticky", "subnet": "10.1.0.0/24", "keepSeconds": 86400}
//! ```
//!
//! A pod's address is reserved for it while it lives and for `keepSeconds` after it ended (a day by default). Where the host
//! does not know who owns a pod, a name that ends like `-0` is taken for one of a `StatefulSet`.

use std::time::Duration;

use gingham_sdk::leases::{self, AddressState};
use gingham_sdk::{
    Answer, Context, Ended, IpNet, OwnerFact, Policy, Pool, Problem, Refusal, ReleaseHook, Request, log, reservations,
    state,
};

/// The keys under `ipam`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    subnet: IpNet,
    #[serde(default = "a_day")]
    keep_seconds: u64,
}

fn a_day() -> u64 {
    86_400
}

/// The policy.
pub struct Sticky;

impl Policy for Sticky {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    fn allocate(config: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let Some(pod) = pod_that_returns(request) else { return Ok(pools[0].take(request)?.into()) };
        let kept = reservations::find(&pod).first().map(|reservation| reservation.address);
        let address = match kept.map(|address| (address, renewed_state(config, &pod, address))) {
            Some((address, AddressState::Free)) => address,
            Some((address, AddressState::Leased)) => {
                let message = format!("{address} of pod {pod} is still leased to its last container");
                return Err(Refusal::TryAgain { message, after: Some(Duration::from_secs(1)) });
            }
            _ => {
                reservations::end(&pod);
                let assigned = pools[0].take(request)?;
                keep(config, &pod, assigned.address.addr());
                assigned.address.addr()
            }
        };
        // For the release; without it the reservation ends earlier.
        let _ = state::set_bytes(&pod, request.container_id().as_bytes());
        let assigned = pools[0].assign(address).ok_or_else(|| pools[0].exhausted())?;
        Ok(Answer::from(assigned).because(format!("reserved for pod {pod}")))
    }
}

impl ReleaseHook for Sticky {
    fn release(config: &Config, _: &Context, ended: &Ended) {
        let (Some(namespace), Some(name)) = (ended.pod_namespace().known(), ended.pod_name().known()) else { return };
        let pod = format!("{namespace}/{name}");
        // The reservation may have ended while the pod lived. A container that the pod had when its owner was another or
        // unknown leaves it alone.
        if state::get_bytes(&pod).is_some_and(|container| container == ended.container_id().as_bytes()) {
            state::delete(&pod);
            ended.addresses().into_iter().for_each(|address| keep(config, &pod, address));
        }
    }
}

/// What an address is to the host, once this call has reserved it again.
fn renewed_state(config: &Config, pod: &str, address: std::net::IpAddr) -> AddressState {
    keep(config, pod, address);
    leases::state(address)
}

/// Without it another pod may get the address later, which is no reason to refuse it now.
fn keep(config: &Config, pod: &str, address: std::net::IpAddr) {
    if let Err(error) = reservations::reserve(pod, address, Duration::from_secs(config.keep_seconds)) {
        log::warn(&format!("cannot reserve {address} for pod {pod}: {error}"));
    }
}

fn pod_that_returns(request: &Request) -> Option<String> {
    let (namespace, name) = (request.pod_namespace().known()?, request.pod_name().known()?);
    let returns = match request.owner() {
        OwnerFact::Known(owner) => owner.kind == "StatefulSet",
        OwnerFact::Absent => false,
        OwnerFact::Unknown => name.rsplit_once('-').is_some_and(|(_, number)| number.parse::<u32>().is_ok()),
    };
    returns.then(|| format!("{namespace}/{name}"))
}

gingham_sdk::policy!(Sticky, release);
