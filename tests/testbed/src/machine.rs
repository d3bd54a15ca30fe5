//! A machine: a mount and a network namespace of its own.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::TestbedError;
use crate::error::io;

const MACHINE_ID: &str = "/etc/machine-id";

/// Its namespaces last as long as a value of it, and as what runs in them.
#[derive(Debug, Clone)]
pub struct Machine {
    pub name: String,
    namespaces: Arc<Namespaces>,
}

#[derive(Debug)]
struct Namespaces {
    mounts: File,
    network: NetNs,
}

impl Machine {
    /// `prepare` runs in the new namespaces.
    ///
    /// # Errors
    /// The system does not allow namespaces, or `prepare` fails.
    pub fn new(name: String, prepare: impl FnOnce() -> Result<(), TestbedError> + Send) -> Result<Self, TestbedError> {
        on_new_thread(|| {
            isolate()?;
            prepare()?;
            let mounts = Path::new("/proc/thread-self/ns/mnt");
            let mounts = File::open(mounts).map_err(io("open", mounts))?;
            Ok(Self { name, namespaces: Arc::new(Namespaces { mounts, network: NetNs::current()? }) })
        })
    }

    /// Moves the calling thread onto the machine permanently.
    ///
    /// # Errors
    /// The kernel does not allow it.
    #[expect(clippy::disallowed_methods, reason = "it is called on threads of their own, which end with the work")]
    pub fn enter(&self) -> Result<(), TestbedError> {
        let fault = |source| TestbedError::Enter { machine: self.name.clone(), source };
        let Namespaces { mounts, network } = &*self.namespaces;
        // A thread that shares its working directory with others cannot change mount namespaces.
        unshare(UnshareFlags::FS).map_err(fault)?;
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).map_err(fault)?;
        move_into_link_name_space(mounts.as_fd(), Some(LinkNameSpaceType::Mount)).map_err(fault)
    }

    /// Runs `work` on the machine, on a thread of its own.
    ///
    /// # Errors
    /// The machine cannot be entered.
    pub fn on<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, TestbedError> {
        on_new_thread(|| self.enter().map(|()| work()))
    }

    pub fn network(&self) -> &NetNs {
        &self.namespaces.network
    }
}

fn on_new_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|panic| resume_unwind(panic)))
}

fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: namespaces touch no memory and no descriptor table; only `UnshareFlags::FILES` can break what other code
    // relies on.
    unsafe { unshare_unsafe(flags) }
}

/// Moves the calling thread into new namespaces, with its loopback up. Programs and threads that it starts inherit them.
///
/// # Errors
/// The system does not allow namespaces.
pub fn isolate() -> Result<(), TestbedError> {
    unshare(UnshareFlags::NEWNS | UnshareFlags::NEWNET).map_err(TestbedError::Unshare)?;
    make_mounts_private()?;
    let mut kernel = Socket::<Route>::open()?;
    Ok(link::change(&mut kernel, Which::Name("lo"), &Change { up: Some(true), ..Change::default() })?)
}

/// From now on mounts of this namespace are seen nowhere else.
///
/// # Errors
/// The kernel does not allow it.
pub fn make_mounts_private() -> Result<(), TestbedError> {
    let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    mount_change("/", private).map_err(io("keep to this namespace the mounts below", Path::new("/")))
}

/// Mounts an empty file system in memory over a directory, with options of tmpfs: `mode=0755`, `size=64k`.
///
/// # Errors
/// The kernel does not allow it.
pub fn mount_tmpfs(directory: &Path, options: &str) -> Result<(), TestbedError> {
    let options = CString::new(options).map_err(|error| io("hide", directory)(io::Error::other(error)))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", directory, "tmpfs", flags, Some(options.as_c_str())).map_err(io("hide", directory))
}

/// Makes directories empty, and private to this mount namespace.
///
/// # Errors
/// The kernel does not allow it.
pub fn hide(directories: &[&str]) -> Result<(), TestbedError> {
    for directory in directories.iter().map(Path::new) {
        fs::create_dir_all(directory).map_err(io("make the directory", directory))?;
        mount_tmpfs(directory, "mode=0755")?;
    }
    Ok(())
}

/// Another machine has another identity. Its file is kept in `directory`.
///
/// # Errors
/// The system does not allow it.
pub fn set_machine_id(number: u8, directory: &Path) -> Result<(), TestbedError> {
    let own = directory.join("machine-id");
    fs::write(&own, format!("{number:032x}\n")).map_err(io("write", &own))?;
    let id = Path::new(MACHINE_ID);
    if id.is_file() {
        return mount_bind(&own, id).map_err(io("hide", id));
    }
    lead_etc_to(&directory.join("etc")).and_then(|()| write_new(id, &own)).map_err(io("make up", id))
}

/// A link that leads nowhere is replaced, and not followed.
fn write_new(file: &Path, content: &Path) -> io::Result<()> {
    if file.is_symlink() {
        fs::remove_file(file)?;
    }
    fs::copy(content, file).map(drop)
}

/// Makes a directory of `/etc` empty, and private to this mount namespace. `kept` is a place for the machine's `/etc`: on a
/// machine without that directory none is made.
///
/// # Errors
/// The kernel does not allow it.
pub fn hide_in_etc(name: &str, kept: &Path) -> Result<(), TestbedError> {
    let directory = Path::new("/etc").join(name);
    if directory.is_dir() {
        return mount_tmpfs(&directory, "mode=0755");
    }
    lead_etc_to(kept).and_then(|()| fs::create_dir(&directory)).map_err(io("make up", &directory))
}

/// From now on `/etc` is a directory of this mount namespace that leads to all that was in it.
fn lead_etc_to(kept: &Path) -> io::Result<()> {
    fs::create_dir_all(kept)?;
    // With what is hidden in it already.
    mount_bind_recursive("/etc", kept)?;
    mount("tmpfs", "/etc", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=0755")?;
    for entry in fs::read_dir(kept)? {
        let name = entry?.file_name();
        symlink(kept.join(&name), Path::new("/etc").join(&name))?;
    }
    Ok(())
}
