//! What the kernel said no to, as a type.

use std::fmt;

use rustix::io::Errno;

/// A netlink request that failed: what was asked, what kind of refusal it was, and the kernel's own sentence if it
/// gave one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetlinkError {
    /// What was asked, as a verb phrase that reads after "cannot": `"create the bridge"`.
    pub operation: &'static str,
    /// The refusal, sorted into what callers tell apart.
    pub kind: ErrorKind,
    /// The error number behind it; `None` if the kernel's answer itself could not be used.
    pub errno: Option<Errno>,
    /// The kernel's sentence (extended acknowledgement), for example `"Nexthop has invalid gateway"`.
    pub kernel_says: Option<String>,
}

/// The refusals that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object is there already.
    AlreadyExists,
    /// The object is not there.
    NotFound,
    /// Something else is using the object.
    Busy,
    /// The caller lacks the privilege (`CAP_NET_ADMIN` in the namespace's user namespace).
    NotPermitted,
    /// This kernel does not know the request, or the module for it is missing.
    Unsupported,
    /// The request is wrong: a bad value or a bad combination of values.
    Invalid,
    /// A dump was interrupted by changes again and again.
    Changing,
    /// The kernel's answer was malformed or did not come.
    BadAnswer,
    /// Anything else; the error number says what.
    Other,
}

impl From<Errno> for ErrorKind {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::EXIST => Self::AlreadyExists,
            // An address that is to be deleted answers EADDRNOTAVAIL, a route ESRCH, a link ENODEV.
            Errno::NOENT | Errno::NODEV | Errno::SRCH | Errno::ADDRNOTAVAIL | Errno::NXIO => Self::NotFound,
            Errno::BUSY => Self::Busy,
            Errno::PERM | Errno::ACCESS => Self::NotPermitted,
            Errno::OPNOTSUPP | Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT | Errno::NOSYS => Self::Unsupported,
            Errno::INVAL | Errno::RANGE | Errno::MSGSIZE => Self::Invalid,
            _ => Self::Other,
        }
    }
}

impl NetlinkError {
    /// An error that the kernel reported.
    pub fn refused(operation: &'static str, errno: Errno, kernel_says: Option<String>) -> Self {
        Self { operation, kind: errno.into(), errno: Some(errno), kernel_says }
    }

    /// An answer that could not be used; `what` says why.
    pub fn bad_answer(operation: &'static str, what: impl Into<String>) -> Self {
        Self { operation, kind: ErrorKind::BadAnswer, errno: None, kernel_says: Some(what.into()) }
    }

    /// The reason without the operation: the error number's text and the kernel's sentence.
    pub fn reason(&self) -> String {
        let errno = self.errno.map(errno_text);
        match (errno, &self.kernel_says) {
            (Some(errno), Some(sentence)) => format!("{errno} (the kernel reports: {sentence})"),
            (Some(errno), None) => errno,
            (None, Some(sentence)) => sentence.clone(),
            (None, None) => "no reason given".to_owned(),
        }
    }
}

impl fmt::Display for NetlinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.operation, self.reason())
    }
}

impl std::error::Error for NetlinkError {}

/// The error number's text without the standard library's "(os error N)".
fn errno_text(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
