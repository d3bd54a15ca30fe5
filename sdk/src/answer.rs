//! What a policy answers.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// One address of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// The address, with the prefix length the container sees.
    pub address: IpNet,
    /// The network's gateway.
    pub gateway: Option<IpAddr>,
}

/// What a container gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// In the order of the result.
    pub addresses: Vec<Assigned>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Name resolution.
    pub dns: Option<Dns>,
}

impl From<Assigned> for Answer {
    fn from(assigned: Assigned) -> Self {
        Self { addresses: vec![assigned], ..Self::default() }
    }
}

/// A route for the container. Its JSON form is CNI's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where it leads.
    pub dst: IpNet,
    /// Next hop; none (in JSON "" as well) means the gateway of the first address of the family.
    #[serde(default, deserialize_with = "unless_blank")]
    pub gw: Option<IpAddr>,
    /// Bytes.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// Bytes.
    #[serde(default)]
    pub advmss: Option<u32>,
    /// Metric.
    #[serde(default)]
    pub priority: Option<u32>,
    /// Table number.
    #[serde(default)]
    pub table: Option<u32>,
    /// 0 global, 253 link, 254 host.
    #[serde(default)]
    pub scope: Option<u32>,
}

impl Route {
    /// The routes with the prefixes that the kernel would make of them.
    pub fn as_the_kernel_takes_them(routes: &[Self]) -> Vec<Self> {
        routes.iter().map(|route| Self { dst: route.dst.trunc(), ..route.clone() }).collect()
    }

    /// What no kernel would take as a route, each with its key under `routes`.
    pub fn problems(routes: &[Self]) -> Vec<Problem> {
        let fault = |route: &Self| match route.gw {
            // Of an IPv6 route the kernel takes the prefix, an IPv4 one it refuses.
            _ if route.dst.addr().is_ipv4() && route.dst != route.dst.trunc() => {
                Some(("dst", format!("{} has host bits set", route.dst)))
            }
            Some(gateway) if gateway.is_ipv4() != route.dst.addr().is_ipv4() => {
                Some(("gw", format!("{gateway} is of another family than {}", route.dst)))
            }
            _ => None,
        };
        let faults = routes.iter().enumerate().filter_map(|(index, route)| fault(route).map(|fault| (index, fault)));
        faults.map(|(index, (key, message))| Problem::new(format!("routes[{index}].{key}"), message)).collect()
    }
}

fn unless_blank<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| D::Error::custom("this is no IP address")),
    }
}

/// Name resolution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// Name servers, the preferred one first.
    pub nameservers: Vec<String>,
    /// Local domain.
    pub domain: Option<String>,
    /// Search list.
    pub search: Vec<String>,
    /// Options.
    pub options: Vec<String>,
}

/// A fault in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key's path: "ranges[0][1].rangeStart".
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// A problem with a key.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

impl From<gingham_config::ConfigError> for Problem {
    fn from(error: gingham_config::ConfigError) -> Self {
        Self::new(error.key(), error.message())
    }
}

/// Why a request is not granted; each text is a sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No address is left. The host may then wake a resting one and ask again.
    Exhausted(String),
    /// An address that was asked for by name cannot be had.
    Unavailable(String),
    /// Not now; the runtime tries again.
    TryAgain(String),
    /// Never.
    Denied(String),
    /// The configuration is at fault.
    InvalidConfig(Problem),
    /// Anything else.
    Other(String),
}
