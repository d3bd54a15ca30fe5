//! Machine code runs where it lies: a built-in policy in the pages of the program itself, an installed one in those of
//! its file. Copying it first would be the largest part of an ADD's time in this process.

use std::ffi::c_void;

use rustix::io::Errno;
use rustix::mm::{MprotectFlags, mprotect};
use wasmtime::CustomCodeMemory;

use super::process::NotExecutable;

/// Makes pages executable in place. They were never writable: they belong to a file.
pub(super) struct InPlace;

impl CustomCodeMemory for InPlace {
    fn required_alignment(&self) -> usize {
        rustix::param::page_size()
    }

    fn publish_executable(&self, ptr: *const u8, len: usize) -> wasmtime::Result<()> {
        // SAFETY: the runtime owns these pages or, for a built-in policy, they are a static of its own pages.
        unsafe { mprotect(ptr.cast_mut().cast::<c_void>(), len, MprotectFlags::READ | MprotectFlags::EXEC) }
            .map_err(|errno| if errno == Errno::NOMEM { errno.into() } else { NotExecutable(errno).into() })
    }

    /// Nothing: a second policy of the process may run in the same pages, and others are unmapped right afterwards.
    fn unpublish_executable(&self, _ptr: *const u8, _len: usize) -> wasmtime::Result<()> {
        Ok(())
    }
}
