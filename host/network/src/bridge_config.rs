//! The keys of the configuration for the bridge and the container's interface: those of the reference plugin `bridge`.

use gingham_cni::config::{ConfigError, read_tolerant};
use gingham_cni::env::IfName;
use gingham_cni::result::Dns;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::vlans::{self, Vlans};

/// The bridge's name where the configuration has none.
const DEFAULT_BRIDGE: &str = "cni0";

/// The keys that are read here, beside those of every network configuration.
pub const KEYS: [&str; 18] = [
    "bridge",
    "isGateway",
    "isDefaultGateway",
    "forceAddress",
    "ipMasq",
    "ipMasqBackend",
    "mtu",
    "hairpinMode",
    "promiscMode",
    "portIsolation",
    "enabledad",
    "dns",
    "vlan",
    "vlanTrunk",
    "preserveDefaultVlan",
    "macspoofchk",
    "disableContainerInterface",
    "ipam",
];

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the configuration's switches, independent of each other")]
pub struct BridgeConfig {
    pub name: IfName,
    /// `isGateway`, or implied by `isDefaultGateway`.
    pub is_gateway: bool,
    pub is_default_gateway: bool,
    /// `forceAddress`: replace a conflicting address of the bridge.
    pub force_address: bool,
    pub ip_masq: bool,
    /// `mtu` in bytes; none is the kernel's default.
    pub mtu: Option<u32>,
    pub hairpin: bool,
    pub promiscuous: bool,
    pub isolated: bool,
    /// `enabledad`: detect duplicate IPv6 addresses.
    pub detect_duplicates: bool,
    /// `dns`; empty if absent.
    pub dns: Dns,
    /// `vlan`, `vlanTrunk` and `preserveDefaultVlan`; none if the first two say nothing.
    pub vlans: Option<Vlans>,
    /// `macspoofchk`: drop what the container sends under another hardware address than its own.
    pub filters_mac: bool,
    /// Not `disableContainerInterface`: the container's end is set up.
    pub starts_container_end: bool,
    /// `ipMasqBackend` is `iptables`, which is not what will be used.
    pub asks_for_iptables: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the keys are what they are")]
struct Written {
    bridge: String,
    is_gateway: bool,
    is_default_gateway: bool,
    force_address: bool,
    ip_masq: bool,
    ip_masq_backend: String,
    mtu: i64,
    hairpin_mode: bool,
    promisc_mode: bool,
    port_isolation: bool,
    enabledad: bool,
    dns: Dns,
    vlan: i64,
    vlan_trunk: Vec<vlans::TrunkEntry>,
    preserve_default_vlan: bool,
    macspoofchk: bool,
    disable_container_interface: bool,
    ipam: Map<String, Value>,
}

impl BridgeConfig {
    /// Reads the keys of the network configuration.
    pub fn read(object: &Map<String, Value>) -> Result<Self, ConfigError> {
        gingham_config::from_map::<Written>(object)?.check()
    }
}

/// What every verb needs of these keys, whatever is wrong with the others: DEL must work with what it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeKeys {
    /// `bridge`, or its default.
    pub name: String,
    /// `ipMasq`. A value at fault counts as yes, so that nothing is left behind.
    pub ip_masq: bool,
    /// `macspoofchk`. A value at fault counts as yes as well.
    pub mac_filter: bool,
}

impl BridgeKeys {
    pub fn read(object: &Map<String, Value>) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Keys {
            bridge: String,
            ip_masq: bool,
            macspoofchk: bool,
        }
        let mut at_fault = Vec::new();
        let keys: Keys = read_tolerant(&mut object.clone(), |fault| {
            if let ConfigError::Value { key, .. } = fault {
                at_fault.push(key.to_ascii_lowercase());
            }
        })
        .unwrap_or(Keys { bridge: String::new(), ip_masq: true, macspoofchk: true });
        let is_at_fault = |key: &str| at_fault.iter().any(|fault| fault == key);
        Self {
            name: if keys.bridge.is_empty() { DEFAULT_BRIDGE.to_owned() } else { keys.bridge },
            ip_masq: keys.ip_masq || is_at_fault("ipmasq"),
            mac_filter: keys.macspoofchk || is_at_fault("macspoofchk"),
        }
    }
}

