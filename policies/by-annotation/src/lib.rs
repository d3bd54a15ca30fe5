//! A pod names its address by an annotation. A range is kept for such pods.
//!
//! ```json
//! {"type": "gingham", "policy": "by-annotation", "subnet": "10.1.0.0/24", "static": "10.1.0.16/28"}
//! ```
//!
//! A pod with the annotation `gingham/address: 10.1.0.20` gets that address or none. All other pods and containers get
//! the lowest free address outside of `static`. `annotation` sets another key. The runtime passes annotations on if the
//! network has the capability `io.kubernetes.cri.pod-annotations`; without it, pods are refused, because nobody knows
//! which address is theirs.

use std::net::IpAddr;

use gingham_sdk::leases::{self, AddressState};
use gingham_sdk::{Answer, Context, Fact, IpNet, IpRange, Policy, Pool, Problem, Refusal, Request, Requester};

const ANNOTATION: &str = "gingham/address";

/// The keys under `ipam`.
#[derive(serde::Deserialize)]
pub struct Config {
    subnet: IpNet,
    #[serde(rename = "static")]
    kept: Option<IpNet>,
    annotation: Option<String>,
}

/// The policy.
pub struct ByAnnotation;

impl Policy for ByAnnotation {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        if let Some(kept) = config.kept.filter(|kept| !config.subnet.contains(kept)) {
            return Err(vec![Problem::new("static", format!("{kept} is not within subnet {}", config.subnet))]);
        }
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    fn allocate(config: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let key = config.annotation.as_deref().unwrap_or(ANNOTATION);
        if !request.requested_addresses().is_empty() {
            return Ok(pools[0].take(request)?.into());
        }
        match request.pod_annotation(key) {
            Fact::Known(text) => named(key, &text, &pools[0]),
            Fact::Unknown if request.requester() == Requester::Pod => Err(Refusal::Denied(format!(
                "the pod's annotations are unknown; give the network the capability io.kubernetes.cri.pod-annotations \
                 to read {key}"
            ))),
            Fact::Absent | Fact::Unknown => {
                let range = pools[0].ranges()[0].range();
                let address = lowest(range, config.kept.map(IpRange::from));
                Ok(address.and_then(|address| pools[0].assign(address)).ok_or_else(|| pools[0].exhausted())?.into())
            }
        }
    }
}

/// The address that the pod names.
fn named(key: &str, text: &str, pool: &Pool) -> Result<Answer, Refusal> {
    let address: IpAddr =
        text.parse().map_err(|_| Refusal::Denied(format!("annotation {key}: {text:?} is not an IP address")))?;
    match leases::state(address) {
        AddressState::Free => {
            let assigned = pool.assign(address).ok_or_else(|| pool.exhausted())?;
            Ok(Answer::from(assigned).because(format!("named by the annotation {key}")))
        }
        state @ (AddressState::Leased | AddressState::Cooling) => {
            Err(Refusal::TryAgain { message: format!("annotation {key}: {address} is {state}"), after: None })
        }
        state => Err(Refusal::Denied(format!("annotation {key}: {address} is {state}"))),
    }
}

/// The lowest free address outside of what is kept.
fn lowest(range: IpRange, kept: Option<IpRange>) -> Option<IpAddr> {
    let found = leases::next_free(range, None)?;
    match kept.filter(|kept| kept.contains(found)) {
        Some(kept) => leases::next_free(range, Some(kept.last())),
        None => Some(found),
    }
}

gingham_sdk::policy!(ByAnnotation);
