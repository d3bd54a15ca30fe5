//! `ipam.routing`, and how vxlan encapsulates: how the nodes of a cluster reach each other's containers.

use serde::{Deserialize, Deserializer};

use super::value::{number, valid};
use super::{SettingsError, fault};

/// UDP port of vxlan: IANA's.
pub const VXLAN_PORT: u16 = 4789;

/// How a container reaches containers of other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Routing {
    /// The network underneath sees to it.
    #[default]
    None,
    /// A route per claimed block, through its owner's address.
    Direct,
    /// The same through a vxlan device, for nodes with routers between them.
    Vxlan,
}

/// How `routing: vxlan` encapsulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VxlanSettings {
    /// The network's number, 1 to 2^24 - 1; made of the network's name for none.
    pub id: Option<u32>,
    /// The UDP port.
    pub port: u16,
}

impl Default for VxlanSettings {
    fn default() -> Self {
        Self { id: None, port: VXLAN_PORT }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WrittenVxlan {
    #[serde(deserialize_with = "vxlan_id")]
    id: Option<u32>,
    #[serde(deserialize_with = "vxlan_port")]
    port: Option<u16>,
}

impl WrittenVxlan {
    pub(super) fn settings(&self) -> VxlanSettings {
        VxlanSettings { id: self.id, port: self.port.unwrap_or(VXLAN_PORT) }
    }
}

/// What `routing` can be depends on whether nodes share a store.
pub(super) fn check(written: Option<Routing>, is_shared: bool) -> Result<Routing, SettingsError> {
    match written {
        None if is_shared => Ok(Routing::Direct),
        None | Some(Routing::None) => Ok(Routing::None),
        Some(routing) if is_shared => Ok(routing),
        Some(_) => Err(fault(
            "routing",
            "the addresses of other nodes are in the cluster's store: set cluster.store to \"etcd\" or \"kubernetes\", or \
             routing to \"none\"",
        )),
    }
}

pub(super) fn routing<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Routing>, D::Error> {
    valid(from, "routing", "use \"direct\", \"vxlan\" or \"none\"", |value| match value.as_str()? {
        "none" => Some(Some(Routing::None)),
        "direct" => Some(Some(Routing::Direct)),
        "vxlan" => Some(Some(Routing::Vxlan)),
        _ => None,
    })
}

fn vxlan_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    number(from, "VXLAN network identifier", 1..=(1 << 24) - 1)
}

fn vxlan_port<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u16>, D::Error> {
    number(from, "port", 1..=u16::MAX)
}
