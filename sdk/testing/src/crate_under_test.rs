//! The crate whose tests run: built and compiled once for a process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use gingham_build::Component;
use gingham_engine::compile::Compiler;
use gingham_engine::runtime::Policy;

static BUILT: LazyLock<Mutex<HashMap<PathBuf, Built>>> = LazyLock::new(Mutex::default);

struct Built {
    component: Component,
    policy: Policy,
}

/// cargo sets where the crate under test is.
#[track_caller]
pub(crate) fn directory() -> PathBuf {
    match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(directory) => directory.into(),
        None => panic!("CARGO_MANIFEST_DIR is not set: run the tests with `cargo test`, in the policy's crate"),
    }
}

/// The policy whose crate is in `directory`; built once for a process.
///
/// # Panics
/// If the crate does not build, or makes no policy.
#[track_caller]
pub fn policy_of(directory: &Path) -> Policy {
    with_built(directory, |built| built.policy.clone())
}

/// The component of the crate in `directory`: what `ginghamctl policy add` takes.
///
/// # Panics
/// If the crate does not build, or makes no policy.
#[track_caller]
pub fn component(directory: &Path) -> Vec<u8> {
    with_built(directory, |built| built.component.bytes.clone())
}

#[track_caller]
fn with_built<T>(directory: &Path, read: impl Fn(&Built) -> T) -> T {
    // A test that panics below leaves the map as it was.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = built.get(directory) {
        return read(known);
    }
    match build(directory) {
        Ok(new) => read(built.entry(directory.to_owned()).or_insert(new)),
        Err(error) => {
            drop(built);
            panic!("{error}")
        }
    }
}

fn build(directory: &Path) -> Result<Built, Box<dyn std::error::Error>> {
    let component = gingham_build::build_policy(directory)?;
    let policy = Compiler::with_lines()?.load(&component.name, &component.bytes)?;
    Ok(Built { component, policy })
}
