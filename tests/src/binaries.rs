//! The programs under test, built by cargo as this test was, once for each process of tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use rustix::fs::{FlockOperation, flock};

/// The programs, each at a place where no later build replaces it.
pub struct Binaries {
    /// The plugin.
    pub plugin: PathBuf,
    /// The plugin with its failpoints; see `host/network/src/failpoint.rs`.
    pub plugin_with_failpoints: PathBuf,
    /// `ginghamctl`.
    pub ctl: PathBuf,
}

/// The programs under test.
pub fn binaries() -> &'static Binaries {
    static BINARIES: LazyLock<Binaries> = LazyLock::new(build);
    &BINARIES
}

/// A directory with the three programs, built before: then nothing is built here.
const BUILT: &str = "GINGHAM_PROGRAMS";

/// Builds the plugin without failpoints last: that is the one that cargo leaves where people look for it.
fn build() -> Binaries {
    if let Some(built) = std::env::var_os(BUILT).map(PathBuf::from) {
        let program = |name: &str| built.join(name);
        let (plugin, ctl) = (program("gingham"), program("ginghamctl"));
        return Binaries { plugin, plugin_with_failpoints: program("gingham-with-failpoints"), ctl };
    }
    let profile = profile_directory();
    let kept = profile.join("under-test");
    fs::create_dir_all(&kept).unwrap();
    let lock = fs::File::create(kept.join("lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    cargo(&profile, &["--features", "gingham/failpoints", "--bin", "gingham"]);
    let plugin_with_failpoints = keep(&profile.join("gingham"), &kept.join("gingham-with-failpoints"));
    cargo(&profile, &[]);
    let plugin = keep(&profile.join("gingham"), &kept.join("gingham"));
    let ctl = keep(&profile.join("ginghamctl"), &kept.join("ginghamctl"));
    Binaries { plugin, plugin_with_failpoints, ctl }
}

/// `target/PROFILE`: this program lies in its `deps`.
fn profile_directory() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(2).expect("cargo puts tests into target/PROFILE/deps").to_owned()
}

/// All programs that are installed are selected in each call, also where one of them is built: so what they use has the
/// features of a build of the whole workspace, and nothing is built twice.
fn cargo(profile: &Path, arguments: &[&str]) {
    let name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--offline", "--profile", name]);
    command.args(["--package", "gingham", "--package", "ginghamctl", "--package", "gingham-node"]).args(arguments);
    command.arg("--target-dir").arg(profile.parent().unwrap());
    // The cargo that runs this test has told it which package it is of. Build scripts that look there, like ring's, would
    // run anew, and all that uses them would be built anew.
    let of_this_test = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| of_this_test(name)) {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
}

fn keep(built: &Path, kept: &Path) -> PathBuf {
    let beside = kept.with_extension("new");
    let _ = fs::remove_file(&beside);
    fs::hard_link(built, &beside).or_else(|_| fs::copy(built, &beside).map(drop)).unwrap();
    fs::rename(&beside, kept).unwrap();
    kept.to_owned()
}
