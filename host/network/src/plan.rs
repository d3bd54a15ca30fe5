//! From the request to what will be done, without touching anything: which role the plugin plays, where addresses come
//! from, and how things will be called.

use gingham_cni::config::{Ipam, NetworkConfig, NetworkName};
use gingham_cni::env::{Attachment, EnvError, IfName};
use gingham_engine::settings::HOST_KEYS;
use gingham_engine::unknown_keys::nearest;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::alias;
use crate::bridge_config::BridgeKeys;

/// The name under which the plugin itself, and no policy, is `ipam.type`.
pub const OWN_NAME: &str = "gingham";

/// Whether no policy can be installed under this name.
pub fn is_reserved(policy: &str) -> bool {
    policy == OWN_NAME || gingham_builtin::find(policy).is_some()
}

/// What the plugin is in this configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It makes the interface.
    Main,
    /// It hands out addresses for another main plugin.
    Ipam,
}

/// Where a container's addresses come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressSource {
    /// Nowhere: a network of layer 2.
    None,
    /// A policy.
    Policy(PolicyChoice),
    /// Another IPAM plugin on `CNI_PATH`, by its name.
    Delegate(String),
}

/// A policy as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyChoice {
    pub name: String,
    /// The component's digest, if the configuration pins it: `sha256:` and 64 hexadecimal digits.
    pub digest: Option<String>,
}

/// A configuration from which no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The name the plugin runs under is in the configuration nowhere.
    #[error(
        "type: found {plugin:?}{}, but this plugin runs as {program:?}; \
         give the configuration this type, or install the plugin under the type's name",
        match ipam {
            Some(ipam) => format!(" and ipam.type {ipam:?}"),
            // As IPAM plugin it is called with an `ipam`; the words are the reference's.
            None => " (IPAM config missing 'ipam' key)".to_owned(),
        }
    )]
    NotConcerned { program: String, plugin: String, ipam: Option<String> },
    /// The plugin's own name names no policy.
    #[error(
        "ipam.policy: found nothing, but ipam.type {plugin:?} requires a policy: name one, e.g. \"host-local\"{}",
        misspelt.as_ref().map(|key| format!("; ipam.{key}: unknown key, did you mean \"policy\"?")).unwrap_or_default()
    )]
    NoPolicy {
        plugin: String,
        /// A key of `ipam` that was probably meant.
        misspelt: Option<String>,
    },
    /// A digest that is none.
    #[error("ipam.policy: invalid policy {policy:?}: use NAME or NAME@sha256:HEX with 64 hexadecimal digits")]
    BadPolicy { policy: String },
}

/// The role, by the name the plugin runs under. Under the name of a policy it stands for an IPAM plugin, whatever
/// `type` is.
pub fn role(program: &str, config: &NetworkConfig, is_policy: impl FnOnce(&str) -> bool) -> Result<Role, PlanError> {
    if config.plugin == program && (program == OWN_NAME || !is_policy(program)) {
        return Ok(Role::Main);
    }
    if config.ipam.as_ref().is_some_and(|ipam| ipam.plugin == program) {
        return Ok(Role::Ipam);
    }
    Err(PlanError::NotConcerned {
        program: program.to_owned(),
        plugin: config.plugin.clone(),
        ipam: config.ipam.as_ref().map(|ipam| ipam.plugin.clone()),
    })
}

/// The link on which a network's addresses are used: its bridge, with the VLAN if there is one. None where another main
/// plugin's configuration does not name it.
pub fn link(program: &str, config: &NetworkConfig, bridge: &BridgeKeys) -> Option<String> {
    let text = |key| config.object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = if config.plugin == program {
        bridge.name.clone()
    } else {
        text("bridge").or_else(|| text("master"))?.to_owned()
    };
    match config.object.get("vlan").or_else(|| config.object.get("vlanId")).and_then(Value::as_u64) {
        None | Some(0) => Some(name),
        Some(vlan) => Some(format!("{name} vlan {vlan}")),
    }
}

