//! Keys of a configuration that the policy does not know. Most are misspelt, and nobody notices.
//!
//! The contract has no place for them, so a policy's SDK logs a line of this form in `check-config`, at level debug:
//!
//! ```text
//! unknown key: ["cooldwon",["subnet","ranges"]]
//! ```
//!
//! The host takes the line out of the log, drops it on an ADD, and makes a warning of it where a person checks a
//! configuration: with the nearest key that the policy or the host knows.

use std::fmt;

use crate::runtime::LogLine;
use crate::settings::HOST_KEYS;

const PREFIX: &str = "unknown key: ";

/// Keys that something else than the policy reads, or that the runtime sends.
const READ_ELSEWHERE: [&str; 2] = ["resolvConf", "ipRanges"];

/// A key that the policy does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    pub key: String,
    /// Keys that it knows in that place.
    pub known: Vec<String>,
}

/// `ipam.cooldwon: unknown key, did you mean "cooldown"?`
impl fmt::Display for UnknownKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ipam.{}: {}", self.key, self.advice())
    }
}

impl UnknownKey {
    /// What to do, as a sentence that follows the key.
    pub fn advice(&self) -> String {
        match self.nearest() {
            Some(near) => format!("unknown key, did you mean {near:?}?"),
            None if self.known.is_empty() => "unknown key, which the policy ignores".to_owned(),
            None => format!("unknown key, which the policy ignores; it knows {}", self.known.join(", ")),
        }
    }

    /// A misspelt key of the host reaches the policy, too.
    fn nearest(&self) -> Option<&str> {
        nearest(&self.key, self.known.iter().map(String::as_str).chain(HOST_KEYS).chain(READ_ELSEWHERE))
    }
}

/// The known key that was probably meant: with at most a third of the letters wrong.
pub fn nearest<'k>(key: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let wanted = key.to_ascii_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&wanted, &known.to_ascii_lowercase());
    let known = known.into_iter().map(|known| (distance(known), known));
    let (distance, near) = known.min_by_key(|(distance, _)| *distance)?;
    (distance <= (wanted.chars().count() / 3).max(1)).then_some(near)
}

/// Takes the lines about unknown keys out of a policy's log.
pub(crate) fn take(lines: &mut Vec<LogLine>) -> Vec<UnknownKey> {
    let mut unknown = Vec::new();
    lines.retain(|line| match read(&line.message) {
        Some(key) => {
            let is_known = READ_ELSEWHERE.iter().any(|known| known.eq_ignore_ascii_case(&key.key));
            unknown.extend((!is_known).then_some(key));
            false
        }
        None => true,
    });
    unknown
}

fn read(message: &str) -> Option<UnknownKey> {
    let (key, known) = serde_json::from_str(message.strip_prefix(PREFIX)?).ok()?;
    Some(UnknownKey { key, known })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::LogLevel;

    fn line(message: &str) -> LogLine {
        LogLine { level: LogLevel::Debug, message: message.to_owned() }
    }

    #[test]
    fn lines_about_keys_are_taken_and_others_stay() {
        let mut lines = vec![
            line("hello"),
            line(r#"unknown key: ["cooldwon",["subnet"]]"#),
            line(r#"unknown key: ["ResolvConf",[]]"#),
            line("unknown key: nonsense"),
        ];
        let unknown = take(&mut lines);
        assert_eq!(unknown, [UnknownKey { key: "cooldwon".to_owned(), known: vec!["subnet".to_owned()] }]);
        assert_eq!(lines, [line("hello"), line("unknown key: nonsense")]);
    }

    #[test]
    fn the_nearest_key_is_the_policys_or_the_hosts() {
        let advice = |key: &str| {
            let known = ["subnet", "ranges", "rangeStart"].map(str::to_owned).to_vec();
            UnknownKey { key: key.to_owned(), known }.advice()
        };
        assert_eq!(advice("subnett"), "unknown key, did you mean \"subnet\"?");
        assert_eq!(advice("cooldwon"), "unknown key, did you mean \"cooldown\"?");
        assert_eq!(advice("Range_Start"), "unknown key, did you mean \"rangeStart\"?");
        assert_eq!(advice("gateway"), "unknown key, which the policy ignores; it knows subnet, ranges, rangeStart");
        assert_eq!(advice("x"), "unknown key, which the policy ignores; it knows subnet, ranges, rangeStart");
    }
}
