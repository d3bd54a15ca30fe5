//! The records of a store in memory, and what each call does to them: what every store does. For tests and simulation.

use std::collections::BTreeMap;

use super::shared_store::{Call, Record, Reply, Version};

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct InMemoryStore {
    records: BTreeMap<String, Record>,
    latest: Version,
}

impl InMemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn latest(&self) -> Version {
        self.latest
    }

    /// All records, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.records.iter().map(|(key, record)| (key.as_str(), record))
    }

    pub fn get(&self, key: &str) -> Option<&Record> {
        self.records.get(key)
    }

    pub fn carry_out(&mut self, call: &Call) -> Reply {
        match call {
            Call::Get { key } => Reply::Got(self.records.get(key).cloned()),
            Call::List { prefix } => {
                let all = self.records.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(prefix));
                let records = all.map(|(key, record)| (key.clone(), record.clone())).collect();
                Reply::Listed { records, at: self.latest }
            }
            Call::Create { key, value } => match self.records.get(key) {
                Some(found) => Reply::Conflict(Some(found.clone())),
                None => self.write(key, value),
            },
            Call::Update { key, value, expected } => match self.records.get(key) {
                Some(found) if found.version == *expected => self.write(key, value),
                found => Reply::Conflict(found.cloned()),
            },
            Call::Delete { key, expected } => match self.records.get(key) {
                Some(found) if found.version == *expected => {
                    self.records.remove(key);
                    self.latest.0 += 1;
                    Reply::Deleted
                }
                found => Reply::Conflict(found.cloned()),
            },
        }
    }

    fn write(&mut self, key: &str, value: &[u8]) -> Reply {
        self.latest.0 += 1;
        self.records.insert(key.to_owned(), Record { value: value.to_vec(), version: self.latest });
        Reply::Written(self.latest)
    }
}
