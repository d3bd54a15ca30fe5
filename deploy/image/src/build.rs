//! Cargo's calls. The plugin is built alone, so that it shares no features with the tools: they have a compiler, it has none.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use gingham_image::ImageError;

const PROFILE: &str = "ship";

/// Returns the directory of the programs.
pub(crate) fn programs(target: &str) -> Result<PathBuf, ImageError> {
    build(target, &["gingham"])?;
    build(target, &["gingham-node", "ginghamctl"])?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(built.join(target).join(PROFILE))
}

fn build(target: &str, packages: &[&str]) -> Result<(), ImageError> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--profile", PROFILE, "--target", target]);
    // A linker of the machine's own architecture cannot link for another one.
    if !target.starts_with(env::consts::ARCH) {
        cargo.args(["--config", &format!("target.{target}.linker='rust-lld'")]);
    }
    for package in packages {
        cargo.args(["--package", package]);
    }
    let failed = |reason: String| ImageError::Build { target: target.to_owned(), reason };
    let status = cargo.status().map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}
