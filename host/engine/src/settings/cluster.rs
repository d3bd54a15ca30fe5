//! `ipam.cluster` and `ipam.routing`: which cluster a network's range is divided in, and how its nodes reach each other.

use std::net::IpAddr;
use std::path::PathBuf;

use gingham_ownership::etcd_settings::EtcdSettings;
use serde_json::{Map, Value};

use super::etcd::{self, file};
use super::{SettingsError, fault, get};

/// How many claimed and free addresses a node keeps when the configuration does not say.
pub const LOW_WATER: u64 = 64;

/// UDP port of vxlan: IANA's.
pub const VXLAN_PORT: u16 = 4789;

/// Everything that `cluster` may hold.
const KEYS: [&str; 15] = [
    "store",
    "endpoints",
    "members",
    "directory",
    "node",
    "address",
    "prefix",
    "user",
    "password",
    "passwordFile",
    "ca",
    "cert",
    "key",
    "lowWater",
    "vxlan",
];

/// A network's cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// Where the truth is kept.
    pub store: StoreSettings,
    /// This node's name among the members; its host name for none.
    pub node: Option<String>,
    /// This node's address for the other nodes; the source address of its default route for none.
    pub address: Option<IpAddr>,
    /// How many claimed and free addresses are kept ready, so that no ADD waits for the store.
    pub low_water: u64,
    /// How `routing: vxlan` encapsulates.
    pub vxlan: VxlanSettings,
}

impl Default for ClusterSettings {
    /// What holds without `cluster`: a node alone.
    fn default() -> Self {
        Self {
            store: StoreSettings::Local { members: Vec::new() },
            node: None,
            address: None,
            low_water: LOW_WATER,
            vxlan: VxlanSettings::default(),
        }
    }
}

/// A store of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreSettings {
    /// None: this node is alone, or the members are a fixed list and each stays inside its own share.
    Local {
        /// The members' names, sorted; empty for a node alone.
        members: Vec<String>,
    },
    /// etcd, version 3 of its interface.
    Etcd(EtcdSettings),
    /// A directory that all members see: nodes that are namespaces of one machine.
    Directory {
        /// An absolute path.
        path: PathBuf,
    },
}

impl StoreSettings {
    /// Whether other nodes' records can be seen in it.
    pub fn is_shared(&self) -> bool {
        !matches!(self, Self::Local { .. })
    }
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

impl Routing {
    /// Reads `ipam.routing`. What it can be depends on the cluster.
    ///
    /// # Errors
    /// [`SettingsError`] names the key.
    pub(super) fn parse(value: Option<&Value>, cluster: Option<&ClusterSettings>) -> Result<Self, SettingsError> {
        let is_shared = cluster.is_some_and(|cluster| cluster.store.is_shared());
        let routing = match value.map(|value| (value, value.as_str())) {
            None if is_shared => return Ok(Self::Direct),
            None | Some((_, Some("none"))) => return Ok(Self::None),
            Some((_, Some("direct"))) => Self::Direct,
            Some((_, Some("vxlan"))) => Self::Vxlan,
            Some((value, _)) => {
                return Err(fault("routing", format!("{value} is none of \"none\", \"direct\" and \"vxlan\"")));
            }
        };
        if is_shared {
            return Ok(routing);
        }
        Err(fault(
            "routing",
            "the other nodes' addresses are known only from a cluster's store; set cluster.store to \"etcd\", or routing \
             to \"none\"",
        ))
    }
}

impl ClusterSettings {
    /// Reads `ipam.cluster`.
    ///
    /// # Errors
    /// [`SettingsError`] names the key.
    pub(super) fn parse(value: &Value) -> Result<Self, SettingsError> {
        let object = value
            .as_object()
            .ok_or_else(|| fault("cluster", "must be an object, e.g. {\"store\": \"etcd\", \"endpoints\": […]}"))?;
        if let Some(unknown) = object.keys().find(|key| !KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))) {
            return Err(fault(
                format!("cluster.{unknown}"),
                format!("there is no such key; there are {}", KEYS.join(", ")),
            ));
        }
        let node = get(object, "node").map(|value| node("cluster.node", value)).transpose()?;
        let store = store(object)?;
        if let (StoreSettings::Local { members }, Some(node)) = (&store, &node)
            && !members.is_empty()
            && !members.contains(node)
        {
            return Err(fault("cluster.node", format!("{node:?} is not among cluster.members")));
        }
        Ok(Self {
            store,
            node,
            address: get(object, "address").map(address).transpose()?,
            low_water: get(object, "lowWater").map_or(Ok(LOW_WATER), low_water)?,
            vxlan: get(object, "vxlan").map_or(Ok(VxlanSettings::default()), vxlan)?,
        })
    }
}

