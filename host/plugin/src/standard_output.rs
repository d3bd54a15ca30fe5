//! Standard output as it is. Rust's own hides two faults: it opens `/dev/null` in place of a closed descriptor before
//! `main`, and takes a write to one that is not open for writing as done.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{Errno, fcntl_getfd};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

// The C library calls what is in this section before Rust's runtime repairs the descriptors.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_THE_RUNTIME: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: the number is only asked about. If it is not open, the kernel says so.
    let descriptor = unsafe { BorrowedFd::borrow_raw(1) };
    WAS_CLOSED.store(fcntl_getfd(descriptor) == Err(Errno::BADF), Ordering::Relaxed);
}

/// Standard output, unbuffered.
pub(crate) struct StandardOutput(io::Result<File>);

impl StandardOutput {
    pub(crate) fn open() -> Self {
        if WAS_CLOSED.load(Ordering::Relaxed) {
            return Self(Err(Errno::BADF.into()));
        }
        Self(io::stdout().as_fd().try_clone_to_owned().map(File::from))
    }
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Ok(file) => file.write(bytes),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
