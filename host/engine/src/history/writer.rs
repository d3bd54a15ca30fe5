//! Appends to a network's history: `history/NETWORK.history` in the data directory, and `NETWORK.history.old`, which was that
//! before it reached half of the bound. Nothing here waits for long, and a failure concerns the history alone.

use std::fs::{DirBuilder, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gingham_untrusted::file::{self, FileError};
use rustix::fs::{Mode, OFlags};

use super::{Event, Line, Snapshot, Start};
use crate::file_lock::{self, Kind};
use crate::library::Digest;

/// The directory of histories, in the data directory.
const DIRECTORY: &str = "history";

/// A writer needs some 50 µs, and on a busy machine many times that before it may run again.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// A configuration has at most 16 MiB.
const LONGEST_START: u64 = 32 << 20;

/// `maxSize` is at most 1 GiB.
const MOST_READ: u64 = 1 << 30;

/// Digits of a configuration's name.
const CONFIG_DIGITS: usize = 16;

/// Where a line's `config` begins, counted from its end: the digits, `"}` and the line break.
const CONFIG_END: usize = CONFIG_DIGITS + 3;

/// Why nothing was written or read.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("cannot write the history {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("cannot read the history {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: FileError },
    #[error("cannot write the history {}: it is not a regular file; remove it", path.display())]
    NotAFile { path: PathBuf },
    #[error("cannot write the history {}: another process has locked its directory for {waited:?}", path.display())]
    Locked { path: PathBuf, waited: Duration },
    #[error(
        "cannot write the history {}: a line has {length} bytes and half of the file at most {most}; raise \
         `ipam.record.maxSize`", path.display()
    )]
    TooLong { path: PathBuf, length: usize, most: u64 },
    #[error("cannot write the history: {0}")]
    Json(#[from] serde_json::Error),
}

/// What is to be written.
#[derive(Debug, Default)]
pub struct Entries {
    /// Milliseconds since the epoch.
    pub at: u64,
    /// The number of the store's transaction.
    pub order: u64,
    pub events: Vec<Event>,
    /// What the network held before that transaction, if [`HistoryFile::wants_snapshot`].
    pub snapshot: Option<Snapshot>,
    /// Whether the snapshot is written to a file that goes on as well.
    pub always_snapshot: bool,
}

/// A network's history.
#[derive(Debug, Clone)]
pub struct HistoryFile {
    directory: PathBuf,
    name: String,
    lock_timeout: Duration,
}

impl HistoryFile {
    pub fn new(data_dir: &Path, network: &str) -> Self {
        let name = format!("{network}.history");
        Self { directory: data_dir.join(DIRECTORY), name, lock_timeout: LOCK_TIMEOUT }
    }

    /// The same for a writer that holds the store's lock: no other process waits for this lock through it.
    #[must_use]
    pub fn without_waiting(&self) -> Self {
        Self { lock_timeout: Duration::ZERO, ..self.clone() }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// What was the file before it reached half of the bound.
    pub fn old_path(&self) -> PathBuf {
        self.directory.join(format!("{}.old", self.name))
    }

    /// The key of the pseudonyms, which is no part of the history.
    pub fn key_path(&self) -> PathBuf {
        self.directory.join(format!("{}.key", self.name))
    }

    /// All of the history, without half a line at its end. None if there is none.
    pub fn read(&self) -> Result<Option<String>, WriteError> {
        if !self.path().exists() {
            return Ok(None);
        }
        // So that no line is moved from one file to the other meanwhile.
        let _lock = self.lock()?;
        let mut text = String::new();
        for path in [self.old_path(), self.path()] {
            match file::read(&path, MOST_READ) {
                Ok(bytes) => text += whole(&String::from_utf8_lossy(&bytes)),
                Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(WriteError::Unreadable { path, source }),
            }
        }
        Ok(Some(text))
    }

    /// How the file begins; none if there is no history.
    pub fn start(&self) -> Option<Start> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(self.path(), flags, Mode::empty()).ok()?);
        let mut line = String::new();
        BufReader::new(file).take(LONGEST_START).read_line(&mut line).ok()?;
        match serde_json::from_str::<Line>(&line).ok()?.event {
            Event::Start(start) => Some(start),
            _ => None,
        }
    }

    /// Whether the next line begins the history.
    pub fn is_empty(&self) -> bool {
        self.length() == 0
    }

    /// Whether the next line is likely to begin a new file, which is worth more with a snapshot.
    pub fn wants_snapshot(&self, max_size: u64) -> bool {
        is_nearly_full(self.length(), max_size)
    }

    fn length(&self) -> u64 {
        std::fs::metadata(self.path()).map_or(0, |meta| meta.len())
    }

    /// Appends, and begins a new file where the bound requires it.
    pub fn append(&self, start: &Start, max_size: u64, entries: &Entries) -> Result<(), WriteError> {
        let config = name_of(start)?;
        let events = lines(entries, &entries.events, &config)?;
        let _lock = self.lock()?;
        let (mut file, mut length) = self.open(true)?;
        let is_full = length + events.len() as u64 > max_size / 2;
        if length > 0 && (is_full || entries.snapshot.is_some() && is_nearly_full(length, max_size)) {
            std::fs::rename(self.path(), self.old_path()).map_err(|source| self.fault(source))?;
            (file, length) = self.open(true)?;
        }
        let same_config = length > 0 && last_config(&file, length).as_deref() == Some(config.as_bytes());
        let mut bytes = String::new();
        if !same_config {
            bytes += &lines(entries, &[Event::Start(start.clone())], &config)?;
        }
        if let Some(snapshot) = entries.snapshot.as_ref().filter(|_| length == 0 || entries.always_snapshot) {
            bytes += &snapshot_line(entries, snapshot, max_size / 8, &config)?;
        }
        bytes += &events;
        let most = (max_size / 2).saturating_sub(length);
        if bytes.len() as u64 > most {
            return Err(WriteError::TooLong { path: self.path(), length: bytes.len(), most });
        }
        self.write(&mut file, length, &bytes)
    }

    /// The same to a history that is there, for one who does not know the configuration.
    pub fn append_to_existing(&self, entries: &Entries) -> Result<(), WriteError> {
        let _lock = self.lock()?;
        let (mut file, length) = self.open(false)?;
        let Some(config) = last_config(&file, length).and_then(|config| String::from_utf8(config).ok()) else {
            return Ok(());
        };
        self.write(&mut file, length, &lines(entries, &entries.events, &config)?)
    }

    /// Of the directory: the file itself may be another one a moment later.
    fn lock(&self) -> Result<File, WriteError> {
        match DirBuilder::new().mode(0o700).create(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(self.fault(error)),
            _ => {}
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::open(&self.directory, flags, Mode::empty());
        let directory = File::from(opened.map_err(|errno| self.fault(errno.into()))?);
        let is_free = file_lock::try_lock(&directory, Kind::Exclusive).map_err(|source| self.fault(source))?;
        let is_ours = is_free
            || !self.lock_timeout.is_zero()
                && file_lock::wait(&directory, Kind::Exclusive, self.lock_timeout)
                    .map_err(|source| self.fault(source))?;
        if is_ours { Ok(directory) } else { Err(WriteError::Locked { path: self.path(), waited: self.lock_timeout }) }
    }

    /// The file without half a line at its end, and its length.
    fn open(&self, create: bool) -> Result<(File, u64), WriteError> {
        // A FIFO in its place would make this wait.
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let flags = if create { flags | OFlags::CREATE } else { flags };
        let opened = rustix::fs::open(self.path(), flags, Mode::RUSR | Mode::WUSR);
        let file = File::from(opened.map_err(|errno| self.fault(errno.into()))?);
        let meta = file.metadata().map_err(|source| self.fault(source))?;
        if !meta.is_file() {
            return Err(WriteError::NotAFile { path: self.path() });
        }
        let whole = whole_lines(&file, meta.len()).map_err(|source| self.fault(source))?;
        if whole < meta.len() {
            file.set_len(whole).map_err(|source| self.fault(source))?;
        }
        Ok((file, whole))
    }

    fn write(&self, file: &mut File, length: u64, lines: &str) -> Result<(), WriteError> {
        file.write_all(lines.as_bytes()).map_err(|source| {
            // A full disk may take half of it. The next writer removes half a line as well, so this may fail.
            let _ = file.set_len(length);
            self.fault(source)
        })
    }

    fn fault(&self, source: io::Error) -> WriteError {
        WriteError::Io { path: self.path(), source }
    }
}

