//! Descriptors 0, 1 and 2 as the runtime gave them.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, IntoRawFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, fcntl_getfd};

/// Opens `/dev/null` where a standard stream is closed: its number would go to the next file that is opened, and
/// messages would be written into it. Rust's runtime does the same.
#[expect(clippy::disallowed_methods, reason = "only its number is asked for")]
pub(crate) fn open_closed_streams() {
    let (input, output, errors) = (io::stdin(), io::stdout(), io::stderr());
    for stream in [input.as_fd(), output.as_fd(), errors.as_fd()] {
        // The lowest free number is the stream's, as those before it are open.
        if fcntl_getfd(stream) == Err(Errno::BADF)
            && let Ok(null) = open("/dev/null", OFlags::RDWR, Mode::empty())
        {
            let _ = null.into_raw_fd();
        }
    }
}

/// Standard output, unbuffered. Rust's own takes a write to one that is not open for writing as done.
pub(crate) struct StandardOutput(io::Result<File>);

impl StandardOutput {
    /// To be called before anything is opened, and so before a closed one looks open.
    pub(crate) fn open() -> Self {
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
