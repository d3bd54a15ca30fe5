//! What a session keeps between two lists, so `session` and this file know each other.
//!
//! Lists of records: read in full once on each connection, and by what has changed after that.
//!
//! An agent lists everything every few seconds, and nearly all of it is what it was. etcd sends only what was written
//! since a revision, and how many records there are in all. It does not report what was deleted. But everything that is there is
//! either known and unchanged or among the changes; so if that together is as many records as there are, it is the same
//! ones. If not, everything is read.
//!
//! What is known belongs to the connection. An etcd that was put back to an older state was started again for it.

use std::collections::BTreeMap;
use std::time::Instant;

use gingham_ownership::shared_store::{Record, Reply, StoreFault, Version};

use crate::Seen;
use crate::connection::CallError;
use crate::failure::Failure;
use crate::message::{KeyValue, RangeRequest};
use crate::session::Session;

/// How many records are fetched at once.
const PAGE: i64 = 1000;

/// With more changes everything is read, page by page.
const MOST_CHANGES: i64 = 5000;

/// How often a list is started again because etcd compacts faster than it can be read.
const ATTEMPTS: usize = 3;

/// A list, as it was last read.
pub(crate) struct Known {
    prefix: Vec<u8>,
    /// The revision at which it was so.
    at: i64,
    /// By their whole keys.
    records: BTreeMap<Vec<u8>, Record>,
}

/// All records whose keys begin with `prefix`, of which the first part is `root`.
pub(crate) async fn list(
    session: &mut Session,
    root: &str,
    prefix: Vec<u8>,
    seen: &mut Seen,
    limit: Instant,
) -> Result<Reply, Failure> {
    let known = session.listed.take().filter(|known| known.prefix == prefix);
    let changed = match known {
        Some(known) => changes(session, known, seen, limit).await.map_err(|error| session.failure(error))?,
        None => None,
    };
    let known = match changed {
        Some(known) => known,
        None => read(session, prefix, seen, limit).await?,
    };
    let records = known.records.iter().filter_map(|(key, record)| {
        // Ours are text. Garbage is passed on as well as it can be, so that it is reported.
        let key = String::from_utf8_lossy(key.get(root.len()..)?).into_owned();
        Some((key, record.clone()))
    });
    let reply = Reply::Listed { records: records.collect(), at: version(known.at) };
    session.listed = Some(known);
    Ok(reply)
}

/// What is known, brought up to date; none if that cannot be done by what was written alone.
async fn changes(
    session: &mut Session,
    mut known: Known,
    seen: &mut Seen,
    limit: Instant,
) -> Result<Option<Known>, CallError> {
    let question = RangeRequest {
        key: known.prefix.clone(),
        range_end: end_of(&known.prefix),
        limit: MOST_CHANGES,
        min_mod_revision: known.at + 1,
        ..RangeRequest::default()
    };
    let page = session.call(&question, limit).await?;
    session.notice(page.header.as_ref(), seen).map_err(CallError::Failure)?;
    known.at = page.header.unwrap_or_default().revision;
    known.records.extend(page.kvs.into_iter().map(entry));
    let is_whole = !page.more && i64::try_from(known.records.len()) == Ok(page.count);
    Ok(is_whole.then_some(known))
}

async fn read(session: &mut Session, prefix: Vec<u8>, seen: &mut Seen, limit: Instant) -> Result<Known, Failure> {
    for _ in 0..ATTEMPTS {
        match read_once(session, &prefix, seen, limit).await {
            Err(CallError::Status(status)) if status.is_compacted() => {}
            Err(error) => return Err(session.failure(error)),
            Ok(known) => return Ok(known),
        }
    }
    let text = "etcd compacts its history faster than the list of records can be read";
    Err(Failure::unasked(StoreFault::Unreachable(text.to_owned())))
}

/// All pages are read at the revision of the first, so that together they are one moment.
async fn read_once(session: &mut Session, prefix: &[u8], seen: &mut Seen, limit: Instant) -> Result<Known, CallError> {
    let mut question =
        RangeRequest { key: prefix.to_vec(), range_end: end_of(prefix), limit: PAGE, ..RangeRequest::default() };
    let mut records = BTreeMap::new();
    loop {
        let page = session.call(&question, limit).await?;
        if question.revision == 0 {
            session.notice(page.header.as_ref(), seen).map_err(CallError::Failure)?;
            question.revision = page.header.unwrap_or_default().revision;
        }
        let Some(last) = page.kvs.last().map(|entry| entry.key.clone()) else { break };
        records.extend(page.kvs.into_iter().map(entry));
        if !page.more {
            break;
        }
        // The next key there can be.
        question.key = [last, vec![0]].concat();
    }
    Ok(Known { prefix: prefix.to_vec(), at: question.revision, records })
}

fn entry(entry: KeyValue) -> (Vec<u8>, Record) {
    (entry.key, Record { value: entry.value, version: version(entry.mod_revision) })
}

/// A revision of etcd's, as a version.
pub(crate) fn version(revision: i64) -> Version {
    // etcd's revisions begin with 1.
    Version(u64::try_from(revision).unwrap_or_default())
}

/// The first key after all that begin with `prefix`. The byte 0 stands for the end of all keys.
fn end_of(prefix: &[u8]) -> Vec<u8> {
    match prefix.iter().rposition(|byte| *byte < u8::MAX) {
        Some(last) => {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            end
        }
        None => vec![0],
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_end_of_a_prefix_parts_what_begins_so_from_what_comes_after(
            prefix in vec(prop_oneof![any::<u8>(), Just(u8::MAX)], 1..6),
            rest in vec(any::<u8>(), 0..4),
            other in vec(any::<u8>(), 0..8),
        ) {
            let end = end_of(&prefix);
            let is_within = |key: &[u8]| key >= &prefix[..] && (end == [0] || key < &end[..]);
            prop_assert!(is_within(&[&prefix[..], &rest[..]].concat()));
            prop_assert_eq!(is_within(&other), other.starts_with(&prefix), "{:?} {:?}", other, end);
        }
    }
}
