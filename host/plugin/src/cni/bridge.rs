//! The keys of the configuration that tell how to build the bridge and the container's interface: those of the
//! reference plugin `bridge`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::{ConfigError, read_tolerant};
use super::env::IfName;
use super::result::Dns;

/// The bridge's name where the configuration has none.
const DEFAULT_BRIDGE: &str = "cni0";

/// What the configuration says about the bridge and the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the configuration's switches, independent of each other")]
pub(crate) struct BridgeConfig {
    /// `bridge`.
    pub(crate) name: IfName,
    /// `isGateway`, or implied by `isDefaultGateway`.
    pub(crate) is_gateway: bool,
    /// `isDefaultGateway`.
    pub(crate) is_default_gateway: bool,
    /// `forceAddress`: replace a conflicting address of the bridge.
    pub(crate) force_address: bool,
    /// `ipMasq`.
    pub(crate) ip_masq: bool,
    /// `mtu` in bytes; none is the kernel's default.
    pub(crate) mtu: Option<u32>,
    /// `hairpinMode`.
    pub(crate) hairpin: bool,
    /// `promiscMode`.
    pub(crate) promiscuous: bool,
    /// `portIsolation`.
    pub(crate) isolated: bool,
    /// `enabledad`: detect duplicate IPv6 addresses.
    pub(crate) detect_duplicates: bool,
    /// `dns`; empty if it says nothing.
    pub(crate) dns: Dns,
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
    mtu: u32,
    hairpin_mode: bool,
    promisc_mode: bool,
    port_isolation: bool,
    enabledad: bool,
    dns: Dns,
    vlan: i64,
    vlan_trunk: Vec<Value>,
    macspoofchk: bool,
    disable_container_interface: bool,
}

impl BridgeConfig {
    /// Reads the keys of the network configuration.
    pub(crate) fn read(object: &Map<String, Value>) -> Result<Self, ConfigError> {
        let written: Written = gingham_config::from_map(object)?;
        written.refuse_unserved()?;
        written.check()
    }

    /// The bridge's name, if that much can be read, else the default: for DEL.
    pub(crate) fn bridge_name(object: &Map<String, Value>) -> String {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Name {
            bridge: String,
        }
        let read: Result<Name, _> = read_tolerant(&mut object.clone(), |_| ());
        let name = read.map(|read| read.bridge).unwrap_or_default();
        if name.is_empty() { DEFAULT_BRIDGE.to_owned() } else { name }
    }

    /// Whether the configuration asks for masquerade, if that much can be read: for DEL, which must work with what it
    /// gets. A value at fault counts as yes, so that nothing is left behind.
    pub(crate) fn asks_for_masquerade(object: &Map<String, Value>) -> bool {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Masquerade {
            ip_masq: bool,
        }
        let mut at_fault = false;
        let read: Result<Masquerade, _> = read_tolerant(&mut object.clone(), |_| at_fault = true);
        at_fault || read.map_or(true, |read| read.ip_masq)
    }
}

impl Written {
    /// Keys that would change what the container can do or see. To ignore them silently would be a lie.
    fn refuse_unserved(&self) -> Result<(), ConfigError> {
        let refuse = |key, value: Value| Err(ConfigError::Unsupported { key, value: value.to_string() });
        if self.vlan != 0 {
            return refuse("vlan", self.vlan.into());
        }
        if !self.vlan_trunk.is_empty() {
            return refuse("vlanTrunk", Value::Array(self.vlan_trunk.clone()));
        }
        if self.macspoofchk {
            return refuse("macspoofchk", true.into());
        }
        if self.disable_container_interface {
            return refuse("disableContainerInterface", true.into());
        }
        Ok(())
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
        if self.mtu != 0 && !(68..=65_535).contains(&self.mtu) {
            let message = format!("found the number {}, expected 0 (the kernel's default) or 68 to 65535", self.mtu);
            return Err(fault("mtu", message));
        }
        Ok(BridgeConfig {
            name: IfName::new(name).map_err(|error| fault("bridge", format!("{name:?}: {error}")))?,
            is_gateway: self.is_gateway || self.is_default_gateway,
            is_default_gateway: self.is_default_gateway,
            force_address: self.force_address,
            ip_masq: self.ip_masq,
            mtu: (self.mtu != 0).then_some(self.mtu),
            hairpin: self.hairpin_mode,
            promiscuous: self.promisc_mode,
            isolated: self.port_isolation,
            detect_duplicates: self.enabledad,
            dns: self.dns,
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
        assert_eq!(config, read(r#"{"bridge":null,"mtu":0,"vlan":0,"vlanTrunk":[],"ipMasqBackend":null}"#).unwrap());
    }

    #[test]
    fn a_default_gateway_is_a_gateway() {
        assert!(read(r#"{"isDefaultGateway":true}"#).unwrap().is_gateway);
    }

    #[test]
    fn faults_name_the_key() {
        assert_eq!(fault(r#"{"portIsolation":"true"}"#), "portIsolation: found \"true\", expected true or false");
        assert!(fault(r#"{"mtu":67}"#).starts_with("mtu: found the number 67"));
        assert!(fault(r#"{"mtu":-1}"#).starts_with("mtu: found the number -1"));
        assert!(fault(r#"{"bridge":"0123456789abcdef"}"#).starts_with("bridge: "));
        assert!(
            fault(r#"{"hairpinMode":true,"promiscMode":true}"#).contains("cannot set hairpin mode and promiscuous")
        );
        assert!(fault(r#"{"ipMasqBackend":"pf"}"#).starts_with("ipMasqBackend: unknown ipmasq backend \"pf\""));
    }

    #[test]
    fn keys_of_the_reference_that_are_not_served_are_refused_with_their_value() {
        for (key, value) in [
            ("vlan", "100"),
            ("vlanTrunk", r#"[{"id":101}]"#),
            ("macspoofchk", "true"),
            ("disableContainerInterface", "true"),
        ] {
            let text = fault(&format!("{{{key:?}:{value}}}"));
            assert!(text.contains(key) && text.contains(value), "{text}");
        }
    }

    #[test]
    fn masquerade_is_read_past_any_other_fault() {
        let asks = |text: &str| BridgeConfig::asks_for_masquerade(&serde_json::from_str(text).unwrap());
        assert!(asks(r#"{"mtu":"x","ipMasq":true}"#));
        assert!(!asks(r#"{"mtu":"x"}"#));
        assert!(asks(r#"{"IPMasq":"maybe"}"#));
    }

    proptest! {
        #[test]
        fn no_value_panics(key in "bridge|mtu|vlan|dns|args|runtimeConfig|ipMasq", value in "-?[0-9]{1,20}|\"\\PC{0,20}\"|null|\\{\\}|\\[1\\]") {
            if let Ok(object) = serde_json::from_str(&format!("{{{key:?}:{value}}}")) {
                let _ = BridgeConfig::read(&object);
            }
        }
    }
}
