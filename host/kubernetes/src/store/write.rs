//! `Create`, `Update` and `Delete`.

use std::thread;
use std::time::{Duration, Instant};

use gingham_ownership::shared_store::{Reply, Version};
use serde_json::{Map, Value};

use super::KubernetesStore;
use super::read::found_record;
use crate::failure::{in_doubt, of_read, of_write, unusable};
use crate::object::{self, Place, is_terminating};
use crate::objects::{ApiError, Deletion, Preconditions};

/// How long an API server that is overloaded is left alone. It asks for a second.
const OVERLOADED: Duration = Duration::from_secs(1);

/// How often a record is added to an object that others write to.
const ATTEMPTS: usize = 4;

impl KubernetesStore {
    fn place(&self, key: &str) -> Result<Place, Reply> {
        object::place(&self.network, key).ok_or_else(|| {
            unusable(format!("the store \"kubernetes\" does not write the record {key}: kubelets show life there"))
        })
    }

    fn found(&self, place: &Place, deadline: Instant) -> Result<Option<Value>, Reply> {
        self.api.get(&place.resource, &place.name, deadline).map_err(|error| of_read(&error))
    }

    pub(super) fn create(&self, key: &str, value: &[u8], nonce: &str, deadline: Instant) -> Result<Reply, Reply> {
        let place = self.place(key)?;
        let record = object::fields(value).map_err(unusable)?;
        if place.is_network()
            && let Some(found) = self.found(&place, deadline)?
        {
            return self.add(&place, found, &record, nonce, deadline);
        }
        let object = place.object(&self.network, record, nonce);
        match self.api.create(&place.resource, &object, deadline) {
            Ok(stored) => Ok(written(&stored, nonce, None)),
            Err(error) if is_conflict(&error) => met(&place, self.found(&place, deadline)?.as_ref(), nonce),
            Err(error) => Ok(failed(&error, deadline)),
        }
    }

    /// People may have made the object of a network, without what members agree on: that is added to it.
    fn add(
        &self,
        place: &Place,
        mut found: Value,
        record: &Map<String, Value>,
        nonce: &str,
        deadline: Instant,
    ) -> Result<Reply, Reply> {
        for _ in 0..ATTEMPTS {
            if place.record(&found).map_err(unusable)?.is_some() {
                break;
            }
            let mut spec = found["spec"].as_object().cloned().unwrap_or_default();
            spec.extend(record.clone());
            match self.put(place, &found, spec, nonce, deadline)? {
                // People change it at this moment.
                Reply::Conflict(None) => {}
                reply => return Ok(reply),
            }
            let Some(next) = self.found(place, deadline)? else { return Ok(Reply::Conflict(None)) };
            found = next;
        }
        met(place, Some(&found), nonce)
    }

    pub(super) fn update(
        &self,
        key: &str,
        value: &[u8],
        expected: Version,
        nonce: &str,
        deadline: Instant,
    ) -> Result<Reply, Reply> {
        let place = self.place(key)?;
        let record = object::fields(value).map_err(unusable)?;
        let Some(found) = self.found(&place, deadline)? else { return Ok(Reply::Conflict(None)) };
        // A version never comes back: what has moved on can be written no more.
        let has_moved = object::version(&found).map_err(unusable)? != expected;
        if has_moved || place.is_block() && is_terminating(&found) {
            return met(&place, Some(&found), nonce);
        }
        self.put(&place, &found, record, nonce, deadline)
    }

    fn put(
        &self,
        place: &Place,
        found: &Value,
        record: Map<String, Value>,
        nonce: &str,
        deadline: Instant,
    ) -> Result<Reply, Reply> {
        let before = object::version(found).map_err(unusable)?;
        let object = place.rewritten(found, record, nonce);
        match self.api.replace(&place.resource, None, &object, deadline) {
            Ok(stored) => Ok(written(&stored, nonce, Some(before))),
            Err(error) if is_conflict(&error) || is_gone(&error, &place.name) => {
                met(place, self.found(place, deadline)?.as_ref(), nonce)
            }
            Err(error) => Ok(failed(&error, deadline)),
        }
    }

    pub(super) fn delete(&self, key: &str, expected: Version, deadline: Instant) -> Result<Reply, Reply> {
        let place = self.place(key)?;
        let Some(found) = self.found(&place, deadline)? else { return Ok(Reply::Conflict(None)) };
        let version = object::version(&found).map_err(unusable)?;
        if version != expected || is_terminating(&found) {
            return conflict(&place, Some(&found));
        }
        let uid = found["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let preconditions = Preconditions { uid, version: version.0.to_string() };
        match self.api.delete(&place.resource, &place.name, Some(&preconditions), deadline) {
            Ok(Some(Deletion::Gone)) => Ok(Reply::Deleted),
            Ok(None) => Ok(Reply::Conflict(None)),
            // The record stays for others until the finalizer goes, and no write brings it back.
            Ok(Some(Deletion::Terminating(object))) => {
                let finalizers = object["metadata"]["finalizers"].to_string();
                tracing::warn!(object = place.name, finalizers, "its finalizers keep a released block: remove them");
                conflict(&place, Some(&object))
            }
            Err(error) if is_conflict(&error) => conflict(&place, self.found(&place, deadline)?.as_ref()),
            Err(error) => Ok(failed(&error, deadline)),
        }
    }
}

/// A 2xx alone proves nothing: an API server answers 200 to an update that changes nothing, and one whose kinds know no
/// nonce drops it.
fn written(stored: &Value, nonce: &str, before: Option<Version>) -> Reply {
    match object::version(stored) {
        Ok(version) if object::nonce(stored) == Some(nonce) && Some(version) != before => Reply::Written(version),
        Ok(_) => in_doubt(
            "the API server drops the field nonce of what is written, so that a write may have no effect: apply the \
             CustomResourceDefinitions of this release of Gingham",
        ),
        Err(reason) => in_doubt(reason),
    }
}

/// What a write met. If it carries the write's own nonce, it is that write, of which the answer was lost.
fn met(place: &Place, found: Option<&Value>, nonce: &str) -> Result<Reply, Reply> {
    let is_doomed = |found: &Value| place.is_block() && is_terminating(found);
    match found.filter(|found| object::nonce(found) == Some(nonce) && !is_doomed(found)) {
        Some(mine) => Ok(object::version(mine).map_or_else(unusable, Reply::Written)),
        None => conflict(place, found),
    }
}

fn conflict(place: &Place, found: Option<&Value>) -> Result<Reply, Reply> {
    found_record(place, found).map(Reply::Conflict).map_err(unusable)
}

fn failed(error: &ApiError, deadline: Instant) -> Reply {
    if error.status().is_some_and(|status| status.code == 429) {
        thread::sleep(OVERLOADED.min(deadline.saturating_duration_since(Instant::now())));
    }
    of_write(error)
}

fn is_conflict(error: &ApiError) -> bool {
    error.status().is_some_and(|status| status.code == 409)
}

fn is_gone(error: &ApiError, name: &str) -> bool {
    error.status().is_some_and(|status| status.is_not_found(name))
}
