//! The policy @NAME@: a pod that comes back within `keepSeconds` gets its address again.
//!
//! ```json
//! "ipam": {"type": "gingham", "policy": "@NAME@", "subnet": "10.1.0.0/24", "keepSeconds": 600}
//! ```

use std::net::IpAddr;
use std::time::Duration;

use gingham_sdk::{
    Answer, Context, Ended, IpNet, Policy, Pool, Problem, Refusal, ReleaseHook, Request, leases, log, reservations,
};

/// The keys under `ipam`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    subnet: IpNet,
    #[serde(default = "ten_minutes")]
    keep_seconds: u64,
}

fn ten_minutes() -> u64 {
    600
}

/// The policy.
pub struct @PASCAL@;

impl Policy for @PASCAL@ {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    fn allocate(config: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let pod = key(request.pod_namespace().known(), request.pod_name().known());
        if let Some(pod) = pod
            && let Some(address) = find_kept(config, request, &pod)
            && let Some(assigned) = pools[0].assign(address)
        {
            return Ok(Answer::from(assigned).because(format!("kept for {pod}")));
        }
        Ok(pools[0].take(request)?.into())
    }
}

impl ReleaseHook for @PASCAL@ {
    fn release(config: &Config, _: &Context, ended: &Ended) {
        let Some(pod) = key(ended.pod_namespace().known(), ended.pod_name().known()) else { return };
        ended.addresses().into_iter().for_each(|address| keep(config, &pod, address));
    }
}

/// The key of a pod's reservation. None for a container without a pod.
fn key(namespace: Option<String>, name: Option<String>) -> Option<String> {
    Some(format!("{}/{}", namespace?, name?))
}

/// The address kept for the pod, if the request may have it. Another container of the pod may still hold it.
fn find_kept(config: &Config, request: &Request, pod: &str) -> Option<IpAddr> {
    let requested = request.requested_addresses();
    let kept = reservations::find(pod).into_iter().map(|reservation| reservation.address);
    kept.filter(|address| requested.is_empty() || requested.contains(address)).find(|address| {
        // An answer may have a reserved address only if the same call reserves it again, under the same key.
        keep(config, pod, *address);
        leases::is_free(*address)
    })
}

/// Without it another pod may get the address, which is no reason to fail.
fn keep(config: &Config, pod: &str, address: IpAddr) {
    if let Err(error) = reservations::reserve(pod, address, Duration::from_secs(config.keep_seconds)) {
        log::warn(&format!("cannot reserve {address} for {pod}: {error}"));
    }
}

gingham_sdk::policy!(@PASCAL@, release);

#[cfg(test)]
mod tests {
    use super::*;

    // `cargo test` runs on this machine, without the host: leases and requests are for the cases.
    #[test]
    fn only_pods_have_a_key() {
        assert_eq!(key(Some("shop".into()), Some("web-0".into())).as_deref(), Some("shop/web-0"));
        assert_eq!(key(None, Some("web-0".into())), None);
    }
}
