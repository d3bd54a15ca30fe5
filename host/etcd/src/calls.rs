//! The five calls in etcd's words.

use std::time::Instant;

use gingham_engine::ownership::shared_store::{Call, Record, Reply, StoreFault, Version};

use crate::Seen;
use crate::connection::CallError;
use crate::failure::Failure;
use crate::message::{
    Compare, CompareTo, DeleteRangeRequest, KeyValue, Op, PutRequest, RangeRequest, RangeResponse, TxnRequest,
};
use crate::session::Session;

/// How many records are fetched at once.
const PAGE: i64 = 1000;

/// How often a list is begun anew because etcd compacts faster than it can be read.
const LIST_ATTEMPTS: usize = 3;

/// Carries out a call. `root` is what all keys begin with.
pub(crate) async fn carry_out(
    session: &mut Session,
    root: &str,
    call: &Call,
    seen: &mut Seen,
    limit: Instant,
) -> Result<Reply, Failure> {
    let full = |key: &str| format!("{root}{key}").into_bytes();
    match call {
        Call::Get { key } => {
            let answer = session.ask(&one(full(key)), limit).await?;
            session.notice(answer.header.as_ref(), seen)?;
            Ok(Reply::Got(first(answer)))
        }
        Call::List { prefix } => list(session, root, full(prefix), seen, limit).await,
        Call::Create { key, value } => {
            let put = Op::Put(PutRequest { key: full(key), value: value.clone() });
            write(session, full(key), CompareTo::CreateRevision(0), put, seen, limit).await
        }
        Call::Update { key, value, expected } => {
            let put = Op::Put(PutRequest { key: full(key), value: value.clone() });
            write(session, full(key), CompareTo::ModRevision(revision(*expected)), put, seen, limit).await
        }
        Call::Delete { key, expected } => {
            let delete = Op::DeleteRange(DeleteRangeRequest { key: full(key) });
            write(session, full(key), CompareTo::ModRevision(revision(*expected)), delete, seen, limit).await
        }
    }
}

async fn write(
    session: &mut Session,
    key: Vec<u8>,
    expected: CompareTo,
    write: Op,
    seen: &mut Seen,
    limit: Instant,
) -> Result<Reply, Failure> {
    let is_delete = matches!(write, Op::DeleteRange(_));
    let txn = TxnRequest {
        compare: vec![Compare::equal(key.clone(), expected)],
        success: vec![write.into()],
        failure: vec![Op::Range(one(key)).into()],
    };
    let answer = session.ask(&txn, limit).await?;
    session.notice(answer.header.as_ref(), seen)?;
    if !answer.succeeded {
        let present = answer.responses.into_iter().next().and_then(|response| response.range);
        return Ok(Reply::Conflict(present.and_then(first)));
    }
    // The revision of a transaction that wrote is the one of what it wrote.
    Ok(if is_delete { Reply::Deleted } else { Reply::Written(version(answer.header.unwrap_or_default().revision)) })
}

async fn list(
    session: &mut Session,
    root: &str,
    prefix: Vec<u8>,
    seen: &mut Seen,
    limit: Instant,
) -> Result<Reply, Failure> {
    for _ in 0..LIST_ATTEMPTS {
        match list_once(session, root, &prefix, seen, limit).await {
            Err(CallError::Status(status)) if status.is_compacted() => {}
            Err(error) => return Err(session.failure(error)),
            Ok(reply) => return Ok(reply),
        }
    }
    let text = "etcd compacts its history faster than the list of records can be read";
    Err(Failure::unasked(StoreFault::Unreachable(text.to_owned())))
}

/// All pages are read at the revision of the first, so that together they are one moment.
async fn list_once(
    session: &mut Session,
    root: &str,
    prefix: &[u8],
    seen: &mut Seen,
    limit: Instant,
) -> Result<Reply, CallError> {
    let mut question =
        RangeRequest { key: prefix.to_vec(), range_end: end_of(prefix), limit: PAGE, ..RangeRequest::default() };
    let mut records = Vec::new();
    loop {
        let page = session.call(&question, limit).await?;
        if question.revision == 0 {
            session.notice(page.header.as_ref(), seen).map_err(CallError::Failure)?;
            question.revision = page.header.unwrap_or_default().revision;
        }
        let Some(last) = page.kvs.last().map(|entry| entry.key.clone()) else { break };
        records.extend(page.kvs.into_iter().filter_map(|entry| {
            let key = String::from_utf8(entry.key.get(root.len()..)?.to_vec()).ok()?;
            Some((key, Record { value: entry.value, version: version(entry.mod_revision) }))
        }));
        if !page.more {
            break;
        }
        // The next key there can be.
        question.key = [last, vec![0]].concat();
    }
    Ok(Reply::Listed { records, at: version(question.revision) })
}

fn one(key: Vec<u8>) -> RangeRequest {
    RangeRequest { key, ..RangeRequest::default() }
}

fn first(answer: RangeResponse) -> Option<Record> {
    let KeyValue { value, mod_revision, .. } = answer.kvs.into_iter().next()?;
    Some(Record { value, version: version(mod_revision) })
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

fn version(revision: i64) -> Version {
    // etcd's revisions begin with 1.
    Version(u64::try_from(revision).unwrap_or_default())
}

fn revision(version: Version) -> i64 {
    i64::try_from(version.0).unwrap_or(i64::MAX)
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
