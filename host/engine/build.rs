//! Finds out which wasmtime this build links: its exact version is part of the key of compiled artefacts.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let manifest_dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let lock = manifest_dir.ancestors().map(|dir| dir.join("Cargo.lock")).find(|path| path.exists());
    let version = lock.as_ref().and_then(|path| {
        println!("cargo:rerun-if-changed={}", path.display());
        wasmtime_version(&fs::read_to_string(path).ok()?)
    });
    let version = version.unwrap_or_else(|| "48".to_owned());
    println!("cargo:rustc-env=GINGHAM_WASMTIME_VERSION={version}");
    println!("cargo:rerun-if-changed=build.rs");
}

fn wasmtime_version(lock: &str) -> Option<String> {
    let package = lock.split("[[package]]").find(|package| package.contains("name = \"wasmtime\"\n"))?;
    let line = package.lines().find_map(|line| line.strip_prefix("version = "))?;
    Some(line.trim_matches('"').to_owned())
}
