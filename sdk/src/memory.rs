//! A policy's own notes: small, kept per network, committed together with the leases a call asks for or not at all.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::plain::gingham::ipam::memory as wit;

/// Why a note was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemoryError {
    /// The network's notes would grow beyond 1 MiB.
    Full,
    /// The key is empty or longer than 256 bytes.
    BadKey,
    /// The value is longer than 64 KiB, or has no JSON form.
    BadValue,
    /// Something a later host says.
    Other(String),
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the policy's memory of this network is full (1 MiB)",
            Self::BadKey => "the key is empty or longer than 256 bytes",
            Self::BadValue => "the value is longer than 64 KiB or has no JSON form",
            Self::Other(other) => other,
        })
    }
}

impl std::error::Error for MemoryError {}

/// The bytes of a note.
pub fn get_bytes(key: &str) -> Option<Vec<u8>> {
    wit::get(key)
}

/// Sets a note.
///
/// # Errors
/// [`MemoryError`]
pub fn set_bytes(key: &str, value: &[u8]) -> Result<(), MemoryError> {
    wit::set(key, value).map_err(|error| match error {
        wit::MemoryError::Full => MemoryError::Full,
        wit::MemoryError::BadKey => MemoryError::BadKey,
        wit::MemoryError::TooLong => MemoryError::BadValue,
        wit::MemoryError::Other(other) => MemoryError::Other(other),
    })
}

/// The value of a note, as JSON. None as well if the note is not of this type: notes are a policy's own, and an older
/// version of it may have written them.
pub fn get<T: DeserializeOwned>(key: &str) -> Option<T> {
    serde_json::from_slice(&get_bytes(key)?).ok()
}

/// Sets a note to a value, as JSON.
///
/// # Errors
/// [`MemoryError`]
pub fn set<T: Serialize>(key: &str, value: &T) -> Result<(), MemoryError> {
    let bytes = serde_json::to_vec(value).map_err(|_| MemoryError::BadValue)?;
    set_bytes(key, &bytes)
}

/// Forgets a note.
pub fn delete(key: &str) {
    wit::delete(key);
}

/// The keys with this prefix, in byte order.
pub fn keys(prefix: &str) -> impl Iterator<Item = String> {
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
