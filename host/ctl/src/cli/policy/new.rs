//! `ginghamctl policy new`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = "\
Writes a directory with a first policy, its cases, a README and what it needs of Gingham. It builds without Gingham's
source. Nothing is written if the directory exists and is not empty. NAME is a letter, then letters, digits and single
hyphens, in lower case.

Examples:
  ginghamctl policy new pool-per-team
  ginghamctl policy new sticky-pods --lang js --kind release
  ginghamctl policy new nearest --lang python --kind cluster --dir policies/nearest")]
pub(crate) struct NewArguments {
    /// The policy's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Its language
    #[arg(long, value_name = "LANG", default_value = "rust")]
    pub(crate) lang: Language,
    /// What the first policy does
    #[arg(long, value_name = "KIND", default_value = "plain")]
    pub(crate) kind: Kind,
    /// The directory to write [default: NAME in the working directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Needs cargo
    Rust,
    /// Needs clang, lld and wasi-libc
    C,
    /// JavaScript: needs no other program
    Js,
    /// Python: needs componentize-py
    Python,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// It allocates
    Plain,
    /// It is also called when containers end: a pod that returns gets its address again
    Release,
    /// It also divides a range among the nodes of a cluster
    Cluster,
}

impl From<Language> for gingham_languages::Language {
    fn from(language: Language) -> Self {
        match language {
            Language::Rust => Self::Rust,
            Language::C => Self::C,
            Language::Js => Self::JavaScript,
            Language::Python => Self::Python,
        }
    }
}

impl From<Kind> for gingham_languages::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Plain => Self::Plain,
            Kind::Release => Self::Release,
            Kind::Cluster => Self::Cluster,
        }
    }
}
