//! From a policy's crate to the component that Gingham runs: one cargo call for `wasm32-unknown-unknown`, one wrapping.
//!
//! The test runner, the build script of the built-in policies and `ginghamctl policy add DIRECTORY` all build policies
//! here, so they get the same component.
//!
//! # Where rustup cannot bring the target
//!
//! `GINGHAM_GUEST_CARGO=/usr/bin/cargo` names another cargo for policies alone, with its `rustc` beside it. It builds the
//! standard library itself, so it needs that library's source; Debian has all three as `cargo-web`, `rustc-web` and
//! `rust-web-src`. `CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER` names a linker where that cargo finds none, for example
//! the `rust-lld` of another toolchain. Otherwise the environment of the outer build does not reach the policy's.

mod cargo;

use std::io;
use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, DecodedWasm};

/// The target of policies: it knows no system, so nothing can be imported by accident.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// What every policy exports, whatever the version.
const ALLOCATOR: &str = "gingham:ipam/allocator@";

/// A policy, built.
#[derive(Debug, Clone)]
pub struct Component {
    /// The component.
    pub bytes: Vec<u8>,
    /// The core module it was made from, in cargo's target directory.
    pub module: PathBuf,
    /// The package's name.
    pub name: String,
    /// What the compiler warns of, in its words. Empty when nothing was compiled.
    pub warnings: String,
}

/// A policy that could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Nothing to build there.
    #[error("{path} holds no Cargo.toml; a policy in Rust is a crate; `ginghamctl policy new` writes one")]
    NoCrate {
        /// The directory.
        path: PathBuf,
    },
    /// cargo did not start.
    #[error("cannot run {program}: {source}")]
    CargoMissing {
        /// What was to be run.
        program: String,
        /// The system's word.
        source: io::Error,
    },
    /// The compiler has no library for the target.
    #[error("this Rust toolchain cannot compile for {TARGET}; run `rustup target add {TARGET}`")]
    TargetMissing,
    /// The compiler found faults.
    #[error("the policy in {path} does not compile:\n{output}")]
    Compile {
        /// The directory.
        path: PathBuf,
        /// The output of cargo.
        output: String,
    },
    /// A crate that makes no module.
    #[error("{path} makes no WebAssembly module; its Cargo.toml needs `[lib] crate-type = [\"cdylib\", \"rlib\"]`")]
    NotCdylib {
        /// The directory.
        path: PathBuf,
    },
    /// The module could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The module.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The module is not a policy.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// A core module that cannot become a component.
#[derive(Debug, thiserror::Error)]
#[error("not a module of a policy ({reason}): the crate needs `gingham_sdk::policy!(…)`")]
pub struct EncodeError {
    /// The encoder's words, or what is missing.
    pub reason: String,
}

/// Builds the policy crate in `directory` with the optimisations a policy should have, whatever its own profile sets.
/// Quick when nothing has changed.
///
/// # Errors
/// [`BuildError`]
pub fn build_policy(directory: &Path) -> Result<Component, BuildError> {
    build_policy_with(directory, Options::default(), &mut |_| {})
}

/// As [`build_policy`], with this directory for what cargo leaves behind. Policies that share one share the dependencies
/// that are built in it.
///
/// # Errors
/// [`BuildError`]
pub fn build_policy_in(directory: &Path, target_dir: &Path) -> Result<Component, BuildError> {
    build_policy_with(directory, Options { target_dir: Some(target_dir), lines: false }, &mut |_| {})
}

/// How a policy is built.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// For what cargo leaves behind; beside the outer build's files otherwise.
    pub target_dir: Option<&'a Path>,
    /// Whether the component has the lines of its source, so that tools show them with a fault. The code is the same, the
    /// digest is not.
    pub lines: bool,
}

/// As [`build_policy`], with these options. `progress` gets each line that cargo and the compiler print, as it comes.
///
/// # Errors
/// [`BuildError`]
pub fn build_policy_with(
    directory: &Path,
    options: Options<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<Component, BuildError> {
    let usual = || cargo::target_dir(&directory.join("Cargo.toml"));
    let target_dir = options.target_dir.map_or_else(usual, Path::to_owned);
    let built = cargo::build(directory, &target_dir, options.lines, progress)?;
    let bytes =
        std::fs::read(&built.module).map_err(|source| BuildError::Read { path: built.module.clone(), source })?;
    Ok(Component { bytes: encode(&bytes)?, module: built.module, name: built.package, warnings: built.warnings })
}

/// Wraps the core module that the SDK's macro makes into a component, and validates it.
///
/// # Errors
/// [`EncodeError`] if the module does not carry the contract.
pub fn encode(module: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let fault = |error: &dyn std::fmt::Display| EncodeError { reason: format!("{error:#}") };
    let component = wrap(module)?;
    // A module without the SDK's description of itself becomes a component too: an empty one.
    let described = wit_component::decode(&component).map_err(|error| fault(&error))?;
    let DecodedWasm::Component(resolve, world) = described else { return Err(fault(&"it is a package of interfaces")) };
    let exports: Vec<String> = resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)).collect();
    let has_allocator = exports.iter().any(|export| export.starts_with(ALLOCATOR));
    if has_allocator { Ok(component) } else { Err(fault(&format!("it does not export {ALLOCATOR}"))) }
}

/// Wraps any whole core module that carries what the component is made of, whatever it exports.
///
/// # Errors
/// [`EncodeError`] if it carries nothing.
///
/// # Panics
/// If the module is invalid: validate what comes from elsewhere.
pub fn wrap(module: &[u8]) -> Result<Vec<u8>, EncodeError> {
    // Without a contract the encoder would make a component that has nothing.
    if !carries_a_contract(module)? {
        return Err(EncodeError { reason: "it carries no contract".to_owned() });
    }
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| EncodeError { reason: format!("{error:#}") })
}

/// Whether there is one of the sections in which `wasm-tools component embed` ("component-type") and wit-bindgen
/// ("component-type:…") write down what a module is made for.
fn carries_a_contract(module: &[u8]) -> Result<bool, EncodeError> {
    let decoded = wit_component::metadata::decode(module);
    decoded.map(|(rest, _)| rest.is_some()).map_err(|error| EncodeError { reason: format!("{error:#}") })
}
