//! A bound for a system call that has none: a timer of the kernel that interrupts one thread.

use std::io;
use std::ptr;
use std::time::Duration;

use crate::signals;

/// As long as it lives, and from a given moment on, system calls of the thread that made it are interrupted.
pub(super) struct Alarm {
    timer: libc::timer_t,
}

impl Alarm {
    pub(super) fn after(delay: Duration) -> io::Result<Self> {
        signals::catch(libc::SIGALRM)?;
        unblock(libc::SIGALRM)?;
        let mut timer: libc::timer_t = ptr::null_mut();
        // SAFETY: all zeros is a valid value of this plain structure, and both pointers are to values that live here.
        let made = unsafe {
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_signo = libc::SIGALRM;
            // Another thread of this process may be in a system call that must not be interrupted.
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_notify_thread_id = rustix::thread::gettid().as_raw_nonzero().get();
            libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer)
        };
        checked(made)?;
        let alarm = Self { timer };
        // Repeated: the first one may come just before the call begins to wait.
        let schedule = libc::itimerspec { it_interval: timespec(Duration::from_millis(10)), it_value: timespec(delay) };
        // SAFETY: the timer was made above, and the schedule lives until the call is over.
        checked(unsafe { libc::timer_settime(alarm.timer, 0, &raw const schedule, ptr::null_mut()) })?;
        Ok(alarm)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: the timer was made by `after` and is deleted here only.
        unsafe { libc::timer_delete(self.timer) };
    }
}

/// Whoever started this process may have blocked the signal.
fn unblock(signal: i32) -> io::Result<()> {
    // SAFETY: the set is a plain structure that `sigemptyset` fills before it is used.
    let done = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut())
    };
    if done == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(done)) }
}

fn timespec(time: Duration) -> libc::timespec {
    // SAFETY: all zeros is a valid value of this plain structure, which has padding on some platforms.
    let mut spec: libc::timespec = unsafe { std::mem::zeroed() };
    spec.tv_sec = time.as_secs().try_into().unwrap_or(libc::c_long::MAX);
    // Zero would switch the timer off. Below a second it fits every width.
    spec.tv_nsec = libc::c_long::from(i32::try_from(time.subsec_nanos().max(1)).unwrap_or(1));
    spec
}

fn checked(returned: i32) -> io::Result<()> {
    if returned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
