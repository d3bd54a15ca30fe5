//! Signals that must end a system call and not the process.

use std::io;

/// An action for signals whose only effect is that the system call they interrupt fails.
///
/// A handler, and not `SIG_IGN`: a program that is started from here begins with the default action again.
pub(crate) fn catch(signal: i32) -> io::Result<()> {
    extern "C" fn nothing(_: i32) {}
    // SAFETY: all zeros is a valid value of this plain structure; the handler does nothing, so it may run at any moment.
    // Without SA_RESTART the interrupted call returns.
    let done = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(i32) as libc::sighandler_t;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut())
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A file that reaches the limit of its size (`ulimit -f`, `LimitFSIZE=`) makes the write fail instead of ending the
/// process. To be called by a program when it starts.
pub fn survive_file_size_limit() {
    // It fails for invalid signals only.
    let _ = catch(libc::SIGXFSZ);
}

/// A write to a pipe without a reader fails instead of ending the process. For a program without Rust's runtime, which does this.
pub fn survive_broken_pipes() {
    let _ = catch(libc::SIGPIPE);
}
