//! A store in a directory, for nodes that are namespaces of one machine: trials and tests. All records in one file,
//! replaced as a whole under a lock. Nothing is synced to the disk: who loses power loses the machine with all its nodes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gingham_net::truncate_name;
use gingham_ownership::shared_store::{Call, Record, Reply, SharedStore, StoreFault, Version};
use gingham_untrusted::file;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// How long to sleep while another process holds the lock, which takes no longer than a write of one file.
const PAUSE: Duration = Duration::from_millis(2);

/// The largest file of records that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// One network's records in a directory.
pub(crate) struct DirectoryStore {
    path: PathBuf,
    network: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Records {
    latest: u64,
    records: BTreeMap<String, Written>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u64,
    /// Records are JSON.
    value: String,
}

impl DirectoryStore {
    pub(crate) fn new(path: &Path, network: &str) -> Self {
        Self { path: path.to_owned(), network: network.to_owned() }
    }

    fn carry_out(&self, call: &Call, deadline: Instant) -> Result<Reply, StoreFault> {
        let fault = |error: io::Error| {
            StoreFault::Unusable(format!("cluster.directory: {} cannot be used: {error}", self.path.display()))
        };
        let _lock = self.lock(deadline)?;
        // A file's name has room for 255 bytes, as has a network's.
        let path = self.path.join(format!("{}.json", truncate_name(&self.network, 250).replace('/', "~")));
        let mut records = match file::read(&path, LARGEST).map_err(io::Error::from) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| fault(error.into()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Records::default(),
            Err(error) => return Err(fault(error)),
        };
        let before = records.latest;
        let reply = records.carry_out(call);
        if records.latest != before {
            let new = path.with_extension("new");
            let bytes = serde_json::to_vec(&records).map_err(|error| fault(error.into()))?;
            fs::write(&new, bytes).and_then(|()| fs::rename(&new, &path)).map_err(fault)?;
        }
        Ok(reply)
    }

    fn lock(&self, deadline: Instant) -> Result<File, StoreFault> {
        let fault = |error: io::Error| {
            StoreFault::Unusable(format!("cluster.directory: {} cannot be locked: {error}", self.path.display()))
        };
        let directory = File::open(&self.path).map_err(fault)?;
        loop {
            match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(directory),
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                Err(Errno::WOULDBLOCK) => {
                    return Err(StoreFault::Unreachable(format!(
                        "{} is locked by another process",
                        self.path.display()
                    )));
                }
                Err(errno) => return Err(fault(errno.into())),
            }
        }
    }
}

impl SharedStore for DirectoryStore {
    fn call(&mut self, call: &Call, deadline: Instant) -> Reply {
        // Until the file is renamed nothing has happened, and that is the last thing that can fail.
        self.carry_out(call, deadline).unwrap_or_else(Reply::Refused)
    }
}

impl Records {
    fn carry_out(&mut self, call: &Call) -> Reply {
        match call {
            Call::Get { key } => Reply::Got(self.get(key)),
            Call::List { prefix } => {
                let all = self.records.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(prefix));
                let records = all.map(|(key, written)| (key.clone(), written.record())).collect();
                Reply::Listed { records, at: Version(self.latest) }
            }
            Call::Create { key, value } => match self.get(key) {
                None => self.write(key, value),
                present => Reply::Conflict(present),
            },
            Call::Update { key, value, expected } => match self.get(key) {
                Some(present) if present.version == *expected => self.write(key, value),
                present => Reply::Conflict(present),
            },
            Call::Delete { key, expected } => match self.get(key) {
                Some(present) if present.version == *expected => {
                    self.records.remove(key);
                    self.latest += 1;
                    Reply::Deleted
                }
                present => Reply::Conflict(present),
            },
        }
    }

    fn get(&self, key: &str) -> Option<Record> {
        self.records.get(key).map(Written::record)
    }

    fn write(&mut self, key: &str, value: &[u8]) -> Reply {
        let Ok(value) = String::from_utf8(value.to_vec()) else {
            return Reply::Refused(StoreFault::Unusable(format!("the value of {key} is not UTF-8")));
        };
        self.latest += 1;
        self.records.insert(key.to_owned(), Written { version: self.latest, value });
        Reply::Written(Version(self.latest))
    }
}

impl Written {
    fn record(&self) -> Record {
        Record { value: self.value.clone().into_bytes(), version: Version(self.version) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_see_one_order() {
        let directory = tempfile::tempdir().unwrap();
        let deadline = || Instant::now() + Duration::from_secs(20);
        let create = |key: &str| Call::Create { key: key.to_owned(), value: b"{}".to_vec() };
        let mut written = Vec::new();
        std::thread::scope(|scope| {
            let claim = || {
                let mut store = DirectoryStore::new(directory.path(), "net");
                let call = |number: u32| store.call(&create(&format!("blocks/{number}")), deadline());
                (0..50).map(call).collect::<Vec<_>>()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(claim)).collect();
            for thread in threads {
                written.extend(thread.join().unwrap());
            }
        });
        let versions = |reply: &Reply| match reply {
            Reply::Written(version) => Some(version.0),
            Reply::Conflict(Some(_)) => None,
            other => panic!("{other:?}"),
        };
        let mut versions: Vec<u64> = written.iter().filter_map(versions).collect();
        versions.sort_unstable();
        assert_eq!(versions, (1..=50).collect::<Vec<_>>(), "each block once, each at a version of its own");
        let mut other = DirectoryStore::new(directory.path(), "other");
        assert_eq!(other.call(&Call::Get { key: "blocks/0".to_owned() }, deadline()), Reply::Got(None));
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let mut store = DirectoryStore::new(Path::new("/no/such/directory"), "net");
        let reply = store.call(&Call::Get { key: "config".to_owned() }, Instant::now());
        let Reply::Refused(StoreFault::Unusable(text)) = reply else { panic!("{reply:?}") };
        assert!(text.starts_with("cluster.directory: /no/such/directory"), "{text}");
    }
}
