//! Programs in a directory that others start them from at any moment: each name always leads to a whole program.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gingham_engine::library::Digest;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use super::error::{NodeError, file};

const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
const MODE: u32 = 0o755;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Unchanged,
    Installed,
    /// The earlier one was kept.
    Replaced,
}

/// A directory of programs, locked against other installers.
pub(super) struct Directory {
    path: PathBuf,
    handle: File,
}

impl Directory {
    pub(super) fn lock(path: &Path) -> Result<Self, NodeError> {
        let handle = File::open(path).map_err(file("open", path))?;
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match flock(&handle, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { path: path.to_owned(), handle }),
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
                Err(Errno::WOULDBLOCK) => return Err(NodeError::Busy { directory: path.to_owned() }),
                Err(error) => return Err(file("lock", path)(error.into())),
            }
        }
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn previous(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.previous"))
    }

    /// Hidden names: runtimes start what a configuration names, and a name with a dot in front is none.
    fn temporary(&self, name: &str) -> [PathBuf; 2] {
        [self.path.join(format!(".{name}.new")), self.path.join(format!(".{name}.previous.new"))]
    }

    pub(super) fn install(&self, name: &str, source: &Path) -> Result<Outcome, NodeError> {
        let bytes = fs::read(source).map_err(file("read", source))?;
        let wanted = Digest::of(&bytes);
        let target = self.program(name);
        let [new, kept] = self.temporary(name);
        // An installer that was killed left them.
        for leftover in [&new, &kept] {
            remove(leftover)?;
        }
        let earlier = digest(&target)?;
        if earlier.as_ref() == Some(&wanted) && mode(&target)? == MODE {
            return Ok(Outcome::Unchanged);
        }
        write(&new, &bytes, name).and_then(|()| compare(&new, &wanted, source)).inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })?;
        if earlier.is_some() {
            fs::hard_link(&target, &kept).map_err(file("keep as the previous program", &target))?;
            fs::rename(&kept, self.previous(name)).map_err(file("rename", &kept))?;
            // The kernel leaves both names if they are of one file already: an installer was killed after this.
            remove(&kept)?;
        }
        fs::rename(&new, &target).map_err(file("rename", &new))?;
        self.handle.sync_all().map_err(file("synchronise", &self.path))?;
        compare(&target, &wanted, source)?;
        Ok(if earlier.is_some() { Outcome::Replaced } else { Outcome::Installed })
    }

    /// Exchanges a program and its previous version. False if there is none.
    pub(super) fn roll_back(&self, name: &str) -> Result<bool, NodeError> {
        let (target, previous) = (self.program(name), self.previous(name));
        if digest(&previous)?.is_none() {
            return Ok(false);
        }
        require_start(&previous, name)?;
        renameat_with(CWD, &previous, CWD, &target, RenameFlags::EXCHANGE)
            .map_err(|error| file("exchange for its previous version", &target)(error.into()))?;
        self.handle.sync_all().map_err(file("synchronise", &self.path))?;
        Ok(true)
    }

    /// Removes a program with all that installing left. Returns what was there.
    pub(super) fn uninstall(&self, name: &str) -> Result<Vec<PathBuf>, NodeError> {
        let mut removed = Vec::new();
        for path in self.temporary(name).into_iter().chain([self.previous(name), self.program(name)]) {
            if remove(&path)? {
                removed.push(path);
            }
        }
        self.handle.sync_all().map_err(file("synchronise", &self.path))?;
        Ok(removed)
    }
}

fn write(new: &Path, bytes: &[u8], name: &str) -> Result<(), NodeError> {
    let mut written =
        OpenOptions::new().write(true).create_new(true).mode(MODE).open(new).map_err(file("create", new))?;
    io::Write::write_all(&mut written, bytes).map_err(file("write", new))?;
    // The process's umask may have taken bits away.
    written.set_permissions(Permissions::from_mode(MODE)).map_err(file("set the mode of", new))?;
    written.sync_all().map_err(file("synchronise", new))?;
    // The kernel does not start a program that is open for writing.
    drop(written);
    require_start(new, name)
}

fn compare(copy: &Path, wanted: &Digest, source: &Path) -> Result<(), NodeError> {
    if digest(copy)?.as_ref() == Some(wanted) {
        return Ok(());
    }
    Err(NodeError::Differs { copy: copy.to_owned(), source_file: source.to_owned() })
}

fn remove(path: &Path) -> Result<bool, NodeError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(file("remove", path)(error)),
    }
}

fn digest(path: &Path) -> Result<Option<Digest>, NodeError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(Digest::of(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file("read", path)(error)),
    }
}

fn mode(path: &Path) -> Result<u32, NodeError> {
    Ok(fs::metadata(path).map_err(file("read the mode of", path))?.permissions().mode() & 0o7777)
}

/// A program of another architecture, or half of one, is a whole file all the same.
fn require_start(program: &Path, name: &str) -> Result<(), NodeError> {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    if name == gingham_network::plan::OWN_NAME {
        command.env("CNI_COMMAND", "VERSION");
    } else {
        command.arg("--version");
    }
    let fails = |reason: String| NodeError::DoesNotRun { program: program.to_owned(), reason };
    let ended = command.output().map_err(|error| fails(error.to_string()))?;
    if ended.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&ended.stderr);
    Err(fails(format!("{} {}", ended.status, text.trim())))
}
