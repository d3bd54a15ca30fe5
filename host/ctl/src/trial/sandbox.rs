//! The place of the trial: user, network and mount namespaces that end with this process, with an empty `/run` and
//! `/var/lib`. What is needed of the machine is packed before.

mod advice;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::library::{LIBRARY_DIR, Library, LibraryError};
use gingham_testbed::{TestbedError, machine};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use super::address_source::{AddressSource, InstalledPolicy};
use advice::advice;

/// Directories that the plugin writes to.
const PRIVATE: [&str; 2] = ["/run", "/var/lib"];

/// A place that could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxError {
    #[error("cannot make namespaces for the trial: {source}. {advice}")]
    NotAllowed { source: Errno, advice: String },
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("{source}. {advice}")]
    Hide { source: TestbedError, advice: String },
    #[error(transparent)]
    Library(#[from] LibraryError),
}

/// The place, entered.
pub(super) struct Sandbox {
    user_namespace: bool,
}

impl Sandbox {
    /// Leaves the machine for good. Only the calling thread does: call it before there are others.
    pub(super) fn enter() -> Result<Self, SandboxError> {
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        let user_namespace = match unshare(UnshareFlags::NEWUSER) {
            Ok(()) => true,
            // Root can do without, where it may not have one.
            Err(_) if user.is_root() => {
                unshare(UnshareFlags::empty()).map_err(not_allowed)?;
                false
            }
            Err(source) => return Err(not_allowed(source)),
        };
        if user_namespace {
            become_root(user.as_raw(), group.as_raw())?;
        }
        hide_machine()?;
        Ok(Self { user_namespace })
    }

    /// Whether the trial is kept from the machine by a user namespace, too.
    pub(super) fn has_user_namespace(&self) -> bool {
        self.user_namespace
    }
}

fn unshare(more: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: namespaces touch no memory and no descriptor table; only `UnshareFlags::FILES` can break what other code
    // relies on.
    unsafe { rustix::thread::unshare_unsafe(more | UnshareFlags::NEWNET | UnshareFlags::NEWNS) }
}

fn not_allowed(source: Errno) -> SandboxError {
    SandboxError::NotAllowed { source, advice: advice(Path::new("/proc/sys")) }
}

fn become_root(user: u32, group: u32) -> Result<(), SandboxError> {
    let write = |path: &str, text: &str| {
        fs::write(path, text).map_err(|source| SandboxError::Io { operation: "write", path: path.into(), source })
    };
    // Else an ordinary user may not map a group.
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("0 {user} 1"))?;
    write("/proc/self/gid_map", &format!("0 {group} 1"))
}

fn hide_machine() -> Result<(), SandboxError> {
    let hidden = machine::make_mounts_private().and_then(|()| machine::hide(&PRIVATE));
    hidden.map_err(|source| SandboxError::Hide { source, advice: advice(Path::new("/proc/sys")) })
}

/// What of the machine's hidden directories the trial needs.
pub(super) struct CarriedOver<'a> {
    policy: Option<&'a InstalledPolicy>,
    /// Where a file really is, and what is in it.
    file: Option<(PathBuf, Vec<u8>)>,
}

impl<'a> CarriedOver<'a> {
    /// Packs.
    pub(super) fn pack(address_source: &'a AddressSource, resolv_conf: Option<&Path>) -> Self {
        let policy = match address_source {
            AddressSource::Installed(policy) => Some(&**policy),
            _ => None,
        };
        // If it cannot be read here the plugin will say so; a link may lead into /run.
        let file = resolv_conf.and_then(|path| Some((path.canonicalize().ok()?, fs::read(path).ok()?)));
        Self { policy, file }
    }

    /// Unpacks, inside the sandbox, what is out of sight there.
    pub(super) fn unpack(&self) -> Result<(), SandboxError> {
        if let Some(policy) = self.policy {
            let InstalledPolicy { name, installed, component, artefact } = policy;
            Library::open(Path::new(LIBRARY_DIR))?.install(name, component, artefact, installed)?;
        }
        let Some((path, content)) = self.file.as_ref().filter(|(path, _)| !path.exists()) else { return Ok(()) };
        let fault = |source| SandboxError::Io { operation: "carry over", path: path.clone(), source };
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(fault)?;
        fs::write(path, content).map_err(fault)
    }
}
