//! Crates of all sorts, written to a directory of their own, outside of the workspace as an author's would be.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use gingham_build::{BuildError, Component, build_policy_in, encode};
use tempfile::TempDir;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// A crate with this library, on the SDK of this workspace and the versions of its lock file.
fn author(name: &str, library: &str, source: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    let sdk = workspace().join("sdk").display().to_string();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n[lib]\n{library}\n\n\
         [dependencies]\ngingham-sdk = {{ path = {sdk:?} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n"
    );
    fs::write(directory.path().join("Cargo.toml"), manifest).unwrap();
    fs::copy(workspace().join("Cargo.lock"), directory.path().join("Cargo.lock")).unwrap();
    fs::create_dir(directory.path().join("src")).unwrap();
    fs::write(directory.path().join("src/lib.rs"), source).unwrap();
    directory
}

fn build(directory: &TempDir) -> Result<Component, BuildError> {
    // The built-in policies' dependencies are there already.
    build_policy_in(directory.path(), &workspace().join("target/policies"))
}

const CDYLIB: &str = "crate-type = [\"cdylib\", \"rlib\"]";

/// The first policy of the SDK's documentation, as it stands there.
fn documented_policy() -> String {
    let documentation = fs::read_to_string(workspace().join("sdk/src/lib.rs")).unwrap();
    let lines = documentation.lines().filter_map(|line| line.strip_prefix("//!").map(str::trim_start));
    let code = lines.skip_while(|line| *line != "```").skip(1).take_while(|line| *line != "```");
    code.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_documented_first_policy_is_a_component_of_fifteen_lines() {
    let source = documented_policy();
    let written = source.lines().filter(|line| !line.is_empty()).count();
    assert!((10..=17).contains(&written), "{written} lines:\n{source}");

    let directory = author("first-policy", CDYLIB, &source);
    let component = build(&directory).unwrap();
    assert_eq!(component.name, "first-policy");
    assert_eq!(component.bytes[..8], *b"\0asm\x0d\0\x01\0", "a component's first bytes");
    assert!(component.bytes.len() < 200_000, "{} bytes", component.bytes.len());
    let text = String::from_utf8_lossy(&component.bytes);
    assert!(text.contains("gingham:ipam/leases@0.2") && !text.contains("wasi:"), "it imports something else");

    let module = fs::metadata(&component.module).unwrap().modified().unwrap();
    let again = build(&directory).unwrap();
    assert_eq!(again.bytes, component.bytes);
    assert_eq!(fs::metadata(&again.module).unwrap().modified().unwrap(), module, "nothing changed, and it was built");
}

#[test]
fn a_fault_in_the_source_is_told_in_the_compilers_words() {
    let error = build(&author("faulty", CDYLIB, "pub fn nothing() -> u8 { \"text\" }\n")).unwrap_err();
    assert!(matches!(error, BuildError::Compile { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("does not compile") && text.contains("mismatched types"), "{text}");
    assert!(text.contains("src/lib.rs:1:"), "{text}");
}

#[test]
fn a_crate_that_makes_no_module_hears_of_cdylib() {
    let error = build(&author("plain-library", "", "")).unwrap_err();
    assert!(matches!(error, BuildError::NotCdylib { .. }), "{error:?}");
    assert!(error.to_string().contains("crate-type = [\"cdylib\", \"rlib\"]"), "{error}");
}

#[test]
fn a_module_without_a_policy_hears_of_the_macro() {
    let source = "#[unsafe(no_mangle)] pub extern \"C\" fn allocate() {}\n";
    let error = build(&author("no-policy", CDYLIB, source)).unwrap_err();
    assert!(matches!(error, BuildError::Encode(_)), "{error:?}");
    assert!(error.to_string().contains("gingham_sdk::policy!"), "{error}");
}

#[test]
fn a_directory_without_a_crate_says_so() {
    let directory = TempDir::new().unwrap();
    let error = gingham_build::build_policy(directory.path()).unwrap_err();
    assert!(matches!(&error, BuildError::NoCrate { path } if path == directory.path()), "{error:?}");
}

#[test]
fn bytes_that_are_no_module_are_refused() {
    for garbage in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0\xff\xff\xff\xff\xff", b"#!/bin/sh\n"] {
        assert!(encode(garbage).is_err(), "{garbage:?}");
    }
}

#[test]
fn a_policy_in_the_workspace_is_built_beside_the_workspaces_files() {
    let host_local: PathBuf = workspace().join("policies/host-local");
    let component = gingham_build::build_policy(&host_local).unwrap();
    assert_eq!(component.name, "host-local");
    assert!(component.module.starts_with(workspace().join("target/policies")), "{}", component.module.display());
    assert!(component.bytes.len() < 230_000, "{} bytes", component.bytes.len());
}
