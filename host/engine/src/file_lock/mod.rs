//! Locks on files and directories between processes (`flock(2)`), waited for with a bound.
//!
//! A waiter sleeps in the kernel, so an uncontended lock costs one system call and a contended one no polling. It gives up
//! when the same process has held the lock for [`PATIENCE`], or after [`LONGEST`] if the holders change, which is a queue
//! that moves. Both are shorter than the time-outs of runtimes (the kubelet's is two minutes, podman has none).

mod alarm;
mod holder;

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use alarm::Alarm;
pub use holder::Holder;

/// How long one holder is waited for.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// How long is waited in all, whichever process holds the lock.
pub const LONGEST: Duration = Duration::from_secs(30);

/// Whether others may have the lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// With others that have it shared.
    Shared,
    /// Alone.
    Exclusive,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Others have the lock, and did not give it up in time.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} after {:.1} s; try again, and if that process does not go on, resume or end it",
    holder::describe(holders), waited.as_secs_f32()
)]
pub struct Busy {
    /// Those that can be seen from here.
    pub holders: Vec<Holder>,
    pub waited: Duration,
}

/// Waits for the lock, which is kept until the file and its duplicates are closed.
///
/// # Errors
/// [`LockError::Busy`] if it is not to be had in time.
pub fn lock(file: &File, kind: Kind) -> Result<(), LockError> {
    if try_lock(file, kind)? {
        return Ok(());
    }
    let started = Instant::now();
    let mut before = None;
    loop {
        // Looking twice shows whether the holder is another by now.
        if wait(file, kind, PATIENCE / 2)? {
            return Ok(());
        }
        let holders = Holder::of(file);
        // Of holders that cannot be seen from here none is known to be the same.
        let is_same = !holders.is_empty() && before.as_ref() == Some(&holders);
        if is_same || started.elapsed() >= LONGEST {
            return Err(Busy { holders, waited: started.elapsed() }.into());
        }
        before = Some(holders);
    }
}

/// Waits for the lock for a given time. False if it is not to be had in time.
///
/// # Errors
/// If the kernel refuses.
pub fn wait(file: &File, kind: Kind, time: Duration) -> io::Result<bool> {
    let operation = match kind {
        Kind::Shared => FlockOperation::LockShared,
        Kind::Exclusive => FlockOperation::LockExclusive,
    };
    let deadline = Instant::now() + time;
    let _alarm = Alarm::after(time)?;
    loop {
        match flock(file, operation) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) if Instant::now() < deadline => {}
            Err(Errno::INTR) => return Ok(false),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Takes the lock if it is free.
///
/// # Errors
/// If the kernel refuses.
pub fn try_lock(file: &File, kind: Kind) -> io::Result<bool> {
    let operation = match kind {
        Kind::Shared => FlockOperation::NonBlockingLockShared,
        Kind::Exclusive => FlockOperation::NonBlockingLockExclusive,
    };
    match rustix::io::retry_on_intr(|| flock(file, operation)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Others have the lock and are not waited for any longer.
pub fn busy(file: &File, waited: Duration) -> Busy {
    Busy { holders: Holder::of(file), waited }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `flock` belongs to an opening, so two openings in one process are in each other's way.
    fn two_openings() -> (File, File) {
        let file = tempfile::NamedTempFile::new().unwrap();
        (File::open(file.path()).unwrap(), File::open(file.path()).unwrap())
    }

    #[test]
    fn a_holder_that_does_not_go_on_is_named_in_time() {
        let (ours, theirs) = two_openings();
        lock(&theirs, Kind::Exclusive).unwrap();
        let Err(LockError::Busy(busy)) = lock(&ours, Kind::Shared) else { panic!("the lock was had") };
        assert_eq!(busy.holders.iter().map(|holder| holder.pid).collect::<Vec<_>>(), [std::process::id()]);
        assert!(busy.waited >= PATIENCE && busy.waited < LONGEST, "{busy:?}");
        let text = busy.to_string();
        assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
        assert!(text.contains("gingham_engine"), "the command: {text}");
    }

    #[test]
    fn a_lock_that_is_given_up_is_had_at_once() {
        let (ours, theirs) = two_openings();
        lock(&theirs, Kind::Shared).unwrap();
        assert!(try_lock(&ours, Kind::Shared).unwrap());
        assert!(!try_lock(&ours, Kind::Exclusive).unwrap());
        let waiter = std::thread::spawn(move || lock(&ours, Kind::Exclusive).map(|()| ours));
        std::thread::sleep(Duration::from_millis(20));
        drop(theirs);
        waiter.join().unwrap().unwrap();
    }
}
