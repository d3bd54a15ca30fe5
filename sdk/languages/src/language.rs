//! The languages, and the kinds of policies that a new directory can start with.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Program;
use crate::c::C;
use crate::javascript::JavaScript;
use crate::python::Python;
use crate::rust::Rust;
use crate::toolchain::Toolchain;

/// The language of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    Rust,
    C,
    #[serde(rename = "js")]
    JavaScript,
    Python,
}

impl Language {
    pub const ALL: [Self; 4] = [Self::Rust, Self::C, Self::JavaScript, Self::Python];

    /// As a manifest and the command line write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::JavaScript => "js",
            Self::Python => "python",
        }
    }

    /// The programs that its policies are built with and that `PATH` does not have.
    pub fn missing(self) -> Vec<Program> {
        self.toolchain().programs().iter().copied().filter(|program| program.find().is_none()).collect()
    }

    pub(crate) fn toolchain(self) -> &'static dyn Toolchain {
        match self {
            Self::Rust => &Rust,
            Self::C => &C,
            Self::JavaScript => &JavaScript,
            Self::Python => &Python,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the first policy of a new directory does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It checks its configuration and allocates.
    Plain,
    /// It is also called when attachments end.
    Release,
    /// It also divides a range among the members of a cluster.
    Cluster,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Plain, Self::Release, Self::Cluster];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Release => "release",
            Self::Cluster => "cluster",
        }
    }

    /// The optional exports of such a policy.
    pub fn exports(self) -> &'static [Export] {
        match self {
            Self::Plain => &[],
            Self::Release => &[Export::ReleaseHook],
            Self::Cluster => &[Export::Cluster],
        }
    }
}

/// An optional interface that a policy exports besides `allocator`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Export {
    ReleaseHook,
    AdoptionHook,
    Cluster,
}

impl Export {
    pub(crate) const ALL: [Self; 3] = [Self::ReleaseHook, Self::AdoptionHook, Self::Cluster];

    /// The interface's name in the contract; its world is `policy-with-` and this.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReleaseHook => "release-hook",
            Self::AdoptionHook => "adoption-hook",
            Self::Cluster => "cluster",
        }
    }
}
