//! The shapes on paper: 0.1.0 and 0.2.0 have one object per family, later versions lists.

use std::net::IpAddr;

use gingham_config::ConfigError as Fault;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CniResult, Dns, Interface, IpConfig, ResultError, Route};
use crate::json::{self, unless_blank};
use crate::version::{SpecVersion, VersionError};

/// 0.3.0 and later.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Lists {
    #[serde(skip_deserializing)]
    cni_version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<Interface>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<ListedIp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
    /// Written always before 1.0.0, as every implementation did.
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<Dns>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ListedIp {
    /// Before 1.0.0.
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<i64>,
    address: IpNet,
    #[serde(default, deserialize_with = "unless_blank", skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
}

/// 0.1.0 and 0.2.0.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Families {
    #[serde(skip_deserializing)]
    cni_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<FamilyIp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<FamilyIp>,
    dns: Dns,
}

#[derive(Debug, Serialize, Deserialize)]
struct FamilyIp {
    ip: IpNet,
    #[serde(default, deserialize_with = "unless_blank", skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
}

/// Why a result cannot be read.
pub(crate) enum ReadFault {
    Shape(Fault),
    Version(VersionError),
}

impl ReadFault {
    pub(crate) fn of(self, origin: &str) -> ResultError {
        let origin = origin.to_owned();
        match self {
            Self::Shape(fault) => ResultError::Malformed { origin, message: fault.to_string() },
            Self::Version(source) => ResultError::Version { origin, source },
        }
    }
}

pub(crate) fn render(result: &CniResult, version: SpecVersion) -> String {
    if version < SpecVersion::V0_3_0 {
        return json::pretty(&Families {
            cni_version: version.as_str(),
            ip4: family(result, true),
            ip6: family(result, false),
            dns: result.dns.clone(),
        });
    }
    json::pretty(&Lists {
        cni_version: version.as_str(),
        interfaces: result.interfaces.clone(),
        ips: result.ips.iter().map(|ip| listed(ip, version)).collect(),
        routes: result.routes.clone(),
        dns: (version < SpecVersion::V1_0_0 || !result.dns.is_empty()).then(|| result.dns.clone()),
    })
}

fn listed(ip: &IpConfig, version: SpecVersion) -> ListedIp {
    let family = if ip.address.addr().is_ipv4() { "4" } else { "6" };
    ListedIp {
        version: (version < SpecVersion::V1_0_0).then_some(family),
        interface: ip.interface.and_then(|index| index.try_into().ok()),
        address: ip.address,
        gateway: ip.gateway,
    }
}

fn family(result: &CniResult, v4: bool) -> Option<FamilyIp> {
    let ip = result.ips.iter().find(|ip| ip.address.addr().is_ipv4() == v4)?;
    let routes = result.routes.iter().filter(|route| route.dst.addr().is_ipv4() == v4);
    let plain = |route: &Route| Route {
        dst: route.dst,
        gw: route.gw,
        mtu: None,
        advmss: None,
        priority: None,
        table: None,
        scope: None,
    };
    Some(FamilyIp { ip: ip.address, gateway: ip.gateway, routes: routes.map(plain).collect() })
}

pub(crate) fn read(value: &Value, config_version: SpecVersion) -> Result<CniResult, ReadFault> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Head {
        cni_version: String,
    }
    let head: Head = gingham_config::from_value(value).map_err(ReadFault::Shape)?;
    let version = match head.cni_version.as_str() {
        "" => config_version,
        text => SpecVersion::read(Some(text)).map_err(ReadFault::Version)?,
    };
    if version < SpecVersion::V0_3_0 {
        return gingham_config::from_value(value).map(from_families).map_err(ReadFault::Shape);
    }
    gingham_config::from_value(value).map(from_lists).map_err(ReadFault::Shape)
}

fn from_lists(lists: Lists) -> CniResult {
    let ip = |ip: ListedIp| IpConfig {
        interface: ip.interface.and_then(|index| index.try_into().ok()),
        address: ip.address,
        gateway: ip.gateway,
    };
    CniResult {
        interfaces: lists.interfaces,
        ips: lists.ips.into_iter().map(ip).collect(),
        routes: lists.routes,
        dns: lists.dns.unwrap_or_default(),
    }
}

fn from_families(families: Families) -> CniResult {
    let mut result = CniResult { dns: families.dns, ..CniResult::default() };
    for family in families.ip4.into_iter().chain(families.ip6) {
        result.ips.push(IpConfig { interface: None, address: family.ip, gateway: family.gateway });
        result.routes.extend(family.routes);
    }
    result
}
