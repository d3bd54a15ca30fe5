//! What processes that have ended used: on a machine with other work this varies less than their time.

use std::mem::MaybeUninit;
use std::time::Duration;

/// Since this process began.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    /// In user mode and in the kernel.
    pub(crate) processor: Duration,
    pub(crate) page_faults: u64,
}

/// Of all children that were waited for.
pub(crate) fn of_children() -> Used {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel writes one `rusage`, of which zeroes are a valid value.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let duration = |time: libc::timeval| {
        Duration::from_micros(u64::try_from(time.tv_sec * 1_000_000 + time.tv_usec).unwrap_or_default())
    };
    let page_faults = u64::try_from(usage.ru_minflt + usage.ru_majflt).unwrap_or_default();
    Used { processor: duration(usage.ru_utime) + duration(usage.ru_stime), page_faults }
}

impl Used {
    pub(crate) fn since(self, before: Self) -> Self {
        let processor = self.processor.saturating_sub(before.processor);
        Self { processor, page_faults: self.page_faults - before.page_faults }
    }
}
