//! `Cargo.lock` of a new policy: the versions that Gingham itself is tested with.

use crate::PolicyName;
use crate::embedded::TEMPLATES;

const PACKAGE: &str = "\n[[package]]\n";

/// The lock file, with the policy among the packages: they are ordered by name, and cargo writes the file again if they
/// are not.
pub(super) fn text(name: &PolicyName) -> String {
    let template = TEMPLATES.iter().find(|(path, _)| *path == "rust/Cargo.lock").map_or("", |(_, text)| *text);
    let own = format!("name = \"{name}\"\nversion = \"0.1.0\"\ndependencies = [\n \"gingham-sdk\",\n \"serde\",\n]\n");
    let mut parts = template.split(PACKAGE);
    let head = parts.next().unwrap_or_default();
    let mut packages: Vec<&str> = parts.chain([&*own]).collect();
    packages.sort_by_key(|package| package.lines().next());
    packages.iter().fold(head.to_owned(), |text, package| text + PACKAGE + package.trim_end_matches('\n') + "\n")
}