impl Written {
    /// Whether addresses are wanted: an empty `ipam.type` counts as none.
    fn has_ipam(&self) -> bool {
        let mut types = self.ipam.iter().filter(|(key, _)| key.eq_ignore_ascii_case("type"));
        !self.ipam.is_empty() && types.next_back().is_none_or(|(_, plugin)| plugin != "")
    }

    fn check(self) -> Result<BridgeConfig, ConfigError> {
        let fault = |key: &str, message: String| ConfigError::Value { key: key.to_owned(), message };
        let name = if self.bridge.is_empty() { DEFAULT_BRIDGE } else { &self.bridge };
        if self.hairpin_mode && self.promisc_mode {
            let message = "cannot set hairpin mode and promiscuous mode at the same time; choose one";
            return Err(fault("hairpinMode", message.to_owned()));
        }
        if !["", "iptables", "nftables"].contains(&self.ip_masq_backend.as_str()) {
            let message =
                format!("unknown ipmasq backend {:?}; masquerade is done with nftables", self.ip_masq_backend);
            return Err(fault("ipMasqBackend", message));
        }
        if self.disable_container_interface && self.has_ipam() {
            let message = "cannot use IPAM when DisableContainerInterface flag is set; remove ipam or the flag";
            return Err(fault("disableContainerInterface", message.to_owned()));
        }
        let mtu = u32::try_from(self.mtu).ok().filter(|mtu| *mtu == 0 || (68..=65_535).contains(mtu));
        let Some(mtu) = mtu else {
            let message = format!("found the number {}, expected 0 (the kernel's default) or 68 to 65535", self.mtu);
            return Err(fault("mtu", message));
        };
        let name = IfName::new(name).map_err(|error| fault("bridge", format!("{name:?}: {error}")))?;
        let vlans = Vlans::of(self.vlan, &self.vlan_trunk, self.preserve_default_vlan)?;
        let is_gateway = self.is_gateway || self.is_default_gateway;
        if is_gateway && self.has_ipam() {
            vlans.as_ref().map_or(Ok(None), |vlans| vlans.gateway_name(&name))?;
        }
        Ok(BridgeConfig {
            name,
            is_gateway,
            is_default_gateway: self.is_default_gateway,
            force_address: self.force_address,
            ip_masq: self.ip_masq,
            mtu: (mtu != 0).then_some(mtu),
            hairpin: self.hairpin_mode,
            promiscuous: self.promisc_mode,
            isolated: self.port_isolation,
            detect_duplicates: self.enabledad,
            dns: self.dns,
            vlans,
            filters_mac: self.macspoofchk,
            starts_container_end: !self.disable_container_interface,
            asks_for_iptables: self.ip_masq && self.ip_masq_backend == "iptables",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<BridgeConfig, ConfigError> {
        BridgeConfig::read(&serde_json::from_str(text).unwrap())
    }

    fn fault(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_the_references() {
        let config = read("{}").unwrap();
        assert_eq!(config.name.as_str(), "cni0");
        assert_eq!(config.mtu, None);
        assert!(!config.is_gateway && !config.ip_masq && !config.hairpin && !config.isolated && !config.force_address);
        assert!(config.vlans.is_none() && !config.filters_mac && config.starts_container_end);
        assert_eq!(config, read(r#"{"bridge":null,"mtu":0,"vlan":0,"vlanTrunk":[],"ipMasqBackend":null}"#).unwrap());
        assert_eq!(
            config,
            read(r#"{"preserveDefaultVlan":true,"macspoofchk":null,"ipMasqBackend":"iptables"}"#).unwrap()
        );
    }

    #[test]
    fn each_key_is_read() {
        for key in KEYS {
            let fault = read(&format!(r#"{{"{key}": [["of no such type"]]}}"#)).unwrap_err();
            assert!(fault.to_string().starts_with(key), "{fault}");
        }
    }

    #[test]
    fn a_default_gateway_is_a_gateway() {
        assert!(read(r#"{"isDefaultGateway":true}"#).unwrap().is_gateway);
    }

    #[test]
    fn faults_name_the_key() {
        assert_eq!(
            fault(r#"{"portIsolation":"true"}"#),
            "portIsolation: found \"true\", expected true or false; write true without quotes"
        );
        assert_eq!(
            fault(r#"{"vlan":"100"}"#),
            "vlan: found \"100\", expected a whole number; write 100 without quotes"
        );
        assert!(fault(r#"{"mtu":67}"#).starts_with("mtu: found the number 67"));
        assert!(fault(r#"{"mtu":-1}"#).starts_with("mtu: found the number -1"));
        assert!(fault(r#"{"bridge":"0123456789abcdef"}"#).starts_with("bridge: "));
        assert!(
            fault(r#"{"hairpinMode":true,"promiscMode":true}"#).contains("cannot set hairpin mode and promiscuous")
        );
        assert!(fault(r#"{"ipMasqBackend":"pf"}"#).starts_with("ipMasqBackend: unknown ipmasq backend \"pf\""));
    }

    #[test]
    fn a_container_end_that_stays_down_can_have_no_addresses() {
        assert!(!read(r#"{"disableContainerInterface":true,"ipam":{}}"#).unwrap().starts_container_end);
        assert!(!read(r#"{"disableContainerInterface":true,"ipam":{"type":""}}"#).unwrap().starts_container_end);
        assert_eq!(
            fault(r#"{"disableContainerInterface":true,"ipam":{"type":"host-local"}}"#),
            "disableContainerInterface: cannot use IPAM when DisableContainerInterface flag is set; remove ipam or the flag"
        );
    }

    #[test]
    fn iptables_is_asked_for_where_there_is_something_to_masquerade() {
        assert!(read(r#"{"ipMasq":true,"ipMasqBackend":"iptables"}"#).unwrap().asks_for_iptables);
        assert!(!read(r#"{"ipMasq":true,"ipMasqBackend":"nftables"}"#).unwrap().asks_for_iptables);
        assert!(!read(r#"{"ipMasq":true}"#).unwrap().asks_for_iptables);
    }

    #[test]
    fn a_vlans_gateway_needs_a_name_that_an_interface_can_have() {
        let network =
            |bridge: &str| format!(r#"{{"bridge":{bridge:?},"vlan":100,"isGateway":true,"ipam":{{"type":"x"}}}}"#);
        assert!(read(&network("elevenbytes")).is_ok());
        assert!(fault(&network("twelve-bytes")).starts_with("bridge: "));
        assert!(read(r#"{"bridge":"fifteen-letters","vlan":100}"#).is_ok(), "without a gateway any name will do");
    }

    #[test]
    fn the_keys_of_every_verb_are_read_past_any_other_fault() {
        let keys = |text: &str| BridgeKeys::read(&serde_json::from_str(text).unwrap());
        assert!(keys(r#"{"mtu":"x","ipMasq":true}"#).ip_masq);
        assert!(!keys(r#"{"mtu":"x"}"#).ip_masq);
        assert!(keys(r#"{"IPMasq":"maybe"}"#).ip_masq);
        assert!(keys(r#"{"mtu":"x","MacSpoofChk":true}"#).mac_filter);
        assert!(keys(r#"{"macspoofchk":1}"#).mac_filter);
        assert!(!keys(r#"{"mtu":"x","ipMasq":7}"#).mac_filter);
        assert_eq!(keys(r#"{"bridge":"br7","ipMasq":7}"#).name, "br7");
        assert_eq!(keys(r#"{"bridge":7}"#).name, "cni0");
    }

    proptest! {
        #[test]
        fn no_value_panics(key in "bridge|mtu|vlan|vlanTrunk|dns|args|runtimeConfig|ipMasq", value in "-?[0-9]{1,20}|\"\\PC{0,20}\"|null|\\{\\}|\\[1\\]") {
            if let Ok(object) = serde_json::from_str(&format!("{{{key:?}:{value}}}")) {
                let _ = BridgeConfig::read(&object);
            }
        }
    }
}
