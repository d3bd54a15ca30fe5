//! The hostile policies of `tests/hostile`: built once in a process, compiled when they are asked for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};

use gingham_engine::compile::{Compiled, Compiler};
use gingham_engine::library::{Digest, Installed, LIBRARY_DIR, Library};
use gingham_engine::runtime::{Policy, Runtime};

/// Where the guests' modules lie.
static MODULES: LazyLock<PathBuf> = LazyLock::new(build);

static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Guest>>>> = LazyLock::new(Mutex::default);

/// A guest, ready to be run or installed.
pub struct Guest {
    /// Its name: that of its file in `tests/hostile/guests`, and its policy's.
    pub name: String,
    /// The component.
    pub component: Vec<u8>,
    compiled: Compiled,
}

/// The guest of `tests/hostile/guests/NAME.rs`.
pub fn guest(name: &str) -> Arc<Guest> {
    if let Some(known) = COMPILED.lock().unwrap().get(name) {
        return Arc::clone(known);
    }
    let module = module(name);
    let module = std::fs::read(&module).unwrap_or_else(|error| panic!("{}: {error}", module.display()));
    let guest = Arc::new(Guest::of_component(name, gingham_build::encode(&module).unwrap()));
    COMPILED.lock().unwrap().insert(name.to_owned(), Arc::clone(&guest));
    guest
}

impl Guest {
    /// A guest that is no crate: a component made by hand.
    pub fn of_component(name: &str, component: Vec<u8>) -> Self {
        let compiled = Compiler::new().unwrap().compile(&component).unwrap();
        Self { name: name.to_owned(), component, compiled }
    }

    /// Loads it into an engine of its own.
    pub fn policy(&self) -> Policy {
        // SAFETY: compiled in this process.
        unsafe { Runtime::new().unwrap().load_bytes(&self.name, &self.compiled.artefact) }.unwrap()
    }

    /// Installs it on this node, as `ginghamctl policy add` does.
    pub fn install(&self) {
        let installed = Installed {
            digest: Digest::of(&self.component),
            size: self.component.len() as u64,
            has_release: self.compiled.surface.has_release(),
            installed_at: 0,
        };
        let mut library = Library::open(Path::new(LIBRARY_DIR)).unwrap();
        library.install(&self.name, &self.component, &self.compiled.artefact, &installed).unwrap();
    }
}

/// One cargo call for all guests. Link-time optimisation would take a second for each of them.
fn build() -> PathBuf {
    cargo_build("policies", &["--examples"])
}

fn cargo_build(target: &str, more: &[&str]) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let target = workspace.join("target").join(target);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace).args(["build", "--offline", "--release", "--target", "wasm32-unknown-unknown"]);
    command.args(["--package", "hostile-guests", "--features", "guests"]).args(more);
    command.args(["--config", "profile.release.lto='off'", "--config", "profile.release.panic='abort'"]);
    command.arg("--target-dir").arg(&target);
    // It decides what is inlined, so which functions a fault names.
    command.env("CARGO_INCREMENTAL", "0");
    let output = command.output().unwrap();
    assert!(output.status.success(), "the hostile guests do not build:\n{}", String::from_utf8_lossy(&output.stderr));
    target.join("wasm32-unknown-unknown/release/examples")
}

/// The core module of the guest of `tests/hostile/guests/NAME.rs`, as cargo left it.
pub fn module(name: &str) -> PathBuf {
    MODULES.join(format!("{name}.wasm"))
}
