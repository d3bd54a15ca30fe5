//! The cluster of all these tests.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gingham_kubernetes_tests::{Cluster, Programs, cluster};
use gingham_tests::binaries::binaries;

static SHARED: Mutex<Option<Cluster>> = Mutex::new(None);

/// Runs `test` with a cluster in which nothing was before, unless a program is missing.
pub(crate) fn with_new_cluster(nodes: u8, test: impl FnOnce(&mut Cluster)) {
    if !cluster::can_start() {
        return;
    }
    let mut shared: MutexGuard<'_, Option<Cluster>> = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    drop(shared.take());
    test(&mut Cluster::start(nodes, &under_test()));
}

/// Runs `test` with a cluster of at least so many nodes, unless a program is missing. One test runs at a time.
pub(crate) fn with_cluster(nodes: u8, test: impl FnOnce(&mut Cluster)) {
    if !cluster::can_start() {
        return;
    }
    let mut shared: MutexGuard<'_, Option<Cluster>> = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    // A test that fails leaves nothing behind: it drops the cluster.
    let mut cluster = match shared.take() {
        Some(cluster) if cluster.nodes.len() >= nodes.into() => cluster,
        smaller => {
            drop(smaller);
            let cluster = Cluster::start(nodes, &under_test());
            cluster.admit_agents();
            cluster
        }
    };
    test(&mut cluster);
    *shared = Some(cluster);
}

/// What cargo builds, unless `GINGHAM_PROGRAMS` names a directory with what is to be tested instead: a release, for
/// instance.
fn under_test() -> Programs {
    if let Some(directory) = std::env::var_os("GINGHAM_PROGRAMS").map(PathBuf::from) {
        let program = |name: &str| directory.join(name);
        return Programs { plugin: program("gingham"), ctl: program("ginghamctl"), agent: program("gingham-node") };
    }
    let built = binaries();
    // Cargo builds the three in one call.
    let agent = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("gingham-node");
    Programs { plugin: built.plugin.clone(), ctl: built.ctl.clone(), agent }
}
