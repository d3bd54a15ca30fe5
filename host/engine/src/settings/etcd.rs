//! The keys of `ipam.cluster` for a store in etcd.

use std::path::PathBuf;

use gingham_ownership::endpoint::Endpoint;
use gingham_ownership::etcd_settings::{Login, Password, Secret, TlsFiles};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::value::valid;
use super::{SettingsError, fault};

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Url(Endpoint);

impl TryFrom<String> for Url {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|problem| format!("the URL {problem}: use one such as \"https://192.0.2.1:2379\""))
    }
}

/// At least one, all with or all without TLS.
pub(super) fn endpoints(written: Option<Vec<Url>>) -> Result<Vec<Endpoint>, SettingsError> {
    let endpoints: Vec<Endpoint> = written.into_iter().flatten().map(|url| url.0).collect();
    let Some(first) = endpoints.first() else {
        let hint = "a list is required: use the client URLs of etcd's members, such as [\"https://192.0.2.1:2379\"]";
        return Err(fault("cluster.endpoints", hint));
    };
    match endpoints.iter().position(|endpoint| endpoint.tls != first.tls) {
        Some(index) => Err(fault(
            format!("cluster.endpoints[{index}]"),
            "http and https cannot be mixed: use one of them for all members",
        )),
        None => Ok(endpoints),
    }
}

pub(super) fn tls(
    is_https: bool,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<TlsFiles>, SettingsError> {
    if !is_https {
        let given = [("ca", &ca), ("cert", &cert), ("key", &key)].into_iter().find(|(_, path)| path.is_some());
        let message = "the key needs https in cluster.endpoints: use https, or remove the key";
        return given.map_or(Ok(None), |(name, _)| Err(fault(format!("cluster.{name}"), message)));
    }
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => {
            return Err(fault("cluster.key", "the private key of cluster.cert is required: name its file"));
        }
        (None, Some(_)) => {
            return Err(fault("cluster.cert", "the certificate of cluster.key is required: name its file"));
        }
    };
    let hint = "an authority is required for https: name the PEM file with the certificate that signed etcd's";
    let ca = ca.ok_or_else(|| fault("cluster.ca", hint))?;
    Ok(Some(TlsFiles { ca, identity }))
}

pub(super) fn login(
    user: Option<Value>,
    password: Option<Value>,
    file: Option<PathBuf>,
) -> Result<Option<Login>, SettingsError> {
    let user = user.map(|user| text("cluster.user", user)).transpose()?;
    let password = match (password.map(|password| text("cluster.password", password)).transpose()?, file) {
        (Some(_), Some(_)) => {
            return Err(fault("cluster.passwordFile", "cluster.password is set too: remove one of them"));
        }
        (Some(password), None) => Some(Password::Text(Secret(password))),
        (None, Some(path)) => Some(Password::File(path)),
        (None, None) => None,
    };
    match (user, password) {
        (Some(user), Some(password)) => Ok(Some(Login { user, password })),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(fault("cluster.password", "cluster.user needs a password: set it, or cluster.passwordFile"))
        }
        (None, Some(_)) => Err(fault("cluster.user", "a password needs a user: set this key")),
    }
}

fn text(key: &str, value: Value) -> Result<String, SettingsError> {
    match value {
        Value::String(text) if !text.is_empty() => Ok(text),
        _ => Err(fault(key, "invalid value: use a text that is not empty")),
    }
}

pub(super) fn prefix<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let is_good = |part: &str| !part.is_empty() && !part.contains(char::is_control);
    valid(from, "prefix", "use a prefix of keys, such as \"/gingham\"", |value| {
        let text = value.as_str()?;
        text.strip_prefix('/')?.split('/').all(is_good).then(|| Some(text.to_owned()))
    })
}
