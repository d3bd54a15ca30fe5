//! Failures of the transport and of the registry, in words.

use serde::Deserialize;

use crate::error::{RegistryError, shown};
use crate::transport::{STALL_TIMEOUT, TransportError};

/// The error of a transfer of something.
pub(crate) fn of(error: TransportError, registry: &str, what: &'static str) -> RegistryError {
    let registry = registry.to_owned();
    match error {
        TransportError::ReadCa { path, source } => RegistryError::ReadCa { path, source },
        TransportError::Ca { path } => RegistryError::Ca { path },
        TransportError::Unreachable { reason } => RegistryError::Unreachable { registry, reason: shown(&reason) },
        TransportError::Certificate { reason, remedy } => {
            RegistryError::Certificate { registry, reason: shown(&reason), remedy }
        }
        TransportError::NoTls => RegistryError::NoTls { registry },
        TransportError::Stalled => RegistryError::Stalled { registry, seconds: STALL_TIMEOUT.as_secs() },
        // Signed addresses of storage carry secrets after the question mark.
        TransportError::Redirect { to } => {
            RegistryError::Redirect { registry, to: shown(to.split('?').next().unwrap_or(&to)) }
        }
        TransportError::Compressed { encoding } => {
            RegistryError::Compressed { registry, what, encoding: shown(&encoding) }
        }
        TransportError::TooLarge { limit } => RegistryError::TooLarge { registry, what, limit },
    }
}

#[derive(Deserialize)]
struct Envelope {
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The registry's own reason, out of its JSON.
pub(crate) fn reason(body: &[u8]) -> Option<String> {
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    let first = envelope.errors.into_iter().next()?;
    let text = if first.message.is_empty() { first.code.replace('_', " ").to_lowercase() } else { first.message };
    Some(shown(&text)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrys_reason_is_a_line_of_text() {
        let json =
            br#"{"errors": [{"code": "DENIED", "message": "quota \u001b[31mis used up\n", "detail": {"a": 1}}]}"#;
        assert_eq!(reason(json).unwrap(), r"quota \u{1b}[31mis used up");
        assert_eq!(reason(br#"{"errors": [{"code": "BLOB_UNKNOWN"}]}"#).unwrap(), "blob unknown");
        assert_eq!(reason(br#"{"errors": []}"#), None);
        assert_eq!(reason(b"<html>"), None);
        let long = format!(r#"{{"errors": [{{"message": "{}"}}]}}"#, "x".repeat(1000));
        assert_eq!(reason(long.as_bytes()).unwrap().chars().count(), 161);
    }
}
