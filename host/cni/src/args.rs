//! `CNI_ARGS`: pairs `KEY=VALUE` between semicolons, with the reference's rules.

use std::net::IpAddr;

use super::requested::{self, ParseAddressError};

/// Refused arguments. CNI code 4: the fault is in an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgsError {
    /// Not exactly one `=`. A semicolon at the end makes an empty pair, too.
    #[error("CNI_ARGS: invalid pair {pair:?}")]
    Pair {
        /// The text between two semicolons.
        pair: String,
    },
    /// Unknown keys, and `IgnoreUnknown` is not set.
    #[error("CNI_ARGS: unknown args [{}]; IgnoreUnknown=1 lets them pass", pairs.join(" "))]
    Unknown { pairs: Vec<String> },
    /// `IgnoreUnknown` is neither true nor false.
    #[error("CNI_ARGS: IgnoreUnknown: invalid boolean {value:?}; write 1, 0, true or false")]
    Boolean { value: String },
    /// `IP` is no address.
    #[error("CNI_ARGS: IP: {0}")]
    Ip(ParseAddressError),
    /// `MAC` is no hardware address.
    #[error("CNI_ARGS: MAC: {reason}")]
    Mac { reason: String },
}

/// The arguments, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// All pairs, in the order given.
    pub pairs: Vec<(String, String)>,
    /// `IP`: addresses asked for by name.
    pub addresses: Vec<IpAddr>,
    /// `MAC`: the hardware address asked for, unread.
    pub mac: Option<String>,
}

impl Arguments {
    /// Reads the value of `CNI_ARGS`.
    pub fn parse(text: &str) -> Result<Self, ArgsError> {
        let mut arguments = Self { pairs: split(text)?, ..Self::default() };
        let mut ignore_unknown = false;
        let mut unknown = Vec::new();
        for (key, value) in &arguments.pairs {
            match key.as_str() {
                "IP" => arguments.addresses = requested::parse_list(value).map_err(ArgsError::Ip)?,
                "MAC" => arguments.mac = Some(value.clone()).filter(|mac| !mac.is_empty()),
                "IgnoreUnknown" => ignore_unknown = boolean(value)?,
                // Every Kubernetes runtime sends these, and policies read them.
                known if known.starts_with("K8S_POD_") => {}
                _ => unknown.push(format!("{:?}", format!("{key}={value}"))),
            }
        }
        if unknown.is_empty() || ignore_unknown { Ok(arguments) } else { Err(ArgsError::Unknown { pairs: unknown }) }
    }

    /// The last value of a key, unless it is empty.
    pub fn value(&self, key: &str) -> Option<&str> {
        let (_, value) = self.pairs.iter().rev().find(|(name, _)| name == key)?;
        (!value.is_empty()).then_some(value)
    }
}

fn split(text: &str) -> Result<Vec<(String, String)>, ArgsError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let pair = |pair: &str| match pair.split_once('=') {
        Some((key, value)) if !value.contains('=') => Ok((key.to_owned(), value.to_owned())),
        _ => Err(ArgsError::Pair { pair: pair.to_owned() }),
    };
    text.split(';').map(pair).collect()
}

fn boolean(value: &str) -> Result<bool, ArgsError> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(ArgsError::Boolean { value: value.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_container_runtimes_send_is_read() {
        let text =
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1;K8S_POD_INFRA_CONTAINER_ID=ab;K8S_POD_UID=u";
        let arguments = Arguments::parse(text).unwrap();
        assert_eq!(arguments.pairs.len(), 5);
        assert_eq!(arguments.value("K8S_POD_NAMESPACE"), Some("shop"));
        assert_eq!(arguments.value("K8S_POD_UID"), Some("u"));
    }

    #[test]
    fn an_address_and_a_hardware_address_are_known() {
        let arguments = Arguments::parse("IP=10.244.0.9/16;MAC=02:42:0a:f4:00:02").unwrap();
        assert_eq!(arguments.addresses, ["10.244.0.9".parse::<IpAddr>().unwrap()]);
        assert_eq!(arguments.mac.as_deref(), Some("02:42:0a:f4:00:02"));
    }

    #[test]
    fn unknown_keys_pass_only_when_asked_for_wherever_that_stands() {
        assert_eq!(
            Arguments::parse("FOO=a;ip=1").unwrap_err().to_string(),
            "CNI_ARGS: unknown args [\"FOO=a\" \"ip=1\"]; IgnoreUnknown=1 lets them pass"
        );
        assert!(Arguments::parse("FOO=a;IgnoreUnknown=True").is_ok());
        assert!(Arguments::parse("FOO=a;IgnoreUnknown=0").is_err());
        assert!(matches!(Arguments::parse("IgnoreUnknown=x"), Err(ArgsError::Boolean { .. })));
    }

    #[test]
    fn a_pair_has_one_equals_sign_even_when_unknown_is_ignored() {
        for text in ["IgnoreUnknown=1;FOO=a=b", "IgnoreUnknown=1;", "FOO", ";"] {
            assert!(matches!(Arguments::parse(text), Err(ArgsError::Pair { .. })), "{text}");
        }
    }

    #[test]
    fn a_bad_address_names_the_variable_and_the_key() {
        assert!(Arguments::parse("IP=ten").unwrap_err().to_string().starts_with("CNI_ARGS: IP: "));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(IP|MAC|IgnoreUnknown|K8S_POD_NAME|X|=|;|\\PC){0,20}") {
            let _ = Arguments::parse(&text);
        }
    }
}
