//! `vlan`, `vlanTrunk` and `preserveDefaultVlan` of the network configuration, by the rules of the reference plugin
//! `bridge`.

use gingham_cni::config::ConfigError;
use gingham_cni::env::IfName;
use gingham_net::vlan::{LARGEST, PortVlans};
use serde::Deserialize;

/// The VLAN whose frames have no tag on a trunk where the configuration names none.
const NATIVE_OF_TRUNKS: u16 = 1;

/// The VLANs of a network's ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vlans {
    /// `vlan`: where the host's gateway is, if it is one.
    pub own: Option<u16>,
    /// What a container's port is to belong to.
    pub port: PortVlans,
}

/// An entry of `vlanTrunk`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct TrunkEntry {
    #[serde(rename = "minID")]
    min: Option<i64>,
    #[serde(rename = "maxID")]
    max: Option<i64>,
    id: Option<i64>,
}

impl Vlans {
    /// Of the keys; none if they say nothing.
    pub(super) fn of(vlan: i64, trunk: &[TrunkEntry], keep_default: bool) -> Result<Option<Self>, ConfigError> {
        let largest = LARGEST;
        let number = u16::try_from(vlan).ok().filter(|number| *number <= largest).ok_or_else(|| {
            let message = format!("invalid VLAN ID {vlan} (must be between 0 and {largest})");
            ConfigError::Value { key: "vlan".to_owned(), message }
        })?;
        let own = (number != 0).then_some(number);
        let mut tagged = Vec::new();
        for (index, entry) in trunk.iter().enumerate() {
            tagged.extend(entry.ranges(index)?);
        }
        if own.is_none() && tagged.is_empty() {
            return Ok(None);
        }
        let port = PortVlans { native: own.unwrap_or(NATIVE_OF_TRUNKS), tagged, keep_default };
        Ok(Some(Self { own, port }))
    }

    /// What the host's interface in the network's own VLAN is called: the bridge's name, a dot, and the number. None
    /// for a trunk, whose gateway is the bridge itself.
    pub fn gateway_name(&self, bridge: &IfName) -> Result<Option<IfName>, ConfigError> {
        let Some(own) = self.own else { return Ok(None) };
        let name = format!("{bridge}.{own}");
        IfName::new(&name).map(Some).map_err(|_| {
            let message = format!(
                "with isGateway and vlan the gateway's interface is called {name:?}, which is longer than the 15 bytes of \
                 an interface's name; choose a shorter name for the bridge"
            );
            ConfigError::Value { key: "bridge".to_owned(), message }
        })
    }
}

impl TrunkEntry {
    /// First and last numbers.
    fn ranges(&self, index: usize) -> Result<Vec<(u16, u16)>, ConfigError> {
        let value =
            |key: &str, message: String| ConfigError::Value { key: format!("vlanTrunk[{index}]{key}"), message };
        let fault = |key, message: String| Err(value(key, message));
        let number = |key: &str, sentence: &str, found: i64| match u16::try_from(found) {
            Ok(number) if (1..=LARGEST).contains(&number) => Ok(number),
            _ => Err(value(key, format!("{sentence}: found {found}, expected a number from 1 to {LARGEST}"))),
        };
        let mut ranges = Vec::new();
        match (self.min, self.max) {
            (Some(min), Some(max)) => {
                let min = number(".minID", "incorrect trunk minID parameter", min)?;
                let max = number(".maxID", "incorrect trunk maxID parameter", max)?;
                if max < min {
                    return fault(".minID", format!("minID is greater than maxID in trunk parameter: {min} > {max}"));
                }
                ranges.push((min, max));
            }
            (None, Some(_)) => {
                return fault("", "minID and maxID should be configured simultaneously, minID is missing".to_owned());
            }
            (Some(_), None) => {
                return fault("", "minID and maxID should be configured simultaneously, maxID is missing".to_owned());
            }
            (None, None) if self.id.is_none() => {
                return fault("", "names no VLAN; write id, or minID and maxID".to_owned());
            }
            (None, None) => {}
        }
        if let Some(id) = self.id {
            let id = number(".id", "incorrect trunk id parameter", id)?;
            ranges.push((id, id));
        }
        Ok(ranges)
    }
}

