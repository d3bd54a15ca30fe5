//! The API's object `Status`: why a request was not done.

use std::fmt;

use serde::Deserialize;

/// How much of a body that is no `Status` is shown.
const SHOWN: usize = 200;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// `Status`, or empty if the server sent something else: a text, or the object itself.
    pub kind: String,
    /// `Success` or `Failure`.
    pub status: String,
    /// A word for programs: `NotFound`, `AlreadyExists`, `Conflict`, `Expired` …
    pub reason: String,
    pub message: String,
    pub code: u16,
    pub details: Details,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Details {
    pub name: String,
}

impl Status {
    /// Of an answer. What is no `Status` has no kind, and the beginning of its text as message.
    pub(crate) fn read(code: u16, body: &[u8]) -> Self {
        match serde_json::from_slice::<Self>(body) {
            Ok(mut status) if status.kind == "Status" => {
                status.code = code;
                status
            }
            // An object, for example one that a finalizer keeps.
            Ok(_) => Self { code, ..Self::default() },
            Err(_) => {
                let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).trim().to_owned();
                Self { code, message: text, ..Self::default() }
            }
        }
    }

    pub fn is_status(&self) -> bool {
        self.kind == "Status"
    }

    pub fn is_success(&self) -> bool {
        self.is_status() && self.status == "Success"
    }

    /// Whether there is no object of this name. A 404 in plain text says something else: there is no such kind.
    pub fn is_not_found(&self, name: &str) -> bool {
        self.code == 404 && self.is_status() && self.reason == "NotFound" && self.details.name == name
    }

    pub fn is_expired(&self) -> bool {
        self.code == 410 || self.reason == "Expired" || self.reason == "Gone"
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_object_and_a_missing_kind_are_told_apart() {
        let missing = br#"{"kind":"Status","status":"Failure","reason":"NotFound","details":{"name":"a"},"code":404}"#;
        let missing = Status::read(404, missing);
        assert!(missing.is_not_found("a") && !missing.is_not_found("b"));
        let no_kind = Status::read(404, b"404 page not found\n");
        assert!(!no_kind.is_not_found("a"));
        assert_eq!(no_kind.to_string(), "404: 404 page not found");
    }

    #[test]
    fn only_a_status_reports_success() {
        assert!(Status::read(200, br#"{"kind":"Status","status":"Success"}"#).is_success());
        let kept = br#"{"kind":"AddressBlock","metadata":{"deletionTimestamp":"x"},"status":{"used":1}}"#;
        assert!(!Status::read(200, kept).is_success());
        assert!(!Status::read(200, br#"{"kind":"AddressBlock","status":"Success"}"#).is_success());
    }
}
