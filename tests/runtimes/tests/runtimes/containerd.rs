//! A containerd of a test's own, at the places where containerd is by default, and `ctr`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::process::{Child, Command};

use crate::program::{Said, bounded, said, until};
use crate::{host, image};

/// Where containerd listens.
pub(crate) const SOCKET: &str = "/run/containerd/containerd.sock";

/// What containerd and what it started have said.
const LOG: &str = "/run/tmp/containerd.log";

/// Snapshots that are copies need no file system that can lie over another. Not every machine that runs these tests lets
/// a container's score for the time when memory runs out be changed.
const CONFIGURATION: &str = r#"
version = 2
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "IMAGE"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
"#;

/// The daemon. Killed when it goes out of scope; the containers end with the process namespace.
pub(crate) struct Containerd {
    process: Child,
}

impl Containerd {
    /// Starts the daemon, waits until it serves, and gives it the image.
    pub(crate) fn start() -> Self {
        fs::create_dir_all("/etc/cni").unwrap();
        fs::write("/run/tmp/containerd.toml", CONFIGURATION.replace("IMAGE", image::NAME)).unwrap();
        let started = Self { process: spawn() };
        wait_until_it_serves();
        let archive = image::archive();
        let import =
            [OsStr::new("image"), OsStr::new("import"), OsStr::new("--snapshotter=native"), archive.as_os_str()];
        for namespace in ["k8s.io", &host::cgroup()] {
            ctr(namespace, &import).done();
        }
        started
    }

    /// Kills it as a lack of memory would, and starts it again. What it started lives on.
    pub(crate) fn restart_after_kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = spawn();
        wait_until_it_serves();
    }
}

/// A socket of a daemon that was killed is still there, so only an answer tells.
fn wait_until_it_serves() {
    until("containerd serves", || said(bounded("ctr").arg("version")).try_done());
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("containerd said at last:\n{}", log());
        }
    }
}

fn spawn() -> Child {
    let log = File::options().create(true).append(true).open(LOG).unwrap();
    let mut command = Command::new("containerd");
    command.args(["--config", "/run/tmp/containerd.toml"]).env("TMPDIR", "/run/tmp");
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

/// The warnings and errors at the end of the log.
fn log() -> String {
    let text = fs::read_to_string(LOG).unwrap_or_default();
    let serious: Vec<&str> = text.lines().filter(|line| !line.contains("level=info")).collect();
    serious[serious.len().saturating_sub(20)..].join("\n")
}

/// `ctr`, in containerd's namespace of that name. It names cgroups after the namespace.
pub(crate) fn ctr(namespace: &str, arguments: &[impl AsRef<OsStr>]) -> Said {
    said(bounded("ctr").args(["--namespace", namespace]).args(arguments))
}
