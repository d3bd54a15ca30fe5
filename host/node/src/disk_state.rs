//! Whether anything changed below some directories, without reading a file.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Of the library: `compiled/KEY/FILE` is the deepest.
const DEPTH: u32 = 3;

/// The kernel's clock of files is coarse: a file that changed just now may change again with the same time.
const SETTLED: Duration = Duration::from_secs(1);

/// What the files of some directories were like when they were last looked at.
#[derive(Debug, Default)]
pub(crate) struct DiskState {
    directories: Vec<PathBuf>,
    seen: Option<Vec<Identity>>,
}

/// No program can set the time of a file's last change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    path: PathBuf,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl DiskState {
    pub(crate) fn of(directories: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { directories: directories.into_iter().collect(), seen: None }
    }

    /// Whether anything may have changed since this was called last; true the first time.
    pub(crate) fn has_changed(&mut self) -> bool {
        let mut now = Vec::new();
        for directory in &self.directories {
            // What cannot be listed is reported where it is read.
            let _ = walk(directory, DEPTH, &mut now);
        }
        now.sort();
        let has_changed = self.seen.as_ref() != Some(&now);
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.seen = now.iter().all(|file| file.is_settled(time)).then_some(now);
        has_changed
    }
}

impl Identity {
    fn of(path: &Path, meta: &Metadata) -> Self {
        Self { path: path.to_owned(), inode: meta.ino(), size: meta.size(), changed: (meta.ctime(), meta.ctime_nsec()) }
    }

    /// `now` is the time of day, as for files.
    fn is_settled(&self, now: Duration) -> bool {
        let (seconds, nanos) = (u64::try_from(self.changed.0), u32::try_from(self.changed.1));
        let changed = Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default());
        // Also one of a time that is yet to come, as where the clock was set back: what changes now gets another time.
        now.abs_diff(changed) > SETTLED
    }
}

fn walk(path: &Path, depth: u32, found: &mut Vec<Identity>) -> io::Result<()> {
    let meta = fs::metadata(path)?;
    found.push(Identity::of(path, &meta));
    if meta.is_dir() && depth > 0 {
        for entry in fs::read_dir(path)? {
            // Removed since it was listed.
            let _ = walk(&entry?.path(), depth - 1, found);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn a_clock_that_was_set_back_makes_no_work_until_it_has_caught_up() {
        let file = Identity { path: PathBuf::new(), inode: 1, size: 1, changed: (1_000, 0) };
        let is_settled = |seconds| file.is_settled(Duration::from_secs(seconds));
        assert_eq!([10, 999, 1_000, 1_001, 1_002].map(is_settled), [true, false, false, false, true]);
    }

    #[test]
    fn every_change_is_seen_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let at = |below: &str| directory.path().join(below);
        fs::create_dir_all(at("compiled/key")).unwrap();
        fs::write(at("compiled/key/code"), "1").unwrap();
        let mut state = DiskState::of([at("compiled"), at("missing")]);
        assert!(state.has_changed());
        let mut change = |what: &str, make: &dyn Fn()| {
            sleep(SETTLED + Duration::from_millis(100));
            state.has_changed();
            assert!(!state.has_changed(), "before: {what}");
            make();
            assert!(state.has_changed(), "{what}");
            assert!(state.has_changed(), "it may change again within the same tick of the clock");
        };
        change("another content of the same length", &|| fs::write(at("compiled/key/code"), "2").unwrap());
        change("a file beside it", &|| fs::write(at("compiled/key/more"), "").unwrap());
        change("a file less", &|| fs::remove_file(at("compiled/key/more")).unwrap());
        change("a directory that was missing", &|| fs::create_dir(at("missing")).unwrap());
    }
}
