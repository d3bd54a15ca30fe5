//! podman with its CNI backend, on storage of a test's own.

use std::ffi::OsStr;
use std::fs;

use gingham_tests::node::Container;

use crate::program::{Said, bounded, said};
use crate::{connections, host, image};

/// The image's name in podman's storage.
const IMAGE: &str = "busybox";

/// `runc`, cgroups by files and no limits of our own: what works without systemd and without the right to raise limits.
const CONTAINERS: &str = r#"
[network]
network_backend = "cni"
cni_plugin_dirs = ["/usr/lib/cni"]
network_config_dir = "/etc/cni/net.d"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = []
log_driver = "k8s-file"
"#;

const STORAGE: &str = r#"
[storage]
driver = "vfs"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
"#;

/// Prepares the node for podman and gives it the image.
pub(crate) fn prepare() {
    fs::create_dir_all("/etc/containers").unwrap();
    fs::write("/etc/containers/policy.json", r#"{"default": [{"type": "insecureAcceptAnything"}]}"#).unwrap();
    fs::write("/etc/containers/storage.conf", STORAGE).unwrap();
    fs::write("/etc/containers/containers.conf", CONTAINERS).unwrap();
    podman(&[OsStr::new("import"), image::root_file_system().as_os_str(), OsStr::new(IMAGE)]).done();
}

/// `podman`.
pub(crate) fn podman(arguments: &[impl AsRef<OsStr>]) -> Said {
    let mut command = bounded("podman");
    said(command.env("CONTAINERS_CONF", "/etc/containers/containers.conf").args(arguments))
}

/// `podman run`: a container of the network "mynet" that waits, with further options.
pub(crate) fn run(name: &str, options: &[&str]) -> Said {
    let parent = format!("--cgroup-parent=/{}", host::cgroup());
    let always = ["run", "--detach", "--ulimit=host", "--network=mynet", "--name", name, &parent];
    podman(&[&always, options, &[IMAGE, "/bin/sleep", "1000000"]].concat())
}

/// What podman says of a container, by a template of Go.
pub(crate) fn inspect(name: &str, template: &str) -> String {
    podman(&["inspect", "--format", template, name]).done()
}

/// The address that podman shows for a container.
pub(crate) fn address(name: &str) -> String {
    inspect(name, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")
}

/// A running container.
pub(crate) fn container(name: &str) -> Container {
    connections::of_process(name, inspect(name, "{{.State.Pid}}").parse().unwrap())
}

/// The id that podman gives to plugins.
pub(crate) fn id(name: &str) -> String {
    inspect(name, "{{.Id}}")
}
