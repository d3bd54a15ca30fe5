//! The parts of objects that are shown. An object that people edited by hand is shown with what is wrong, and hides no other.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gingham_kubernetes::{Resource, block_name, member_name};
use ipnet::IpNet;
use serde_json::Value;

use super::client::Kubectl;
use super::error::KubectlError;

/// Networks, members and blocks, in one call.
pub(super) struct Objects {
    pub(super) networks: Vec<Network>,
    pub(super) members: Vec<Member>,
    /// By network and address.
    pub(super) blocks: Vec<Block>,
}

pub(super) struct Network {
    pub(super) name: String,
    pub(super) policy: String,
    /// Ranges and the prefix lengths of their blocks; none before the first member.
    pub(super) grids: Vec<(IpNet, u8)>,
    /// Of the configuration.
    pub(super) range: String,
}

pub(super) struct Member {
    pub(super) network: String,
    pub(super) node: String,
    pub(super) membership: String,
    pub(super) address: String,
    pub(super) incarnation: u64,
    pub(super) fenced: u64,
    /// Not if another network or node was written into it: then it is no membership.
    pub(super) is_readable: bool,
}

pub(super) struct Block {
    pub(super) object: String,
    pub(super) network: String,
    /// As it is written.
    pub(super) cidr: String,
    /// None if it is no block, or not the one that the object's name claims.
    pub(super) block: Option<IpNet>,
    pub(super) owner: String,
    pub(super) incarnation: u64,
    /// A finalizer keeps it.
    pub(super) is_terminating: bool,
}

pub(super) struct Pod {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) node: String,
    pub(super) phase: String,
    pub(super) in_node_network: bool,
    addresses: Vec<IpAddr>,
}

impl Objects {
    pub(super) fn read(kubectl: &Kubectl) -> Result<Self, KubectlError> {
        let kinds = [Resource::networks(), Resource::members(), Resource::blocks()];
        let kinds: Vec<String> = kinds.iter().map(|kind| format!("{}.{}", kind.plural, kind.group)).collect();
        let mut objects = Self { networks: Vec::new(), members: Vec::new(), blocks: Vec::new() };
        for object in kubectl.list(&[&kinds.join(",")])? {
            match object["kind"].as_str() {
                Some("AddressNetwork") => objects.networks.push(Network::of(&object)),
                Some("NetworkMember") => objects.members.push(Member::of(&object)),
                Some("AddressBlock") => objects.blocks.push(Block::of(&object)),
                _ => {}
            }
        }
        objects.members.sort_by(|a, b| (&a.network, &a.node).cmp(&(&b.network, &b.node)));
        objects.blocks.sort_by(|a, b| (&a.network, a.block, &a.cidr).cmp(&(&b.network, b.block, &b.cidr)));
        Ok(objects)
    }

    /// The network that is named, or the only one.
    pub(super) fn network(&self, named: Option<&str>) -> Result<&Network, KubectlError> {
        let names = || self.networks.iter().map(|network| network.name.clone()).collect();
        match (named, self.networks.as_slice()) {
            (_, []) => Err(KubectlError::NoNetwork),
            (None, [only]) => Ok(only),
            (None, _) => Err(KubectlError::Several { names: names() }),
            (Some(name), networks) => networks
                .iter()
                .find(|network| network.name == name)
                .ok_or_else(|| KubectlError::UnknownNetwork { name: name.to_owned(), names: names() }),
        }
    }

    pub(super) fn member(&self, network: &str, node: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.network == network && member.node == node)
    }

    /// What is wrong with a block, in a few words; empty if it is held as it should be.
    pub(super) fn problem(&self, block: &Block) -> &'static str {
        match self.member(&block.network, &block.owner) {
            _ if block.block.is_none() => "unreadable: name and spec.cidr differ",
            _ if block.is_terminating => "being deleted: remove its finalizers",
            None => "its owner is no member",
            Some(member) if block.incarnation <= member.fenced => "free: its owner's membership ended",
            Some(_) => "",
        }
    }

    /// The block of an address.
    pub(super) fn holding(&self, address: IpAddr) -> Option<&Block> {
        self.blocks.iter().find(|block| block.block.is_some_and(|block| block.contains(&address)))
    }

    /// Whether an address is of a network of Gingham's.
    pub(super) fn covers(&self, address: IpAddr) -> bool {
        self.networks.iter().flat_map(|network| &network.grids).any(|(range, _)| range.contains(&address))
    }
}

