//! What this process may not have, though every policy needs it. The policy's compiled form is not at fault.

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    /// A limit of the address space, or no memory at all.
    #[error(
        "this process has too little address space to run a policy ({reason}; its limit, RLIMIT_AS, is {limit}): \
         raise it to 1 GiB or more (`ulimit -v 1048576`) for the program that starts Gingham"
    )]
    AddressSpace { reason: String, limit: String },
    /// A rule against machine code that is not a program's own.
    #[error(
        "this process may not make memory executable, which compiled policies need ({reason}): allow it (systemd \
         `MemoryDenyWriteExecute=no`, SELinux `execmem` and `execmod`), and keep installed policies on a file system \
         that is not mounted `noexec`"
    )]
    ExecutableMemory { reason: String },
}

impl ProcessError {
    /// Whether an error of wasmtime comes of what this process may not have.
    pub(super) fn of(error: &wasmtime::Error) -> Option<Self> {
        let reason = || format!("{error:#}");
        if error.chain().any(<dyn std::error::Error>::is::<NotExecutable>) {
            return Some(Self::ExecutableMemory { reason: error.root_cause().to_string() });
        }
        let errno = error.chain().find_map(|cause| cause.downcast_ref::<Errno>().copied().or_else(|| of_io(cause)));
        (errno == Some(Errno::NOMEM)).then(|| Self::AddressSpace { reason: reason(), limit: limit() })
    }
}

/// The system refused to make memory executable.
#[derive(Debug, thiserror::Error)]
#[error("mprotect: {0}")]
pub(super) struct NotExecutable(pub(super) Errno);

fn of_io(cause: &(dyn std::error::Error + 'static)) -> Option<Errno> {
    Errno::from_io_error(cause.downcast_ref::<std::io::Error>()?)
}

fn limit() -> String {
    match getrlimit(Resource::As).current {
        Some(bytes) => format!("{bytes} bytes"),
        None => "not set".to_owned(),
    }
}
