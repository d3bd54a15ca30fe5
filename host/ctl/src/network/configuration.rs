//! A configuration file: one plugin's configuration, or a list of them.

use std::io;
use std::path::{Path, PathBuf};

use gingham_config::{RepeatedKey, repeated_keys};
use gingham_untrusted::file::{self, FileError, LARGEST_CONFIGURATION};
use serde_json::{Map, Value};

use super::keys::{get, text, with};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigurationError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot read {path}: it is a {kind}; use a regular file, or `-` for standard input")]
    NotRegular { path: PathBuf, kind: &'static str },
    #[error("{path}: not a network configuration: {reason}")]
    NoObject { path: PathBuf, reason: String },
    #[error("{path}: \"plugins\" must be a list with at least one plugin's configuration")]
    NoPlugin { path: PathBuf },
    #[error("{path}: \"{key}\" is missing; a network configuration needs cniVersion, name and type")]
    Missing { path: PathBuf, key: &'static str },
    #[error("{path}: \"type\" must be the name of a plugin's file, {kind:?} is not")]
    BadType { path: PathBuf, kind: String },
}

/// A network configuration.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    pub(crate) path: PathBuf,
    /// `name`
    pub(crate) name: String,
    /// `cniVersion`
    pub(crate) version: String,
    /// In the order of ADD, each complete with `name` and `cniVersion`, as a runtime hands it over.
    pub(crate) plugins: Vec<Plugin>,
    /// Keys that are written several times: plugins take one of them.
    pub(crate) repeated_keys: Vec<RepeatedKey>,
}

/// One plugin's configuration.
#[derive(Debug, Clone)]
pub(crate) struct Plugin {
    /// `type`
    pub(crate) kind: String,
    pub(crate) object: Map<String, Value>,
}

impl Configuration {
    /// Reads a .conf or a .conflist.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigurationError> {
        Self::of(path, file::read(path, LARGEST_CONFIGURATION))
    }

    /// The same for a command's argument: `-` is standard input.
    pub(crate) fn read_argument(path: &Path) -> Result<Self, ConfigurationError> {
        let (shown, bytes) = Self::bytes(path)?;
        Self::parse(&shown, &bytes)
    }

    /// What a command's argument stands for, and what to call it.
    pub(crate) fn bytes(path: &Path) -> Result<(PathBuf, Vec<u8>), ConfigurationError> {
        let shown = if path == Path::new("-") { Path::new("standard input") } else { path };
        let bytes = Self::checked(shown, file::read_argument(path, LARGEST_CONFIGURATION))?;
        Ok((shown.to_owned(), bytes))
    }

    fn of(path: &Path, bytes: Result<Vec<u8>, FileError>) -> Result<Self, ConfigurationError> {
        Self::parse(path, &Self::checked(path, bytes)?)
    }

    fn checked(path: &Path, bytes: Result<Vec<u8>, FileError>) -> Result<Vec<u8>, ConfigurationError> {
        tracing::debug!(path = %path.display(), "read a network configuration");
        let read = |source: FileError| match source {
            FileError::NotRegular { kind } => ConfigurationError::NotRegular { path: path.to_owned(), kind },
            source => ConfigurationError::Read { path: path.to_owned(), source: source.into() },
        };
        bytes.map_err(read)
    }

    /// The same of text that is not, or not yet, in the file that it is said to be of.
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ConfigurationError> {
        let no_object = |error: serde_json::Error| ConfigurationError::NoObject {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let missing = |key| ConfigurationError::Missing { path: path.to_owned(), key };
        let whole: Map<String, Value> = serde_json::from_slice(bytes).map_err(no_object)?;
        let name = text(&whole, "name").ok_or_else(|| missing("name"))?.to_owned();
        let version = text(&whole, "cniVersion").ok_or_else(|| missing("cniVersion"))?.to_owned();
        let no_plugin = || ConfigurationError::NoPlugin { path: path.to_owned() };
        let objects = match get(&whole, "plugins") {
            None => vec![whole],
            Some(Value::Array(list)) if !list.is_empty() => {
                list.iter().map(|plugin| plugin.as_object().cloned().ok_or_else(no_plugin)).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(no_plugin()),
        };
        let mut plugins = Vec::new();
        for object in objects {
            let kind = text(&object, "type").ok_or_else(|| missing("type"))?.to_owned();
            if kind.contains('/') || kind.starts_with('.') {
                return Err(ConfigurationError::BadType { path: path.to_owned(), kind });
            }
            let object = with(object, "name", name.as_str().into());
            plugins.push(Plugin { kind, object: with(object, "cniVersion", version.as_str().into()) });
        }
        let repeated_keys = std::str::from_utf8(bytes).ok().and_then(|text| repeated_keys(text).ok());
        Ok(Self { path: path.to_owned(), name, version, plugins, repeated_keys: repeated_keys.unwrap_or_default() })
    }
}

impl Plugin {
    /// What the plugin reads on standard input.
    pub(crate) fn input(&self) -> String {
        Value::Object(self.object.clone()).to_string()
    }

    /// `ipam.type`
    pub(crate) fn ipam_kind(&self) -> Option<&str> {
        text(get(&self.object, "ipam")?.as_object()?, "type")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Configuration, String> {
        Configuration::parse(Path::new("x.conf"), text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn plugins_of_a_list_get_its_name_and_version() {
        let list = r#"{"cniVersion":"1.1.0","name":"n","plugins":[{"type":"a","NAME":"x","ipam":{"TYPE":"p"}},{"type":"portmap"}]}"#;
        let read = parse(list).unwrap();
        assert_eq!(read.plugins.iter().map(|plugin| plugin.kind.as_str()).collect::<Vec<_>>(), ["a", "portmap"]);
        let object = &read.plugins[0].object;
        assert_eq!((text(object, "name"), text(object, "cniVersion"), object.len()), (Some("n"), Some("1.1.0"), 4));
        assert_eq!(read.plugins[0].ipam_kind(), Some("p"));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            parse("{}").unwrap_err(),
            "x.conf: \"name\" is missing; a network configuration needs cniVersion, name and type"
        );
        assert!(parse(r#"{"cniVersion":"1.0.0","name":"n","type":"../x"}"#).unwrap_err().contains("\"type\""));
        for plugins in ["[]", "{}", "[1]"] {
            let text = format!(r#"{{"cniVersion":"1.0.0","name":"n","plugins":{plugins}}}"#);
            assert!(parse(&text).unwrap_err().contains("\"plugins\""), "{plugins}");
        }
        assert!(parse("[]").unwrap_err().starts_with("x.conf: not a network configuration"));
    }
}
