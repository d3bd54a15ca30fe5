//! The keys of `ipam.cluster` that say how to reach an etcd.

use std::path::PathBuf;

use gingham_ownership::endpoint::Endpoint;
use gingham_ownership::etcd_settings::{EtcdSettings, Login, PREFIX, Password, Secret, TlsFiles};
use serde_json::{Map, Value};

use super::{SettingsError, fault, get};

/// The keys that mean nothing without an etcd.
pub(super) const KEYS: [&str; 8] = ["endpoints", "prefix", "user", "password", "passwordFile", "ca", "cert", "key"];

/// Reads them out of `cluster`.
///
/// # Errors
/// [`SettingsError`] names the key.
pub(super) fn parse(object: &Map<String, Value>) -> Result<EtcdSettings, SettingsError> {
    let endpoints = endpoints(get(object, "endpoints"))?;
    let tls = tls(object, &endpoints)?;
    let prefix = get(object, "prefix").map_or(Ok(PREFIX.to_owned()), prefix)?;
    Ok(EtcdSettings { endpoints, prefix, login: login(object)?, tls })
}

fn endpoints(value: Option<&Value>) -> Result<Vec<Endpoint>, SettingsError> {
    let shape = "list the client URLs of etcd's members, e.g. [\"https://192.0.2.1:2379\"]";
    let list = match value {
        None => return Err(fault("cluster.endpoints", format!("is missing; {shape}"))),
        Some(value) => value.as_array().filter(|list| !list.is_empty()),
    };
    let list = list.ok_or_else(|| fault("cluster.endpoints", shape))?;
    let endpoints = list.iter().enumerate().map(|(index, item)| {
        let parsed = item.as_str().ok_or("is no text").and_then(str::parse::<Endpoint>);
        parsed.map_err(|problem| fault(format!("cluster.endpoints[{index}]"), format!("{item} {problem}; {shape}")))
    });
    let endpoints: Vec<_> = endpoints.collect::<Result<_, _>>()?;
    let first = endpoints.first().is_some_and(|endpoint| endpoint.tls);
    match endpoints.iter().position(|endpoint| endpoint.tls != first) {
        Some(index) => Err(fault(
            format!("cluster.endpoints[{index}]"),
            "is not of the same scheme as the others: http and https cannot be mixed",
        )),
        None => Ok(endpoints),
    }
}

fn tls(object: &Map<String, Value>, endpoints: &[Endpoint]) -> Result<Option<TlsFiles>, SettingsError> {
    let (ca, cert, key) = (file(object, "ca")?, file(object, "cert")?, file(object, "key")?);
    let is_https = endpoints.iter().any(|endpoint| endpoint.tls);
    let given = [("ca", &ca), ("cert", &cert), ("key", &key)].into_iter().find(|(_, path)| path.is_some());
    match (is_https, given) {
        (false, None) => return Ok(None),
        (false, Some((name, _))) => {
            let message = "is given, but cluster.endpoints are http: write https, or remove the key";
            return Err(fault(format!("cluster.{name}"), message));
        }
        (true, _) => {}
    }
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err(fault("cluster.key", "is missing: the private key of cluster.cert")),
        (None, Some(_)) => return Err(fault("cluster.cert", "is missing: the certificate of cluster.key")),
    };
    let ca = ca.ok_or_else(|| {
        fault(
            "cluster.ca",
            "is missing: a PEM file with the certificate of the authority that signed etcd's certificates",
        )
    })?;
    Ok(Some(TlsFiles { ca, identity }))
}

fn login(object: &Map<String, Value>) -> Result<Option<Login>, SettingsError> {
    let user = text(object, "user")?;
    let password = match (text(object, "password")?, file(object, "passwordFile")?) {
        (Some(_), Some(_)) => {
            return Err(fault("cluster.passwordFile", "cluster.password is given too; keep one of them"));
        }
        (Some(password), None) => Some(Password::Text(Secret(password))),
        (None, Some(path)) => Some(Password::File(path)),
        (None, None) => None,
    };
    match (user, password) {
        (Some(user), Some(password)) => Ok(Some(Login { user, password })),
        (None, None) => Ok(None),
        (Some(user), None) => {
            Err(fault("cluster.password", format!("is missing for the user {user:?}; or write cluster.passwordFile")))
        }
        (None, Some(_)) => Err(fault("cluster.user", "is missing: whose password is it?")),
    }
}

fn text(object: &Map<String, Value>, key: &str) -> Result<Option<String>, SettingsError> {
    let Some(value) = get(object, key) else { return Ok(None) };
    // The value may be a password: it is not repeated.
    match value.as_str().filter(|text| !text.is_empty()) {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(fault(format!("cluster.{key}"), "must be a text that is not empty")),
    }
}

/// An absolute path.
pub(super) fn file(object: &Map<String, Value>, key: &str) -> Result<Option<PathBuf>, SettingsError> {
    match get(object, key).map(|value| (value, value.as_str())) {
        None => Ok(None),
        Some((_, Some(path))) if path.starts_with('/') => Ok(Some(path.into())),
        Some((value, _)) => Err(fault(format!("cluster.{key}"), format!("{value} is no absolute path"))),
    }
}

fn prefix(value: &Value) -> Result<String, SettingsError> {
    let is_good = |text: &str| {
        let parts = text.strip_prefix('/');
        parts.is_some_and(|parts| parts.split('/').all(|part| !part.is_empty() && !part.contains(char::is_control)))
    };
    match value.as_str().filter(|text| is_good(text)) {
        Some(text) => Ok(text.to_owned()),
        None => Err(fault("cluster.prefix", format!("{value} is no prefix of keys like \"/gingham\""))),
    }
}
