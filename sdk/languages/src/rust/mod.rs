//! Rust: the SDK's source is in the policy's directory, cargo builds it.

mod lock_file;

use std::path::Path;

use crate::embedded::RUST_SDK;
use crate::template::File;
use crate::toolchain::{Toolchain, ToolchainError};
use crate::{Kind, MANIFEST, Manifest, PolicyName, Program};

pub(crate) struct Rust;

const CARGO: Program = Program { name: "cargo", install: "install Rust, see https://rustup.rs" };

impl Toolchain for Rust {
    fn files(&self, name: &PolicyName, _: Kind) -> Result<Vec<File>, ToolchainError> {
        let path = |path: &str| match path.starts_with("config/") {
            true => format!("gingham/{path}"),
            false => format!("gingham/sdk/{path}"),
        };
        let sdk = RUST_SDK.iter().map(|(at, text)| File { path: path(at), text: (*text).to_owned() });
        Ok(sdk.chain([File { path: "Cargo.lock".to_owned(), text: lock_file::text(name) }]).collect())
    }

    fn programs(&self) -> &'static [Program] {
        &[CARGO]
    }

    fn build(&self, directory: &Path, _: &Manifest) -> Result<Vec<u8>, ToolchainError> {
        match build_in_its_place(directory) {
            Err(gingham_build::BuildError::CargoMissing { .. }) => Err(ToolchainError::Missing { program: CARGO }),
            built => Ok(built?.bytes),
        }
    }
}

/// A directory with a manifest of Gingham's is a workspace of its own, whatever lies around it.
fn build_in_its_place(directory: &Path) -> Result<gingham_build::Component, gingham_build::BuildError> {
    match directory.join(MANIFEST).is_file() {
        true => gingham_build::build_policy_in(directory, &directory.join("target/policies")),
        false => gingham_build::build_policy(directory),
    }
}
