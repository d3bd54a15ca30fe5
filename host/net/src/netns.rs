//! Network namespaces: opening them, telling them apart, and doing something inside one.
//!
//! Entering a namespace changes the calling *thread*. [`NetNs::enter`] therefore runs its closure on a thread of its
//! own that ends afterwards; nothing is ever switched back, so nothing can be forgotten.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{IoctlOutput, Opcode};
use rustix::net::{AddressFamily, SocketType};
use rustix::thread::LinkNameSpaceType;

/// `NSFS_MAGIC`: the file system that namespace files live on.
const NSFS_MAGIC: u64 = 0x6e73_6673;
/// Which rustix does not know.
const SO_NETNS_COOKIE: libc::c_int = 71;
const CLONE_NEWNET: IoctlOutput = 0x4000_0000;

/// Why a namespace could not be opened or entered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetnsError {
    /// Nothing is at the path.
    #[error("the network namespace {path:?} does not exist; has the container been removed?")]
    Missing {
        /// The path that was opened.
        path: PathBuf,
    },
    /// Something is at the path, but not a network namespace.
    #[error(
        "{path:?} is not a network namespace but {what}; a path like /run/netns/NAME or /proc/PID/ns/net is needed"
    )]
    NotANamespace {
        /// The path that was opened.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// The kernel makes none.
    #[error("cannot make a network namespace: {source}")]
    Creation {
        /// EPERM for other users than root, ENOSPC where `user.max_net_namespaces` is reached.
        source: io::Error,
    },
    /// The path could not be opened or examined.
    #[error("cannot {operation} the network namespace {path:?}: {source}")]
    Io {
        /// What was tried: "open", "examine", "enter".
        operation: &'static str,
        /// The path, if the namespace has one.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl NetnsError {
    /// Whether the namespace is gone, which DEL takes for success.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }
}

/// What identifies a namespace on this machine for as long as it lives: device and inode number of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NetNsId {
    /// The device number.
    pub device: u64,
    /// The inode number.
    pub inode: u64,
}

/// An open network namespace. The namespace lives at least as long as this.
#[derive(Debug)]
pub struct NetNs {
    file: OwnedFd,
    path: PathBuf,
}

impl NetNs {
    /// Opens the namespace at `path`.
    ///
    /// # Errors
    /// [`NetnsError::Missing`] if there is nothing, [`NetnsError::NotANamespace`] if there is something else.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, NetnsError> {
        let path = path.as_ref();
        // A named pipe at the path is waited for by nobody.
        let opened = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
        let file = opened.map(File::from).map_err(io::Error::from).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => NetnsError::Missing { path: path.to_owned() },
            _ => NetnsError::Io { operation: "open", path: path.to_owned(), source },
        })?;
        let namespace = Self { file: file.into(), path: path.to_owned() };
        namespace.require_network_namespace()?;
        Ok(namespace)
    }

    /// Opens the calling thread's namespace.
    ///
    /// # Errors
    /// `/proc` is not mounted.
    pub fn current() -> Result<Self, NetnsError> {
        // Not /proc/self: that is the main thread's.
        Self::open("/proc/thread-self/ns/net")
    }

    /// Makes a new namespace that nobody is in and that has no name. It goes away with this value.
    ///
    /// # Errors
    /// The caller may not make namespaces.
    pub fn create() -> Result<Self, NetnsError> {
        let failed = |source| NetnsError::Creation { source };
        on_own_thread(|| {
            // SAFETY: a new network namespace touches no memory and no descriptor table; only `UnshareFlags::FILES`
            // can break what other code relies on.
            unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }
                .map_err(|errno| failed(errno.into()))?;
            Self::current()
        })
        .map_err(failed)?
    }

    /// What identifies the namespace.
    ///
    /// # Errors
    /// The open file cannot be examined.
    pub fn id(&self) -> Result<NetNsId, NetnsError> {
        let status = rustix::fs::fstat(&self.file).map_err(|errno| self.failed("examine", errno.into()))?;
        Ok(NetNsId { device: status.st_dev, inode: status.st_ino })
    }

    /// The kernel's cookie of the namespace, which no other namespace has before the next boot. None from a kernel before
    /// 5.14.
    ///
    /// # Errors
    /// The namespace could not be entered.
    pub fn cookie(&self) -> Result<Option<u64>, NetnsError> {
        self.enter(cookie_of_thread)
    }

    /// Whether both are the same namespace.
    ///
    /// # Errors
    /// An open file cannot be examined.
    pub fn same_as(&self, other: &Self) -> Result<bool, NetnsError> {
        Ok(self.id()? == other.id()?)
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` inside the namespace, on a thread of its own, and returns what it returns.
    ///
    /// A netlink socket opened inside may be returned and used outside: it stays in the namespace. Files below
    /// `/proc/sys/net` must be opened inside.
    ///
    /// # Errors
    /// The namespace could not be entered (`CAP_SYS_ADMIN` is missing), or no thread could be started.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        let entered = on_own_thread(|| {
            #[allow(clippy::disallowed_methods, reason = "the one place where a thread changes its namespace")]
            rustix::thread::move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        });
        match entered {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(errno)) => Err(self.failed("enter", Errno::into(errno))),
            Err(source) => Err(self.failed("start a thread for", source)),
        }
    }

    fn require_network_namespace(&self) -> Result<(), NetnsError> {
        let status = rustix::fs::fstatfs(&self.file).map_err(|errno| self.failed("examine", errno.into()))?;
        let not = |what| Err(NetnsError::NotANamespace { path: self.path.clone(), what });
        if u64::try_from(status.f_type).ok() != Some(NSFS_MAGIC) {
            return not("an ordinary file or directory");
        }
        // SAFETY: `KindOfNamespace` passes no pointer, so the kernel writes nothing.
        match unsafe { rustix::ioctl::ioctl(&self.file, KindOfNamespace) } {
            // A kernel before 4.11 does not know the question; there, entering will tell.
            Ok(CLONE_NEWNET) | Err(Errno::NOTTY) => Ok(()),
            Ok(_) => not("another kind of namespace"),
            Err(errno) => Err(self.failed("examine", errno.into())),
        }
    }

    fn failed(&self, operation: &'static str, source: io::Error) -> NetnsError {
        NetnsError::Io { operation, path: self.path.clone(), source }
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// `NS_GET_NSTYPE`: the `CLONE_NEW*` flag that makes namespaces of the kind that an open one is of.
struct KindOfNamespace;

// SAFETY: the opcode takes no argument and answers with the return value alone.
unsafe impl rustix::ioctl::Ioctl for KindOfNamespace {
    type Output = IoctlOutput;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        rustix::ioctl::opcode::none(0xb7, 3)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(returned: IoctlOutput, _: *mut c_void) -> rustix::io::Result<IoctlOutput> {
        Ok(returned)
    }
}

/// The cookie of the calling thread's namespace. Only a socket can be asked for it.
fn cookie_of_thread() -> Option<u64> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None).ok()?;
    let (mut cookie, mut length) = (0_u64, libc::socklen_t::try_from(size_of::<u64>()).ok()?);
    // SAFETY: the kernel writes at most `length` bytes, which `cookie` has.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    (answer == 0 && cookie != 0).then_some(cookie)
}

/// Runs `work` on a thread that ends afterwards; a panic in it goes on in the caller.
fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("netns".to_owned()).spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}
