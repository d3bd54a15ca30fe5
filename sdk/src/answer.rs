//! What a policy answers.

use std::net::IpAddr;
use std::time::Duration;

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
#[non_exhaustive]
pub struct Answer {
    /// In the order of the result.
    pub addresses: Vec<Assigned>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Name resolution.
    pub dns: Option<Dns>,
    /// One sentence for people: why it is this answer.
    pub reason: Option<String>,
}

impl Answer {
    /// An answer with these addresses.
    pub fn of(addresses: impl IntoIterator<Item = Assigned>) -> Self {
        Self { addresses: addresses.into_iter().collect(), ..Self::default() }
    }

    /// With these routes.
    #[must_use]
    pub fn with_routes(self, routes: Vec<Route>) -> Self {
        Self { routes, ..self }
    }

    /// With this name resolution, if any.
    #[must_use]
    pub fn with_dns(self, dns: Option<Dns>) -> Self {
        Self { dns, ..self }
    }

    /// With one sentence for people: why it is this answer. It is kept with the lease.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }
}

impl From<Assigned> for Answer {
    fn from(assigned: Assigned) -> Self {
        Self::of([assigned])
    }
}

/// A route for the container. Its JSON form is CNI's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Route {
    /// Where it leads.
    #[serde(rename = "dst")]
    pub destination: IpNet,
    /// Next hop; none (in JSON "" as well) means the gateway of the first address of the family.
    #[serde(rename = "gw", default, deserialize_with = "unless_blank")]
    pub gateway: Option<IpAddr>,
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
    /// A route without any of the options.
    pub fn to(destination: IpNet) -> Self {
        Self { destination, gateway: None, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }

    /// The routes with the prefixes that the kernel would make of them.
    pub fn as_the_kernel_takes_them(routes: &[Self]) -> Vec<Self> {
        routes.iter().map(|route| Self { destination: route.destination.trunc(), ..route.clone() }).collect()
    }

    /// What no kernel would take as a route, each with its key under `routes`.
    pub fn problems(routes: &[Self]) -> Vec<Problem> {
        let fault = |route: &Self| match route.gateway {
            // Of an IPv6 route the kernel takes the prefix, an IPv4 one it refuses.
            _ if route.destination.addr().is_ipv4() && route.destination != route.destination.trunc() => {
                Some(("dst", format!("{} has host bits set", route.destination)))
            }
            Some(gateway) if gateway.is_ipv4() != route.destination.addr().is_ipv4() => {
                Some(("gw", format!("{gateway} must be of the same address family as {}", route.destination)))
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
        Some(text) => text.parse().map(Some).map_err(|_| D::Error::custom(format!("invalid IP address {text:?}"))),
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
#[non_exhaustive]
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
#[non_exhaustive]
pub enum Refusal {
    /// No address is left. The host may then let a cooling one count as free and call again.
    Exhausted(String),
    /// A requested address is not available.
    Unavailable(String),
    /// Not now; the runtime tries again.
    TryAgain {
        /// For the operator.
        message: String,
        /// When, if the policy knows.
        after: Option<Duration>,
    },
    /// Never.
    Denied(String),
    /// The configuration is at fault.
    InvalidConfig(Problem),
    /// Anything else.
    Other(String),
}

impl Refusal {
    /// The sentence for the operator.
    pub fn message(&self) -> &str {
        match self {
            Self::Exhausted(message)
            | Self::Unavailable(message)
            | Self::TryAgain { message, .. }
            | Self::Denied(message)
            | Self::Other(message) => message,
            Self::InvalidConfig(problem) => &problem.message,
        }
    }
}
