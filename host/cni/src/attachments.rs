//! The attachments a runtime still knows, as GC hands them over.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::ConfigError;

/// A container's interface that must stay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct ValidAttachment {
    #[serde(rename = "containerID")]
    pub container_id: String,
    pub ifname: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    #[serde(rename = "cni.dev/valid-attachments")]
    valid: Option<Vec<ValidAttachment>>,
    /// The key's name in the text of the specification as it was tagged 1.1.0.
    #[serde(rename = "cni.dev/attachments")]
    early: Option<Vec<ValidAttachment>>,
}

/// Reads the list. None without a list, or with `null`: the runtime names nothing, not even that nothing is valid.
pub fn read(object: &Map<String, Value>) -> Result<Option<Vec<ValidAttachment>>, ConfigError> {
    let written: Written = gingham_config::from_map(object)?;
    Ok(written.valid.or(written.early))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> Result<Option<usize>, ConfigError> {
        read(&serde_json::from_str(text).unwrap()).map(|list| list.map(|list| list.len()))
    }

    #[test]
    fn both_names_of_the_key_are_read() {
        assert_eq!(count(r#"{"cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}]}"#), Ok(Some(1)));
        assert_eq!(count(r#"{"cni.dev/attachments":[{"containerID":"a","ifname":"eth0"}]}"#), Ok(Some(1)));
        assert_eq!(
            count(r#"{"cni.dev/valid-attachments":[],"cni.dev/attachments":[{"containerID":"a","ifname":"b"}]}"#),
            Ok(Some(0))
        );
    }

    #[test]
    fn no_list_is_not_an_empty_list() {
        assert_eq!(count("{}"), Ok(None));
        assert_eq!(count(r#"{"cni.dev/valid-attachments":null}"#), Ok(None));
        assert_eq!(count(r#"{"cni.dev/valid-attachments":[]}"#), Ok(Some(0)));
    }

    #[test]
    fn a_broken_list_is_an_error_and_never_empty() {
        assert!(count(r#"{"cni.dev/valid-attachments":"all"}"#).is_err());
        assert!(count(r#"{"cni.dev/valid-attachments":[{"ifname":"eth0"}]}"#).is_err());
    }
}
