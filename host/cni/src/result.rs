//! Results: what an ADD answers, and what delegated plugins and `prevResult` say; in every version's shape.

mod written;

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::unless_blank;
use super::version::{SpecVersion, VersionError};

/// What an ADD made, free of versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CniResult {
    /// Interfaces in the node and in the container.
    pub interfaces: Vec<Interface>,
    pub ips: Vec<IpConfig>,
    pub routes: Vec<Route>,
    pub dns: Dns,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Interface {
    pub name: String,
    /// Its hardware address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// Bytes; 0 if unknown.
    #[serde(skip_serializing_if = "is_zero")]
    pub mtu: u32,
    /// The container's network namespace; empty for the node's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sandbox: String,
    /// Path of a socket that belongs to the interface.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub socket_path: String,
    /// Address on the PCI bus.
    #[serde(rename = "pciID", skip_serializing_if = "String::is_empty")]
    pub pci_id: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An address of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpConfig {
    /// Index into [`CniResult::interfaces`].
    pub interface: Option<usize>,
    /// With the prefix length the container sees.
    pub address: IpNet,
    pub gateway: Option<IpAddr>,
}

/// A route of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub dst: IpNet,
    /// Next hop; none means the first gateway of the family.
    #[serde(default, deserialize_with = "unless_blank", skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advmss: Option<u32>,
    /// Metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// The kernel's scope number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// Addresses of name servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.nameservers.is_empty() && self.domain.is_empty() && self.search.is_empty() && self.options.is_empty()
    }
}

/// A result that cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// It does not have the shape of its version.
    #[error("{origin}: {message}")]
    Malformed {
        /// Whose result: `prevResult`, or another plugin's name.
        origin: String,
        /// The key, what was found and what is expected.
        message: String,
    },
    /// Its version is unknown here.
    #[error("{origin}: {source}")]
    Version { origin: String, source: VersionError },
    /// The oldest versions have to name an address.
    #[error(
        "cannot convert: no valid IP addresses: a result of CNI version {version} needs one; set cniVersion to 0.3.0 or later"
    )]
    NoAddress { version: SpecVersion },
    /// The oldest versions have room for one address of each family.
    #[error("CNI version {version} does not support more than 1 address per family; set cniVersion to 0.3.0 or later")]
    TooManyAddresses { version: SpecVersion },
}

impl CniResult {
    /// Whether the version can carry a result with these addresses. Asked before anything is configured: a result
    /// that cannot be expressed must not be made.
    pub fn fits<'a>(version: SpecVersion, addresses: impl IntoIterator<Item = &'a IpNet>) -> Result<(), ResultError> {
        if version >= SpecVersion::V0_3_0 {
            return Ok(());
        }
        let mut families = HashSet::new();
        for address in addresses {
            if !families.insert(address.addr().is_ipv4()) {
                return Err(ResultError::TooManyAddresses { version });
            }
        }
        if families.is_empty() { Err(ResultError::NoAddress { version }) } else { Ok(()) }
    }

    /// The result as JSON text in the version's shape, without a line break at its end.
    pub fn render(&self, version: SpecVersion) -> Result<String, ResultError> {
        Self::fits(version, self.ips.iter().map(|ip| &ip.address))?;
        Ok(written::render(self, version))
    }

    /// Reads a result. Without a version of its own it has the configuration's. `null` is an empty result.
    pub fn read(origin: &str, value: &Value, config_version: SpecVersion) -> Result<Self, ResultError> {
        written::read(value, config_version).map_err(|fault| fault.of(origin))
    }
}

#[cfg(test)]
mod tests;
