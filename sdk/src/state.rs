//! A policy's own state: small keys and values, kept per network, committed together with the leases a call asks for or not at all.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::policy::gingham::ipam::state as wit;
use crate::host;

/// Why a value was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// The network's state would grow beyond 1 MiB.
    Full,
    /// The key is empty or longer than 256 bytes.
    BadKey,
    /// The value is longer than 64 KiB.
    TooLong,
    /// The value has no JSON form.
    BadValue,
    /// An error of a later host.
    Other(String),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the policy's state of this network is full (1 MiB)",
            Self::BadKey => "the key is empty or longer than 256 bytes",
            Self::TooLong => "the value is longer than 64 KiB",
            Self::BadValue => "the value has no JSON form",
            Self::Other(other) => other,
        })
    }
}

impl std::error::Error for StateError {}

/// The bytes of a value.
pub fn get_bytes(key: &str) -> Option<Vec<u8>> {
    host::called();
    wit::get(key)
}

/// Sets a value.
///
/// # Errors
/// [`StateError`]
pub fn set_bytes(key: &str, value: &[u8]) -> Result<(), StateError> {
    host::called();
    wit::set(key, value).map_err(|error| match error {
        wit::StateError::Full => StateError::Full,
        wit::StateError::BadKey => StateError::BadKey,
        wit::StateError::TooLong => StateError::TooLong,
        wit::StateError::Other(other) => StateError::Other(other),
    })
}

/// A value, from JSON. None as well if it is not of this type: an older version of the policy may have written it.
pub fn get<T: DeserializeOwned>(key: &str) -> Option<T> {
    serde_json::from_slice(&get_bytes(key)?).ok()
}

/// Sets a value, as JSON.
///
/// # Errors
/// [`StateError`]
pub fn set<T: Serialize>(key: &str, value: &T) -> Result<(), StateError> {
    let bytes = serde_json::to_vec(value).map_err(|_| StateError::BadValue)?;
    set_bytes(key, &bytes)
}

/// Forgets a key.
pub fn delete(key: &str) {
    host::called();
    wit::delete(key);
}

/// The keys with this prefix, in byte order.
pub fn keys(prefix: &str) -> impl Iterator<Item = String> {
    host::called();
    let mut page = wit::keys(prefix, None).into_iter();
    let prefix = prefix.to_owned();
    let mut last = None;
    std::iter::from_fn(move || {
        let next = page.next().or_else(|| {
            page = wit::keys(&prefix, Some(last.as_deref()?)).into_iter();
            page.next()
        });
        last.clone_from(&next);
        next
    })
}
