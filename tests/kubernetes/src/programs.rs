//! The programs of Kubernetes: where `.ci/kubernetes` leaves them, or where `GINGHAM_KUBERNETES` says.

use std::env;
use std::path::{Path, PathBuf};

use gingham_testbed::etcd;

/// What an API server and calls of it want.
pub const CONTROL_PLANE: [&str; 2] = ["kube-apiserver", "kubectl"];

/// Whether an API server can be started. If not, the calling test is recorded as skipped and should return.
#[must_use]
pub fn has_control_plane() -> bool {
    skipped_tests::has(etcd::PROGRAM, etcd::PACKAGE) && has(&CONTROL_PLANE)
}

/// The same for any programs of Kubernetes.
#[must_use]
pub fn has(names: &[&str]) -> bool {
    names.iter().all(|name| {
        let program = path(name);
        let wanted =
            format!("{}: run .ci/kubernetes, or set GINGHAM_KUBERNETES to a directory with it", program.display());
        skipped_tests::holds(program.exists(), &wanted)
    })
}

pub fn path(name: &str) -> PathBuf {
    directory().join(name)
}

fn directory() -> PathBuf {
    env::var_os("GINGHAM_KUBERNETES").map_or_else(|| target().join("kubernetes/bin"), PathBuf::from)
}

fn target() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from)
}
