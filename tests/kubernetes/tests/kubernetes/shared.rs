//! The cluster of all these tests.

use std::io::{Write as _, stderr};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use gingham_kubernetes_tests::{Cluster, Programs, cluster};
use gingham_tests::binaries::binaries;

use crate::installed::{AGENTS, apply};
use crate::workloads::TIMEOUT;

/// The one of the test before. A test that fails leaves nothing behind: it drops the cluster.
static SHARED: Mutex<Option<(Agents, Cluster)>> = Mutex::new(None);

/// How agents run, in all of a cluster's tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Agents {
    /// Tests start them.
    Processes,
    /// The manifests do.
    Pods,
}

const NODES: u8 = 3;

/// Runs `test` with a cluster in which nothing was before, for the manifests, unless a program is missing.
pub(crate) fn with_new_cluster(test: impl FnOnce(&mut Cluster)) {
    with_shared(|shared| {
        drop(shared.take());
        let mut cluster = start(Agents::Pods);
        test(&mut cluster);
        *shared = Some((Agents::Pods, cluster));
    });
}

/// Runs `test` with a cluster in which the manifests are applied and all agents are ready, unless a program is missing.
pub(crate) fn with_installed_cluster(test: impl FnOnce(&mut Cluster)) {
    with_kind(Agents::Pods, |cluster| {
        apply(cluster);
        cluster.wait_running(AGENTS, NODES.into(), TIMEOUT);
        cluster.wait_ready(NODES.into());
        test(cluster);
    });
}

/// Runs `test` with a cluster of three nodes that have no network, or that of an earlier test, unless a program is missing.
pub(crate) fn with_cluster(test: impl FnOnce(&mut Cluster)) {
    with_kind(Agents::Processes, test);
}

fn with_kind(agents: Agents, test: impl FnOnce(&mut Cluster)) {
    with_shared(|shared| {
        let mut cluster = match shared.take() {
            Some((kind, cluster)) if kind == agents => cluster,
            other => {
                drop(other);
                start(agents)
            }
        };
        test(&mut cluster);
        *shared = Some((agents, cluster));
    });
}

/// One test runs at a time.
fn with_shared(test: impl FnOnce(&mut Option<(Agents, Cluster)>)) {
    if cluster::can_start() {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let _clock = Clock(Instant::now());
        test(&mut shared);
    }
}

/// Prints how long a test had the cluster, without the time in which it waited for other tests.
struct Clock(Instant);

impl Drop for Clock {
    fn drop(&mut self) {
        let test = thread::current().name().unwrap_or_default().to_owned();
        let verdict = if thread::panicking() { " until it failed" } else { "" };
        // libtest shows what println writes only of tests that fail.
        let _ = writeln!(stderr(), "{:.0} s{verdict}: {test}", self.0.elapsed().as_secs_f64());
    }
}

fn start(agents: Agents) -> Cluster {
    let cluster = Cluster::start(NODES, &under_test());
    match agents {
        Agents::Processes => cluster.admit_agents(),
        Agents::Pods => cluster.import_gingham(),
    }
    cluster
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
