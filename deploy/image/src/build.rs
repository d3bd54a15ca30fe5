//! Cargo's calls. The plugin is built alone, so that it shares no features with the tools: they have a compiler, it has none.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use gingham_image::ImageError;

const PROFILE: &str = "ship";

/// Returns the directory of the programs.
pub(crate) fn programs(target: &str) -> Result<PathBuf, ImageError> {
    build(target, &["--package", "gingham"], &["gingham/installed"])?;
    build(target, &["--package", "gingham-node", "--package", "ginghamctl"], &[])?;
    let built = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(built.join(target).join(PROFILE))
}

fn build(target: &str, packages: &[&str], features: &[&str]) -> Result<(), ImageError> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--profile", PROFILE, "--target", target]).args(packages);
    for feature in features {
        cargo.args(["--features", feature]);
    }
    if !is_ours(target) {
        // A feature can be named only with its package.
        cargo.args(["--package", "gingham-builtin", "--features", "gingham-builtin/every-processor"]);
    }
    for setting in settings(target) {
        cargo.args(["--config", &setting]);
    }
    let failed = |reason: String| ImageError::Build { target: target.to_owned(), reason };
    let status = cargo.status().map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}

/// In cargo's configuration. Variables of the environment have precedence.
fn settings(target: &str) -> Vec<String> {
    let variable = target.replace('-', "_");
    // Messages of panics and assertions have paths in them: without this, each machine would make another image.
    let prefixes = [(cargo_home(), "/cargo"), (root(), "/gingham")];
    let map = |option: &str| prefixes.iter().map(|(from, to)| format!("{option}={}={to}", from.display())).collect();
    let (rust, c): (Vec<String>, Vec<String>) = (map("--remap-path-prefix"), map("-ffile-prefix-map"));
    let mut settings =
        vec![format!("target.{target}.rustflags={rust:?}"), format!("env.CFLAGS_{variable}={:?}", c.join(" "))];
    // A linker and a C compiler of the machine's own architecture cannot build for another one.
    if !is_ours(target) {
        let architecture = target.split('-').next().unwrap_or_default();
        settings.push(format!("target.{target}.linker=\"rust-lld\""));
        settings.push(format!("env.CC_{variable}=\"{architecture}-linux-gnu-gcc\""));
    }
    settings
}

/// Whether this machine's processor runs what is built for the target.
fn is_ours(target: &str) -> bool {
    target.starts_with(env::consts::ARCH)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/")).to_owned()
}

fn cargo_home() -> PathBuf {
    let given = env::var_os("CARGO_HOME").map(PathBuf::from);
    given.unwrap_or_else(|| PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cargo"))
}
