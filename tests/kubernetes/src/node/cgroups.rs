//! The cgroups that a node's pods are in.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command::until;

const ROOT: &str = "/sys/fs/cgroup";

/// Whether the kubelet finds what it needs: a hierarchy for each controller.
pub(crate) fn are_of_version_1() -> bool {
    Path::new(ROOT).join("cpuset/tasks").exists()
}

/// The name of a node's cgroup. `tests/in-namespaces` removes those with its prefix at the end.
pub(crate) fn name(node: &str) -> String {
    let prefix = std::env::var("GINGHAM_CGROUP").expect("tests/in-namespaces names the cgroup");
    format!("{prefix}-{node}")
}

pub(crate) fn create(name: &str) {
    // The kubelet uses none of version 2, which has no such file.
    for hierarchy in hierarchies().iter().filter(|hierarchy| hierarchy.join("tasks").exists()) {
        fs::create_dir_all(hierarchy.join(name)).unwrap();
    }
    for setting in ["cpuset.cpus", "cpuset.mems"] {
        let all = Path::new(ROOT).join("cpuset");
        fs::copy(all.join(setting), all.join(name).join(setting)).unwrap();
    }
}

/// As a boot does: a kubelet that finds cgroups of pods it does not know waits for their end. runc makes some in the
/// hierarchy of version 2 too.
pub(crate) fn remove(name: &str) {
    for hierarchy in hierarchies() {
        let cgroup = hierarchy.join(name);
        until("the processes of a node have ended", Duration::from_secs(20), || match remove_below(&cgroup) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        });
    }
}

fn remove_below(cgroup: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(cgroup)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_below(&entry.path())?;
        }
    }
    fs::remove_dir(cgroup)
}

fn hierarchies() -> Vec<PathBuf> {
    let all = fs::read_dir(ROOT).unwrap().map(|entry| entry.unwrap());
    all.filter(|entry| entry.file_type().unwrap().is_dir()).map(|entry| entry.path()).collect()
}