/// Three quarters of the half that a file may have.
fn is_nearly_full(length: u64, max_size: u64) -> bool {
    length > max_size / 8 * 3
}

fn lines(entries: &Entries, events: &[Event], config: &str) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for event in events {
        let line = Line { at: entries.at, order: entries.order, event: event.clone(), config: config.to_owned() };
        text += &serde_json::to_string(&line)?;
        text.push('\n');
    }
    Ok(text)
}

/// One that is too large leaves everything out: the requests are worth more.
fn snapshot_line(entries: &Entries, snapshot: &Snapshot, most: u64, config: &str) -> Result<String, serde_json::Error> {
    let whole = lines(entries, &[Event::Snapshot(snapshot.clone())], config)?;
    if whole.len() as u64 <= most { Ok(whole) } else { lines(entries, &[Event::Snapshot(Snapshot::default())], config) }
}

/// The same for the same configuration, in every process.
fn name_of(start: &Start) -> Result<String, serde_json::Error> {
    let digest = Digest::of(&serde_json::to_vec(start)?);
    Ok(digest.hex().chars().take(CONFIG_DIGITS).collect())
}

/// The configuration of the last line.
fn last_config(file: &File, length: u64) -> Option<Vec<u8>> {
    let mut config = vec![0; CONFIG_DIGITS];
    file.read_exact_at(&mut config, length.checked_sub(CONFIG_END as u64)?).ok()?;
    config.iter().all(u8::is_ascii_hexdigit).then_some(config)
}

fn whole(text: &str) -> &str {
    text.rfind('\n').map_or("", |end| &text[..=end])
}

/// Where the last whole line ends.
fn whole_lines(file: &File, length: u64) -> io::Result<u64> {
    const STEP: u64 = 4096;
    let mut end = length;
    while end > 0 {
        let begin = end.saturating_sub(STEP);
        let mut bytes = vec![0; usize::try_from(end - begin).unwrap_or_default()];
        file.read_exact_at(&mut bytes, begin)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

/// The key of a history's pseudonyms: 32 random bytes, made on first use.
///
/// # Errors
/// If it can neither be read nor made.
pub(super) fn key(file: &HistoryFile) -> Result<[u8; 32], WriteError> {
    let _lock = file.lock()?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let path = file.key_path();
    let fault = |source| WriteError::Io { path: path.clone(), source };
    let opened = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR);
    let opened = File::from(opened.map_err(|errno| fault(errno.into()))?);
    let mut key = [0; 32];
    if opened.metadata().map_err(fault)?.len() == 32 {
        opened.read_exact_at(&mut key, 0).map_err(fault)?;
        return Ok(key);
    }
    rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty()).map_err(|errno| fault(errno.into()))?;
    opened.set_len(0).and_then(|()| opened.write_all_at(&key, 0)).map_err(fault)?;
    Ok(key)
}
