//! The guests of this crate, built: each is a policy with one bug.
#![cfg(not(target_arch = "wasm32"))]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Where the guests' modules lie.
static MODULES: LazyLock<PathBuf> = LazyLock::new(build);

/// The component of `guests/NAME.rs`.
///
/// # Panics
/// If the guests do not build, or there is none of this name.
pub fn component(name: &str) -> Vec<u8> {
    let path = MODULES.join(format!("{name}.wasm"));
    let module = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    gingham_build::encode(&module).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// One cargo call for all guests. Link-time optimisation would take a second for each of them.
fn build() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = workspace.join("target/policies");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace).args(["build", "--offline", "--release", "--target", "wasm32-unknown-unknown"]);
    command.args(["--package", "wrong-policies", "--examples", "--features", "guests"]);
    command.args(["--config", "profile.release.lto='off'", "--config", "profile.release.panic='abort'"]);
    // Whatever the outer build has: it decides what is inlined, so fuel and the functions that a fault names.
    command.arg("--target-dir").arg(&target).env("CARGO_INCREMENTAL", "0");
    let output = command.output().unwrap_or_else(|error| panic!("cargo: {error}"));
    assert!(output.status.success(), "the guests do not build:\n{}", String::from_utf8_lossy(&output.stderr));
    target.join("wasm32-unknown-unknown/release/examples")
}
