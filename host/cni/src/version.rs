//! The versions of the CNI specification this plugin speaks.

use std::fmt;

use serde::Serialize;

/// A version of the specification. They compare in the order they were published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpecVersion {
    /// 0.1.0: one address per family, no interfaces.
    V0_1_0,
    /// 0.2.0: the VERSION verb.
    V0_2_0,
    /// 0.3.0: interfaces, several addresses per family.
    V0_3_0,
    /// 0.3.1: a typing error corrected.
    V0_3_1,
    /// 0.4.0: CHECK; `prevResult` on DEL.
    V0_4_0,
    /// 1.0.0: no family beside an address.
    V1_0_0,
    /// 1.1.0: GC and STATUS.
    V1_1_0,
}

/// A version this plugin does not speak.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Another version. CNI code 1.
    #[error("incompatible CNI versions: config is {found:?}, plugin supports {}", supported_list())]
    Unsupported {
        /// What the configuration or the result says.
        found: String,
    },
    /// Not a version. CNI code 6.
    #[error("cniVersion: invalid version {found:?}: use one that this plugin supports: {}", supported_list())]
    Malformed {
        /// What the configuration or the result says.
        found: String,
    },
}

impl SpecVersion {
    /// All of them, oldest first.
    pub const ALL: [Self; 7] =
        [Self::V0_1_0, Self::V0_2_0, Self::V0_3_0, Self::V0_3_1, Self::V0_4_0, Self::V1_0_0, Self::V1_1_0];

    pub const NEWEST: Self = Self::V1_1_0;

    /// As it is written in `cniVersion`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// Reads `cniVersion`. An absent or empty one means 0.1.0, as the specification says.
    pub fn read(text: Option<&str>) -> Result<Self, VersionError> {
        let text = match text {
            None | Some("") => return Ok(Self::V0_1_0),
            Some(text) => text,
        };
        let known = Self::ALL.into_iter().find(|version| version.as_str() == text);
        known.ok_or_else(|| {
            let found = text.to_owned();
            if is_version(text) { VersionError::Unsupported { found } } else { VersionError::Malformed { found } }
        })
    }
}

/// One to three numbers between dots: what the reference library can compare with other versions.
fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() <= 3 && parts.iter().all(|part| part.parse::<u32>().is_ok() && !part.starts_with('+'))
}

impl fmt::Display for SpecVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for SpecVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// `["0.1.0" "0.2.0" …]`, the form people search for.
pub fn supported_list() -> String {
    format!("[{}]", SpecVersion::ALL.map(|version| format!("{:?}", version.as_str())).join(" "))
}

/// The answer to VERSION: one line.
pub fn report() -> String {
    let supported = SpecVersion::ALL.map(|version| format!("{:?}", version.as_str())).join(",");
    format!("{{\"cniVersion\":\"{}\",\"supportedVersions\":[{supported}]}}\n", SpecVersion::NEWEST)
}

/// What a person sees who starts the plugin by hand.
pub fn about(program: &str) -> String {
    let supported = SpecVersion::ALL.map(SpecVersion::as_str).join(", ");
    format!(
        "CNI {program} plugin (gingham v{})\nCNI protocol versions supported: {supported}\n",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_version_is_the_first() {
        assert_eq!(SpecVersion::read(None), Ok(SpecVersion::V0_1_0));
        assert_eq!(SpecVersion::read(Some("")), Ok(SpecVersion::V0_1_0));
    }

    #[test]
    fn only_the_exact_text_of_a_version_counts() {
        for version in SpecVersion::ALL {
            assert_eq!(SpecVersion::read(Some(version.as_str())), Ok(version));
        }
        for text in ["1.1", "1", "9.9.9", "0.4.1"] {
            let found = text.to_owned();
            assert_eq!(SpecVersion::read(Some(text)), Err(VersionError::Unsupported { found }));
        }
        for text in ["v1.1.0", " 1.1.0", "1.1.0.0", "1..0", "+1.0.0", "one"] {
            let found = text.to_owned();
            assert_eq!(SpecVersion::read(Some(text)), Err(VersionError::Malformed { found }));
        }
    }

    #[test]
    fn report_is_the_line_runtimes_read() {
        assert_eq!(
            report(),
            "{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n"
        );
    }
}
