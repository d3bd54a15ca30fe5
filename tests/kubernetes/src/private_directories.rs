//! Directories of the machine whose changes stay in this process's mount namespace, and in memory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Once;

use gingham_testbed::machine::mount_tmpfs;
use rustix::mount::{MountFlags, mount};

/// Where everything of a cluster is.
pub(crate) const BASE: &str = "/var/lib/kubernetes-tests";

/// What a cluster writes into. `/run` is each node's own.
const CHANGED: [&str; 3] = ["/etc", "/opt", "/var"];

/// To be called in a mount namespace of one's own, which lasts as long as the process.
pub(crate) fn prepare() -> PathBuf {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        assert!(std::env::var_os("GINGHAM_CGROUP").is_some(), "tests/in-namespaces gives it its namespaces");
        mount_tmpfs(Path::new("/run"), "mode=0755").unwrap();
        CHANGED.iter().for_each(|directory| cover(directory));
        let base = Path::new(BASE);
        fs::create_dir_all(base).unwrap();
        // An overlay is no place for the upper directory of another, which images of containers want.
        mount_tmpfs(base, "mode=0755").unwrap();
        write_names();
    });
    BASE.into()
}

fn cover(directory: &str) {
    let changes = Path::new("/run/changes").join(&directory[1..]);
    let [upper, work] = ["upper", "work"].map(|part| changes.join(part));
    fs::create_dir_all(&upper).unwrap();
    fs::create_dir_all(&work).unwrap();
    fs::create_dir_all(directory).unwrap();
    let options = format!("lowerdir={directory},upperdir={},workdir={}", upper.display(), work.display());
    let options = std::ffi::CString::new(options).unwrap();
    mount("overlay", directory, "overlay", MountFlags::empty(), Some(options.as_c_str()))
        .unwrap_or_else(|error| panic!("cannot keep changes of {directory} in memory: {error}"));
}

/// No name is asked for anywhere: each look-up at a server that is not there would last 10 s.
fn write_names() {
    let _ = fs::remove_file("/etc/resolv.conf");
    fs::write("/etc/resolv.conf", "").unwrap();
    fs::write("/etc/hosts", "127.0.0.1 localhost\n").unwrap();
    if !Path::new("/etc/machine-id").is_file() {
        fs::write("/etc/machine-id", "").unwrap();
    }
    for directory in ["/opt/cni/bin", "/etc/cni/net.d", "/var/log"] {
        fs::create_dir_all(directory).unwrap();
    }
    for state in ["containerd", "kubelet", "gingham", "cni"] {
        fs::create_dir_all(Path::new("/var/lib").join(state)).unwrap();
    }
    // Some programs write there, whatever they are configured for.
    if !Path::new("/var/run").exists() {
        symlink("/run", "/var/run").unwrap();
    }
}
