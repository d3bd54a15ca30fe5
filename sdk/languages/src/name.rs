//! The name of a new policy: a directory, a package in its language and a name in configurations.

use std::fmt;
use std::str::FromStr;

/// Cargo refuses longer ones in some registries; file names of what is built have a suffix besides.
const LONGEST: usize = 64;

/// What no package can be called: keywords of Rust, and crates that it or the policy has already.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "gingham",
    "gingham-config",
    "gingham-sdk",
    "if",
    "impl",
    "in",
    "ipnet",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "serde-json",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "wit-bindgen",
    "yield",
];

/// A name that every language accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyName(String);

/// A name that some language does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error(
        "invalid name {name:?}: use a letter, then letters, digits and single hyphens, all in lower case, at most {LONGEST} \
         bytes, such as \"pool-per-team\""
    )]
    Malformed { name: String },
    #[error("{name} is reserved: the languages of policies use it; choose another name")]
    Reserved { name: String },
}

impl FromStr for PolicyName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let parts_are_sound = name.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
        let begins_with_a_letter = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if name.len() > LONGEST || !parts_are_sound || !begins_with_a_letter {
            return Err(NameError::Malformed { name: name.to_owned() });
        }
        if RESERVED.contains(&name) {
            return Err(NameError::Reserved { name: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }
}

impl PolicyName {
    /// `pool-per-team`
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `pool_per_team`
    pub(crate) fn in_snake_case(&self) -> String {
        self.0.replace('-', "_")
    }

    /// `PoolPerTeam`
    pub(crate) fn in_pascal_case(&self) -> String {
        let capitalised = |part: &str| part[..1].to_ascii_uppercase() + &part[1..];
        self.0.split('-').map(capitalised).collect()
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_as_each_language_wants_it() {
        let name: PolicyName = "pool-per-2-teams".parse().unwrap();
        assert_eq!(
            (name.as_str(), &*name.in_snake_case(), &*name.in_pascal_case()),
            ("pool-per-2-teams", "pool_per_2_teams", "PoolPer2Teams")
        );
    }

    #[test]
    fn names_that_no_package_can_have_are_refused() {
        let long = "a".repeat(LONGEST + 1);
        for name in ["", "Team", "2-teams", "-a", "a-", "a--b", "a_b", "a b", "a/b", "../a", "ä", &long] {
            assert_eq!(name.parse::<PolicyName>(), Err(NameError::Malformed { name: name.to_owned() }));
        }
        for name in ["gingham", "serde", "test", "match"] {
            assert_eq!(name.parse::<PolicyName>(), Err(NameError::Reserved { name: name.to_owned() }));
        }
    }
}
