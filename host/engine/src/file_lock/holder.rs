//! Who holds a lock, as far as the kernel shows it: `/proc/locks` names the processes of this pid namespace and of those
//! below it.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number in the caller's pid namespace.
    pub pid: u32,
    /// The file name of its program, and its first argument if it has one; empty if that cannot be read.
    pub command: String,
    /// Stopped by a signal or a debugger.
    pub is_stopped: bool,
}

impl Holder {
    /// Those that hold a `flock(2)` on a file.
    pub(super) fn of(file: &File) -> Vec<Self> {
        let (Ok(locks), Ok(meta)) = (fs::read_to_string("/proc/locks"), file.metadata()) else { return Vec::new() };
        pids(&locks, meta.dev(), meta.ino()).into_iter().map(Self::read).collect()
    }

    fn read(pid: u32) -> Self {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let arguments: Vec<_> = command.split(|byte| *byte == 0).take(2).map(String::from_utf8_lossy).collect();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name before it is in parentheses and may hold anything.
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        Self {
            pid,
            command: arguments.join(" ").trim_end().chars().take(100).collect(),
            is_stopped: matches!(state, Some('T' | 't')),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)?;
        match (self.command.is_empty(), self.is_stopped) {
            (true, false) => Ok(()),
            (true, true) => f.write_str(" (stopped)"),
            (false, false) => write!(f, " ({:?})", self.command),
            (false, true) => write!(f, " ({:?}, stopped)", self.command),
        }
    }
}

pub(super) fn describe(holders: &[Holder]) -> String {
    match holders {
        [] => "a process that is not visible here (in another pid namespace) holds the lock".to_owned(),
        [one] => format!("{one} holds the lock"),
        [one, rest @ ..] => format!("{one} and {} more hold the lock", rest.len()),
    }
}

/// From lines such as `3: FLOCK  ADVISORY  WRITE 1234 08:01:131073 0 EOF`; waiters have `->` before the kind. On btrfs and
/// overlayfs the device shown there is another than `stat(2)` has, so the inode has to do where no device fits.
fn pids(locks: &str, device: u64, inode: u64) -> Vec<u32> {
    let device = format!("{:02x}:{:02x}", rustix::fs::major(device), rustix::fs::minor(device));
    let holder = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let is_flock = words.next() == Some("FLOCK");
        let (pid, file) = (words.nth(2)?.parse().ok()?, words.next()?);
        let (of_device, of_inode) = file.rsplit_once(':')?;
        (is_flock && of_inode.parse() == Ok(inode)).then_some((pid, of_device == device))
    };
    let found: Vec<(u32, bool)> = locks.lines().filter_map(holder).collect();
    let is_certain = found.iter().any(|(_, fits)| *fits);
    found.into_iter().filter(|(_, fits)| *fits || !is_certain).map(|(pid, _)| pid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_told_from_waiters_and_other_locks() {
        let locks = "1: POSIX  ADVISORY  READ 11 08:01:77 128 128\n\
                     2: FLOCK  ADVISORY  WRITE 12 08:01:77 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 13 08:01:77 0 EOF\n\
                     3: FLOCK  ADVISORY  READ 14 00:2a:78 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE -1 08:01:77 0 EOF\n";
        let device = rustix::fs::makedev(8, 1);
        assert_eq!(pids(locks, device, 77), [12]);
        assert_eq!(pids(locks, device, 78), [14], "on btrfs the device is another");
        assert_eq!(pids(locks, device, 79), [0; 0]);
        let twice = format!("{locks}5: FLOCK  ADVISORY  WRITE 15 00:2a:77 0 EOF\n");
        assert_eq!(pids(&twice, device, 77), [12], "a file of another file system has the same inode");
    }

    #[test]
    fn a_command_cannot_disturb_the_message() {
        let holder = Holder { pid: 7, command: "x\u{1b}[2J\n\u{202e}y".to_owned(), is_stopped: true };
        assert_eq!(holder.to_string(), r#"pid 7 ("x\u{1b}[2J\n\u{202e}y", stopped)"#);
    }
}