fn store(object: &Map<String, Value>) -> Result<StoreSettings, SettingsError> {
    let shape = "must be \"etcd\", \"local\" (no store: this node alone, or cluster.members) or \"directory\" (nodes \
                 that are namespaces of one machine)";
    let kind = get(object, "store").ok_or_else(|| fault("cluster.store", format!("is missing; it {shape}")))?;
    let refuse = |keys: &[&str], kind: &str| match keys.iter().find(|key| get(object, key).is_some()) {
        Some(key) => Err(fault(format!("cluster.{key}"), format!("means nothing with the store {kind:?}; remove it"))),
        None => Ok(()),
    };
    match kind.as_str() {
        Some(kind @ "etcd") => {
            refuse(&["members", "directory"], kind)?;
            Ok(StoreSettings::Etcd(etcd::parse(object)?))
        }
        Some(kind @ "local") => {
            refuse(&etcd::KEYS, kind)?;
            refuse(&["directory"], kind)?;
            Ok(StoreSettings::Local { members: get(object, "members").map_or(Ok(Vec::new()), members)? })
        }
        Some(kind @ "directory") => {
            refuse(&etcd::KEYS, kind)?;
            refuse(&["members"], kind)?;
            let path = file(object, "directory")?
                .ok_or_else(|| fault("cluster.directory", "is missing; name the directory that all members see"))?;
            Ok(StoreSettings::Directory { path })
        }
        _ => Err(fault("cluster.store", format!("{kind} is no store; it {shape}"))),
    }
}

fn members(value: &Value) -> Result<Vec<String>, SettingsError> {
    let shape = "list the names of all nodes, e.g. [\"node-1\", \"node-2\"]";
    let list = value.as_array().filter(|list| !list.is_empty()).ok_or_else(|| fault("cluster.members", shape))?;
    let mut names = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        let key = format!("cluster.members[{index}]");
        let name = node(&key, item)?;
        if names.contains(&name) {
            return Err(fault(key, format!("{name:?} is there twice")));
        }
        names.push(name);
    }
    names.sort();
    Ok(names)
}

/// A member's name: it becomes part of a key in the store.
fn node(key: &str, value: &Value) -> Result<String, SettingsError> {
    match value.as_str().filter(|name| is_node_name(name)) {
        Some(name) => Ok(name.to_owned()),
        None => Err(fault(
            key,
            format!("{value} is no node's name: letters, digits, '-', '.' and '_', beginning with a letter or a digit"),
        )),
    }
}

/// Whether a member of a cluster can have this name: 1 to 253 letters, digits, `-`, `.` and `_`, the first one a letter
/// or a digit.
pub fn is_node_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    first && rest && name.len() <= 253
}

fn address(value: &Value) -> Result<IpAddr, SettingsError> {
    let reachable = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback();
    let ip = value.as_str().and_then(|text| text.parse::<IpAddr>().ok()).filter(reachable);
    ip.ok_or_else(|| fault("cluster.address", format!("{value} is no address at which other nodes reach this one")))
}

fn low_water(value: &Value) -> Result<u64, SettingsError> {
    value.as_u64().filter(|count| *count <= 1 << 20).ok_or_else(|| {
        fault("cluster.lowWater", format!("{value} is no whole number of addresses from 0 to {}", 1 << 20))
    })
}

fn vxlan(value: &Value) -> Result<VxlanSettings, SettingsError> {
    let object =
        value.as_object().ok_or_else(|| fault("cluster.vxlan", "must be an object {\"id\": …, \"port\": …}"))?;
    let known = |key: &str| ["id", "port"].iter().any(|known| known.eq_ignore_ascii_case(key));
    if let Some(unknown) = object.keys().find(|key| !known(key)) {
        return Err(fault(format!("cluster.vxlan.{unknown}"), "there is no such key; there are id and port"));
    }
    let number = |key: &str, most: u32| match get(object, key) {
        None => Ok(None),
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number.filter(|number| (1..=most).contains(number)).map(Some).ok_or_else(|| {
                fault(format!("cluster.vxlan.{key}"), format!("{value} is no whole number from 1 to {most}"))
            })
        }
    };
    let port = number("port", u16::MAX.into())?.and_then(|port| u16::try_from(port).ok());
    Ok(VxlanSettings { id: number("id", (1 << 24) - 1)?, port: port.unwrap_or(VXLAN_PORT) })
}

#[cfg(test)]
mod tests;
