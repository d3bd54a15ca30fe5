//! The five calls in etcd's words.

use std::time::Instant;

use gingham_ownership::shared_store::{Call, Record, Reply, Version};

use crate::Seen;
use crate::failure::Failure;
use crate::listing::{self, version};
use crate::message::{
    Compare, CompareTo, DeleteRangeRequest, KeyValue, Op, PutRequest, RangeRequest, RangeResponse, TxnRequest,
};
use crate::session::Session;

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
        Call::List { prefix } => listing::list(session, root, full(prefix), seen, limit).await,
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

fn one(key: Vec<u8>) -> RangeRequest {
    RangeRequest { key, ..RangeRequest::default() }
}

fn first(answer: RangeResponse) -> Option<Record> {
    let KeyValue { value, mod_revision, .. } = answer.kvs.into_iter().next()?;
    Some(Record { value, version: version(mod_revision) })
}

fn revision(version: Version) -> i64 {
    i64::try_from(version.0).unwrap_or(i64::MAX)
}
