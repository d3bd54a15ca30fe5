//! `Get` and `List`.

use std::time::Instant;

use gingham_ownership::shared_store::{Record, Reply};
use serde_json::Value;

use super::KubernetesStore;
use crate::failure::{fault, of_read, unusable};
use crate::object::{self, Place, parse_version};
use crate::objects::{ApiError, Objects, Selection};
use crate::resource::Resource;

/// How often a list is begun again because the API server's etcd is compacted faster than it can be read.
const ATTEMPTS: usize = 3;

impl KubernetesStore {
    pub(super) fn get(&self, key: &str, deadline: Instant) -> Reply {
        let Some(place) = object::place(&self.network, key) else {
            return unusable(format!("the store \"kubernetes\" has no kind of objects for the record {key}"));
        };
        match self.api.get(&place.resource, &place.name, deadline) {
            Err(error) => of_read(&error),
            Ok(found) => found_record(&place, found.as_ref()).map_or_else(unusable, Reply::Got),
        }
    }

    pub(super) fn list(&self, prefix: &str, deadline: Instant) -> Reply {
        let mut attempt = 1;
        loop {
            match self.list_once(prefix, deadline) {
                Err(ApiError::Refused { status, .. }) if status.is_expired() && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Reply::Refused(fault(&error)),
                Ok(reply) => return reply,
            }
        }
    }

    /// Blocks as they are now, and everything else as it was at that version: together they are one moment.
    ///
    /// Nothing is selected by labels: a block whose label was taken off would be missing, and its node would lose it.
    fn list_once(&self, prefix: &str, deadline: Instant) -> Result<Reply, ApiError> {
        let all = Selection::default();
        let blocks = self.api.list(&Resource::blocks(), &all, deadline)?;
        let members = self.api.list_at(&Resource::members(), &all, &blocks.version, deadline)?;
        let this = Selection::fields(&format!("metadata.name={}", self.network));
        let networks = self.api.list_at(&Resource::networks(), &this, &blocks.version, deadline)?;
        let kinds = [(Resource::blocks(), &blocks), (Resource::members(), &members), (Resource::networks(), &networks)];
        Ok(self.listed(&kinds, &blocks.version, prefix).unwrap_or_else(unusable))
    }

    fn listed(&self, kinds: &[(Resource, &Objects)], at: &str, prefix: &str) -> Result<Reply, String> {
        let mut records = Vec::new();
        for (resource, objects) in kinds {
            for found in &objects.items {
                records.extend(record(&self.network, resource, found)?.filter(|(key, _)| key.starts_with(prefix)));
            }
        }
        records.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Reply::Listed { records, at: parse_version(at)? })
    }
}

/// An object of a list as a record and its key, if it is one of this network's.
pub(crate) fn record(network: &str, resource: &Resource, found: &Value) -> Result<Option<(String, Record)>, String> {
    let Some(key) = object::key(network, resource, found) else { return Ok(None) };
    let record = match object::place(network, &key) {
        Some(place) => place.record(found)?,
        // It is reported as a record that cannot be read.
        None => Some(Record { value: b"null".to_vec(), version: object::version(found)? }),
    };
    Ok(record.map(|record| (key, record)))
}

pub(super) fn found_record(place: &Place, found: Option<&Value>) -> Result<Option<Record>, String> {
    found.map_or(Ok(None), |found| place.record(found))
}
