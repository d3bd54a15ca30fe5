//! One of the two stores: read at one moment, and written by writes that compare.

use std::thread;
use std::time::{Duration, Instant};

use gingham_ownership::record::{self, ConfigRecord, MemberRecord};
use gingham_ownership::shared_store::{Call, Reply, SharedStore, StoreFault};
use gingham_ownership::snapshot::Snapshot;

use super::contents::Contents;
use super::read::{Read, Value};
use super::{MOST_ROUNDS, MigrationError};

/// For one call, with its repetitions.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two tries of a call.
const PAUSE: Duration = Duration::from_millis(200);

pub struct Side<'s> {
    pub store: &'s mut dyn SharedStore,
    /// As in `cluster.store`.
    pub name: &'static str,
}

impl Side<'_> {
    pub(super) fn read(&mut self) -> Result<Read, MigrationError> {
        let reply = self.call(&Call::List { prefix: String::new() })?;
        let Reply::Listed { records, at } = reply else { return Err(MigrationError::Reply { store: self.name }) };
        let unusable = |source| MigrationError::Records { store: self.name, source: Box::new(source) };
        let snapshot = Snapshot::read(&records, at).map_err(unusable)?;
        let version = records.iter().find(|(key, _)| key == record::CONFIG).map(|(_, record)| record.version);
        let members = snapshot.members.iter().map(|(name, seen)| {
            (record::member_key(name), (Value::Member(name.clone(), seen.record.clone()), seen.version))
        });
        let blocks = snapshot.blocks.iter().map(|(block, seen)| {
            (record::block_key(*block), (Value::Block(*block, seen.record.clone()), seen.version))
        });
        Ok(Read {
            config: snapshot.config.clone().zip(version),
            values: members.chain(blocks).collect(),
            unreadable: snapshot.unreadable.clone(),
            snapshot,
        })
    }

    pub(super) fn config(&mut self) -> Result<Option<ConfigRecord>, MigrationError> {
        Ok(self.read()?.config.map(|(config, _)| config))
    }

    /// Writes what `change` makes of the config that is there, if it is another one. A conflict is looked at again: it may
    /// be this very write, of which the answer was lost.
    pub(super) fn put_config(
        &mut self,
        change: impl Fn(Option<&ConfigRecord>) -> Result<ConfigRecord, MigrationError>,
    ) -> Result<ConfigRecord, MigrationError> {
        for _ in 0..MOST_ROUNDS {
            let found = self.read()?.config;
            let wanted = change(found.as_ref().map(|(config, _)| config))?;
            let (key, value) = (record::CONFIG.to_owned(), record::write(&wanted));
            let call = match found {
                Some((found, _)) if found == wanted => return Ok(wanted),
                Some((_, expected)) => Call::Update { key, value, expected },
                None => Call::Create { key, value },
            };
            self.call(&call)?;
        }
        Err(MigrationError::Restless { store: self.name })
    }

    /// Writes the fence of an epoch into each member's record.
    pub(super) fn close_members(&mut self, epoch: u64) -> Result<(), MigrationError> {
        for _ in 0..MOST_ROUNDS {
            let read = self.read()?;
            if read.config().is_none_or(|config| config.epoch != epoch || config.moved_to.is_none()) {
                return Err(MigrationError::Interfered { store: self.name });
            }
            let mut is_done = true;
            for (key, (value, expected)) in read.values {
                let Value::Member(_, member) = value else { continue };
                if member.closed < epoch {
                    is_done = false;
                    let value = record::write(&MemberRecord { closed: epoch, ..member });
                    self.call(&Call::Update { key, value, expected })?;
                }
            }
            if is_done {
                return Ok(());
            }
        }
        Err(MigrationError::Restless { store: self.name })
    }

    /// Makes members and blocks what they should be, and returns whether they were already. `all`: also those that are.
    /// Only while nothing can be claimed here: what is deleted and overwritten is then no node's.
    pub(super) fn make_equal(&mut self, reserved: u64, contents: &Contents, all: bool) -> Result<bool, MigrationError> {
        let (read, wanted) = (self.read()?, contents.values());
        if read.config().is_none_or(|config| !config.is_reserved_in(reserved)) {
            return Err(MigrationError::Interfered { store: self.name });
        }
        if let Some(key) = read.unreadable.first() {
            return Err(MigrationError::Unreadable { store: self.name, key: key.clone() });
        }
        if !all && read.has_only(&wanted) {
            return Ok(true);
        }
        for (key, value) in &wanted {
            let (key, bytes) = (key.clone(), value.bytes());
            match read.values.get(&key) {
                Some((found, _)) if found == value && !all => continue,
                Some((_, expected)) => self.call(&Call::Update { key, value: bytes, expected: *expected })?,
                None => self.call(&Call::Create { key, value: bytes })?,
            };
        }
        for (key, (_, expected)) in read.values.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
            self.call(&Call::Delete { key: key.clone(), expected: *expected })?;
        }
        Ok(false)
    }

    /// Until it is known what became of the call, as far as the time goes. A repeated write may meet the first one: then
    /// the next read shows what is there.
    fn call(&mut self, call: &Call) -> Result<Reply, MigrationError> {
        let deadline = Instant::now() + CALL_TIMEOUT;
        loop {
            match self.store.call(call, deadline) {
                Reply::Unknown(StoreFault::Unreachable(_)) | Reply::Refused(StoreFault::Unreachable(_))
                    if Instant::now() + PAUSE < deadline =>
                {
                    thread::sleep(PAUSE);
                }
                Reply::Unknown(source) | Reply::Refused(source) => {
                    return Err(MigrationError::Store { store: self.name, source });
                }
                reply => return Ok(reply),
            }
        }
    }
}
