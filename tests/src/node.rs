//! A node with the plugin installed: the calling thread moves into a new network and a new mount namespace, where the
//! directories that Gingham uses by default are empty. Programs and threads that it starts inherit them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use gingham_net::netns::NetNs;
use gingham_testbed::{TestbedError, container, machine};
use rustix::mount::mount_bind;

use crate::binaries::binaries;

/// Where the plugin is installed, under all the names it goes by here.
pub const PLUGINS: &str = "/run/plugins";

/// The plugin with failpoints, under the same names.
pub const PLUGINS_WITH_FAILPOINTS: &str = "/run/plugins-with-failpoints";

/// `ginghamctl`.
pub const CTL: &str = "/run/ginghamctl";

/// The names.
pub const PLUGIN_NAMES: [&str; 3] = ["gingham", "net-script", "host-local"];

/// Where leases are kept by default.
pub const DATA: &str = "/var/lib/gingham";

/// Where its networks are configured by default.
pub const NETWORKS: &str = "/etc/cni/net.d";

/// The node. It lasts as long as the thread.
pub struct Node(());

/// A container: nothing but a network namespace with a name.
#[derive(Debug, Clone)]
pub struct Container {
    /// What the runtime calls it.
    pub id: String,
    /// Its network namespace, as `ip netns` would keep it.
    pub netns: PathBuf,
}

impl Node {
    /// Moves this thread onto a fresh node with the plugin installed.
    #[allow(clippy::new_without_default, reason = "it changes the thread; that is no default")]
    pub fn new() -> Self {
        // Before the thread moves: cargo needs what is hidden then.
        binaries();
        machine::isolate().and_then(|()| prepare()).expect("cargo's runner in .cargo/config.toml allows namespaces");
        Self(())
    }

    /// Makes a container.
    pub fn container(&self, id: &str) -> Container {
        let (netns, _) = container::create_namespace(id).unwrap();
        Container { id: id.to_owned(), netns }
    }

    /// Pretends that the node has been restarted since: the kernel tells another boot id.
    pub fn pretend_reboot(&self, boot_id: &str) {
        fs::write("/run/boot_id", format!("{boot_id}\n")).unwrap();
        mount_bind("/run/boot_id", "/proc/sys/kernel/random/boot_id").unwrap();
    }
}

impl Container {
    /// Takes the container's namespace away, as a runtime does when a container has died.
    pub fn vanish(&self) {
        rustix::mount::unmount(&self.netns, rustix::mount::UnmountFlags::DETACH).unwrap();
        fs::remove_file(&self.netns).unwrap();
    }

    /// Does something inside.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        NetNs::open(&self.netns).unwrap().enter(work).unwrap()
    }
}

impl Node {
    /// For a thread that has entered a node already.
    pub(crate) fn of_this_thread() -> Self {
        Self(())
    }
}

/// Makes a node of the calling thread's new namespaces.
pub(crate) fn prepare() -> Result<(), TestbedError> {
    machine::hide(&["/run", "/var/lib"])?;
    machine::hide_in_etc("cni", Path::new("/run/etc-of-the-machine"))?;
    fs::create_dir(NETWORKS).unwrap();
    let binaries = binaries();
    install(&binaries.plugin, PLUGINS);
    install(&binaries.plugin_with_failpoints, PLUGINS_WITH_FAILPOINTS);
    bind(&binaries.ctl, Path::new(CTL));
    fs::create_dir(container::DIRECTORY).unwrap();
    Ok(())
}

/// Mounts a file system in memory over a directory.
pub fn empty(directory: &Path) {
    mount_tmpfs(directory, "mode=0755");
}

/// The same with options of tmpfs: `size=64k`.
pub fn mount_tmpfs(directory: &Path, options: &str) {
    machine::mount_tmpfs(directory, options).unwrap();
}

fn install(program: &Path, directory: &str) {
    let directory = Path::new(directory);
    fs::create_dir(directory).unwrap();
    bind(program, &directory.join("the-plugin"));
    for name in PLUGIN_NAMES {
        symlink("the-plugin", directory.join(name)).unwrap();
    }
}

/// Shows a program at another place. Bound and not linked: it stays there when directories above it are hidden.
fn bind(program: &Path, place: &Path) {
    fs::File::create(place).unwrap();
    mount_bind(program, place).unwrap();
}
