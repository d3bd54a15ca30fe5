//! The contract, for toolchains that read WIT from files.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use crate::Export;
use crate::embedded::CONTRACT;

/// The world that [`world`] makes.
pub const WORLD: &str = "policy";

/// The package of the contract, and where it lies below [`world`]'s file.
const PACKAGE: &str = "gingham:ipam";
const VERSION: &str = "0.2.0";

/// The files of the contract: name and text.
pub fn files() -> &'static [(&'static str, &'static str)] {
    CONTRACT
}

/// A package with one world: a policy with these optional exports.
pub fn world(exports: &[Export]) -> String {
    let mut text = format!("package policy:exported;\n\nworld {WORLD} {{\n  include {PACKAGE}/policy@{VERSION};\n");
    for export in exports {
        let _ = writeln!(text, "  include {PACKAGE}/policy-with-{}@{VERSION};", export.as_str());
    }
    text.push_str("}\n");
    text
}

/// Writes the world and the contract in the form that the tools of the component model read: the world's package in the
/// directory, the contract in `deps`.
///
/// # Errors
/// The directory cannot be written.
pub fn write(directory: &Path, exports: &[Export]) -> io::Result<()> {
    let contract = directory.join("deps").join(PACKAGE.replace(':', "-"));
    fs::create_dir_all(&contract)?;
    fs::write(directory.join("policy.wit"), world(exports))?;
    CONTRACT.iter().try_for_each(|(name, text)| fs::write(contract.join(name), text))
}
