//! A node of one's own: the calling thread moves into a new network and a new mount namespace, where the directories
//! that Gingham uses by default are empty. Programs and threads that it starts inherit them. Nothing is left behind.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

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
        let binaries = binaries();
        // SAFETY: the thread shares no file descriptors less than before; its working directory stays valid.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWNET) }
            .expect("a test needs namespaces of its own; cargo's runner in .cargo/config.toml makes that possible");
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        empty(Path::new("/run"));
        install(&binaries.plugin, PLUGINS);
        install(&binaries.plugin_with_failpoints, PLUGINS_WITH_FAILPOINTS);
        bind(&binaries.ctl, Path::new(CTL));
        fs::create_dir("/run/netns").unwrap();
        empty(Path::new("/var/lib"));
        let mut kernel = Socket::<Route>::open().unwrap();
        link::change(&mut kernel, Which::Name("lo"), &Change { up: Some(true), ..Change::default() }).unwrap();
        Self(())
    }

    /// Makes a container.
    pub fn container(&self, id: &str) -> Container {
        let netns = PathBuf::from(format!("/run/netns/{id}"));
        fs::File::create(&netns).unwrap();
        let created = NetNs::create().unwrap();
        created.enter(|| mount_bind("/proc/thread-self/ns/net", &netns)).unwrap().unwrap();
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

/// Mounts a file system in memory over a directory.
pub fn empty(directory: &Path) {
    mount_tmpfs(directory, "mode=0755");
}

/// The same with options of tmpfs: `size=64k`.
pub fn mount_tmpfs(directory: &Path, options: &str) {
    let options = std::ffi::CString::new(options).unwrap();
    mount("tmpfs", directory, "tmpfs", MountFlags::empty(), Some(options.as_c_str())).unwrap();
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