#[cfg(test)]
mod tests {
    use gingham_net::vlan::Membership;

    use super::*;
    use crate::bridge_config::BridgeConfig;

    fn read(text: &str) -> Result<Option<Vlans>, String> {
        let object = serde_json::from_str(text).unwrap();
        BridgeConfig::read(&object).map(|config| config.vlans).map_err(|fault| fault.to_string())
    }

    fn port(text: &str) -> PortVlans {
        read(text).unwrap().unwrap().port
    }

    #[test]
    fn a_vlan_is_native_and_alone() {
        assert_eq!(port(r#"{"vlan":100}"#), PortVlans { native: 100, tagged: vec![], keep_default: false });
        assert_eq!(read(r#"{"VLAN":4094}"#).unwrap().unwrap().own, Some(4094));
        assert!(port(r#"{"vlan":100,"preserveDefaultVlan":true}"#).keep_default);
        assert_eq!(read(r#"{"vlan":0,"vlanTrunk":null,"preserveDefaultVlan":false}"#), Ok(None));
    }

    #[test]
    fn a_trunk_has_vlan_1_as_native_unless_there_is_another() {
        let trunk = r#""vlanTrunk":[{"minID":200,"maxID":299},{"ID":101},{"id":150,"minid":7,"maxid":7}]"#;
        let tagged = vec![(200, 299), (101, 101), (7, 7), (150, 150)];
        assert_eq!(port(&format!("{{{trunk}}}")), PortVlans { native: 1, tagged: tagged.clone(), keep_default: false });
        assert_eq!(read(&format!("{{{trunk}}}")).unwrap().unwrap().own, None);
        let both = port(&format!(r#"{{"vlan":150,{trunk}}}"#));
        assert_eq!(both, PortVlans { native: 150, tagged, keep_default: false });
        assert_eq!(both.memberships().iter().filter(|it| it.native).collect::<Vec<_>>(), [&Membership::native(150)]);
    }

    #[test]
    fn faults_have_the_references_words_and_name_the_key() {
        let fault = |text: &str| read(text).unwrap_err();
        assert_eq!(fault(r#"{"vlan":4095}"#), "vlan: invalid VLAN ID 4095 (must be between 0 and 4094)");
        assert_eq!(fault(r#"{"vlan":-1}"#), "vlan: invalid VLAN ID -1 (must be between 0 and 4094)");
        let trunk = |entry: &str| fault(&format!(r#"{{"vlanTrunk":[{{"id":1}},{entry}]}}"#));
        for (entry, expected) in [
            (r#"{"minID":0,"maxID":5}"#, "vlanTrunk[1].minID: incorrect trunk minID parameter: found 0, "),
            (r#"{"minID":1,"maxID":4095}"#, "vlanTrunk[1].maxID: incorrect trunk maxID parameter: found 4095, "),
            (r#"{"minID":9,"maxID":5}"#, "vlanTrunk[1].minID: minID is greater than maxID in trunk parameter: 9 > 5"),
            (r#"{"maxID":5}"#, "vlanTrunk[1]: minID and maxID should be configured simultaneously, minID is missing"),
            (r#"{"minID":5}"#, "vlanTrunk[1]: minID and maxID should be configured simultaneously, maxID is missing"),
            (r#"{"id":4095}"#, "vlanTrunk[1].id: incorrect trunk id parameter: found 4095, "),
            (r#"{"id":-7}"#, "vlanTrunk[1].id: incorrect trunk id parameter: found -7, "),
            (r#"{"vid":5}"#, "vlanTrunk[1]: names no VLAN; "),
            (r#"{"id":"5"}"#, "vlanTrunk[1].id: found \"5\""),
        ] {
            assert!(trunk(entry).starts_with(expected), "{entry}: {}", trunk(entry));
        }
    }
}