impl Network {
    fn of(object: &Value) -> Self {
        let grids = object["spec"]["grids"].as_array().into_iter().flatten();
        let grid = |grid: &Value| {
            let length = grid["blockLength"].as_u64().and_then(|length| u8::try_from(length).ok())?;
            Some((text(grid, "/range").parse().ok()?, length))
        };
        let ipam = |key: &str| text(object, &format!("/spec/config/ipam/{key}"));
        let agreed = text(object, "/spec/policy");
        Self {
            name: text(object, "/metadata/name"),
            policy: if agreed.is_empty() { ipam("policy") } else { agreed },
            grids: grids.filter_map(grid).collect(),
            range: ipam("range"),
        }
    }

    /// As all members agreed, else as it is configured.
    pub(super) fn ranges(&self) -> String {
        let agreed: Vec<String> = self.grids.iter().map(|(range, _)| range.to_string()).collect();
        if agreed.is_empty() { self.range.clone() } else { agreed.join(",") }
    }

    /// How many blocks there can be; none if that is not agreed yet, or too many to count.
    pub(super) fn capacity(&self) -> Option<u64> {
        let blocks = |(range, length): &(IpNet, u8)| 1_u64.checked_shl(length.checked_sub(range.prefix_len())?.into());
        let all: Option<Vec<u64>> = self.grids.iter().map(blocks).collect();
        all.filter(|all| !all.is_empty())?.into_iter().try_fold(0_u64, u64::checked_add)
    }
}

impl Member {
    fn of(object: &Value) -> Self {
        let (network, node) = (text(object, "/spec/network"), text(object, "/spec/node"));
        Self {
            // A name that no network can have has no object either.
            is_readable: network.len() <= 63 && member_name(&network, &node) == text(object, "/metadata/name"),
            network,
            node,
            membership: text(object, "/spec/membership"),
            address: text(object, "/spec/address"),
            incarnation: object["spec"]["incarnation"].as_u64().unwrap_or_default(),
            fenced: object["spec"]["fenced"].as_u64().unwrap_or_default(),
        }
    }
}

impl Block {
    fn of(object: &Value) -> Self {
        let (name, network, cidr) =
            (text(object, "/metadata/name"), text(object, "/spec/network"), text(object, "/spec/cidr"));
        let block = cidr.parse().ok().filter(|block: &IpNet| block_name(&network, *block) == name);
        Self {
            block: block.filter(|block| *block == block.trunc()),
            object: name,
            network,
            cidr,
            owner: text(object, "/spec/owner"),
            incarnation: object["spec"]["incarnation"].as_u64().unwrap_or_default(),
            is_terminating: object["metadata"]["deletionTimestamp"].is_string(),
        }
    }
}

impl Pod {
    pub(super) fn of(object: &Value) -> Self {
        let addresses = object["status"]["podIPs"].as_array().into_iter().flatten();
        Self {
            namespace: text(object, "/metadata/namespace"),
            name: text(object, "/metadata/name"),
            node: text(object, "/spec/nodeName"),
            phase: text(object, "/status/phase"),
            in_node_network: object["spec"]["hostNetwork"] == true,
            addresses: addresses.filter_map(|address| text(address, "/ip").parse().ok()).collect(),
        }
    }

    /// Of a pod that has ended the addresses may be another's.
    pub(super) fn addresses(&self) -> &[IpAddr] {
        let has_own = !self.in_node_network && !matches!(self.phase.as_str(), "Succeeded" | "Failed");
        if has_own { &self.addresses } else { &[] }
    }
}

/// The blocks that nodes hold, by network and owner.
pub(super) fn count_by_owner(objects: &Objects) -> BTreeMap<(&str, &str), usize> {
    let mut counts = BTreeMap::new();
    for block in objects.blocks.iter().filter(|block| objects.problem(block).is_empty()) {
        *counts.entry((block.network.as_str(), block.owner.as_str())).or_default() += 1;
    }
    counts
}

/// A text in an object; empty if there is none.
pub(super) fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn conditions(object: &Value) -> impl Iterator<Item = &Value> {
    object["status"]["conditions"].as_array().into_iter().flatten()
}
