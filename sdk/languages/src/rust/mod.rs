//! Rust: the SDK's source is in the policy's directory, cargo builds it.

mod lock_file;

use std::path::Path;

use crate::embedded::{RUST_BINDINGS, RUST_SDK};
use crate::template::File;
use crate::toolchain::{Toolchain, ToolchainError};
use crate::{DebugInformation, Kind, MANIFEST, Manifest, Message, Messages, PolicyName, Program};

pub(crate) struct Rust;

const CARGO: Program = Program { name: "cargo", install: "install Rust, see https://rustup.rs" };

impl Toolchain for Rust {
    fn files(&self, name: &PolicyName, _: Kind) -> Result<Vec<File>, ToolchainError> {
        let path = |path: &str| match path.starts_with("config/") {
            true => format!("gingham/{path}"),
            false => format!("gingham/sdk/{path}"),
        };
        // The generator of the bindings would be two thirds of what a new policy compiles.
        let text =
            |at: &str, text: &str| if at == "src/bindings.rs" { RUST_BINDINGS.to_owned() } else { text.to_owned() };
        let sdk = RUST_SDK.iter().map(|(at, there)| File { path: path(at), text: text(at, there) });
        Ok(sdk.chain([File { path: "Cargo.lock".to_owned(), text: lock_file::text(name) }]).collect())
    }

    fn programs(&self) -> &'static [Program] {
        &[CARGO]
    }

    fn build(
        &self,
        directory: &Path,
        _: &Manifest,
        debug: DebugInformation,
        messages: Messages,
    ) -> Result<Vec<u8>, ToolchainError> {
        // A directory with a manifest of Gingham's is a workspace of its own, whatever lies around it.
        let own = directory.join(MANIFEST).is_file().then(|| directory.join("target/policies"));
        let status = &mut |line: &str| messages(Message::Status(line.trim_start()));
        let options = gingham_build::Options { target_dir: own.as_deref(), lines: debug == DebugInformation::Lines };
        match gingham_build::build_policy_with(directory, options, status) {
            Err(gingham_build::BuildError::CargoMissing { .. }) => Err(ToolchainError::Missing { program: CARGO }),
            Err(error) => Err(error.into()),
            Ok(built) => {
                if !built.warnings.is_empty() {
                    messages(Message::Warning(&built.warnings));
                }
                Ok(built.bytes)
            }
        }
    }
}