/// The source of addresses. `is_policy` knows the names of built-in and installed policies.
pub fn address_source(
    program: &str,
    ipam: Option<&Ipam>,
    is_policy: impl Fn(&str) -> bool,
) -> Result<AddressSource, PlanError> {
    let Some(ipam) = ipam else { return Ok(AddressSource::None) };
    let ours = ipam.plugin == OWN_NAME || ipam.plugin == program;
    if !ours && !is_policy(&ipam.plugin) {
        return Ok(AddressSource::Delegate(ipam.plugin.clone()));
    }
    let choice = match &ipam.policy {
        Some(policy) => PolicyChoice::parse(policy)?,
        None if ipam.plugin == OWN_NAME || (ipam.plugin != program && !is_policy(&ipam.plugin)) => {
            let misspelt = ipam.object.keys().find(|key| is_meant_as_policy(key)).cloned();
            return Err(PlanError::NoPolicy { plugin: ipam.plugin.clone(), misspelt });
        }
        None => PolicyChoice { name: ipam.plugin.clone(), digest: None },
    };
    Ok(AddressSource::Policy(choice))
}

fn is_meant_as_policy(key: &str) -> bool {
    let is_known = HOST_KEYS.iter().any(|known| known.eq_ignore_ascii_case(key));
    !is_known && nearest(key, HOST_KEYS) == Some("policy")
}

impl PolicyChoice {
    pub(crate) fn parse(policy: &str) -> Result<Self, PlanError> {
        let fault = || PlanError::BadPolicy { policy: policy.to_owned() };
        let Some((name, digest)) = policy.split_once('@') else {
            return Ok(Self { name: policy.to_owned(), digest: None });
        };
        let digest = digest.to_ascii_lowercase();
        let hex = digest.strip_prefix("sha256:").ok_or_else(fault)?;
        let well_formed = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        if name.is_empty() || !well_formed {
            Err(fault())
        } else {
            Ok(Self { name: name.to_owned(), digest: Some(digest) })
        }
    }
}

/// The node's end of a container's link: a function of the attachment, so that it is found even when nothing else is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEnd {
    /// `veth` and the first 11 hexadecimal digits of a hash of network, container and interface.
    pub name: IfName,
    /// Whose it is. By its beginning, GC knows what is ours.
    pub alias: String,
}

impl HostEnd {
    /// Of an attachment.
    pub fn of(network: &NetworkName, attachment: &Attachment) -> Result<Self, EnvError> {
        Self::named(network, attachment.container.as_str(), attachment.interface.as_str())
    }

    /// Of an attachment that is known from elsewhere.
    pub fn named(network: &NetworkName, container: &str, interface: &str) -> Result<Self, EnvError> {
        // None of the three can hold a zero byte, so different attachments are different texts.
        let name = port_name(&format!("{network}\0{container}\0{interface}"))?;
        Ok(Self { name, alias: alias::of_attachment(network.as_str(), container, interface) })
    }

    /// Whether an interface's name is one that such an end could have.
    pub fn is_name_of_one(name: &str) -> bool {
        let digits = name.strip_prefix("veth").unwrap_or_default();
        digits.len() == 11 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// The bridge's port to the node's own interface in a VLAN. All networks of that bridge and VLAN share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayPort {
    /// Made like those of containers.
    pub name: IfName,
    /// Not of the kind that GC takes for a container's.
    pub alias: String,
}

impl GatewayPort {
    /// Of a bridge and a VLAN.
    pub fn of(bridge: &IfName, vlan: u16) -> Result<Self, EnvError> {
        // A network's name is never empty, so no container's text is the same.
        let name = port_name(&format!("\0{bridge}\0{vlan}"))?;
        Ok(Self { name, alias: format!("gingham: gateway of VLAN {vlan} on {bridge}") })
    }
}

/// `veth` and the first 11 hexadecimal digits of a hash.
fn port_name(of: &str) -> Result<IfName, EnvError> {
    let hash = Sha256::digest(of);
    let bits = hash.iter().take(6).fold(0u64, |bits, byte| bits << 8 | u64::from(*byte)) >> 4;
    IfName::new(&format!("veth{bits:011x}"))
}

#[cfg(test)]
mod tests;
