//! What a failure means for a cluster's store: certainly not done, or unknown, and what to do.

use gingham_ownership::shared_store::{Reply, StoreFault};

use crate::objects::ApiError;
use crate::request::CallError;
use crate::resource::GROUP;
use crate::status::Status;

/// The reply to a write that failed. A conflict is none of these.
pub(crate) fn of_write(error: &ApiError) -> Reply {
    let fault = fault(error);
    if error.had_no_effect() { Reply::Refused(fault) } else { Reply::Unknown(fault) }
}

/// The reply to a read that failed: a read has no effect.
pub(crate) fn of_read(error: &ApiError) -> Reply {
    Reply::Refused(fault(error))
}

pub(crate) fn unusable(what: impl Into<String>) -> Reply {
    Reply::Refused(StoreFault::Unusable(what.into()))
}

/// Nothing is known of a write whose answer is not the API's.
pub(crate) fn in_doubt(what: impl Into<String>) -> Reply {
    Reply::Unknown(StoreFault::Unusable(what.into()))
}

pub(crate) fn fault(error: &ApiError) -> StoreFault {
    let text = error.to_string();
    match error {
        ApiError::Call { error: CallError::NotSent(fault) | CallError::NoAnswer(fault), .. } => match fault {
            StoreFault::Unreachable(_) => StoreFault::Unreachable(text),
            StoreFault::Denied(_) => StoreFault::Denied(text),
            StoreFault::Unusable(_) => StoreFault::Unusable(text),
        },
        ApiError::Malformed { .. } => StoreFault::Unusable(text),
        ApiError::Refused { status, .. } => refused(status, &text),
    }
}

fn refused(status: &Status, text: &str) -> StoreFault {
    match status.code {
        401 => StoreFault::Denied(format!(
            "{text}; the token is wrong or has expired: restart the pod of the agent, or create another one for --kube-token"
        )),
        403 => StoreFault::Denied(format!("{text}; apply the ClusterRole of this release of Gingham")),
        404 | 405 if !status.is_status() || status.code == 405 => StoreFault::Unusable(format!(
            "{text}; the API server does not serve the group {GROUP}: apply the CustomResourceDefinitions of this release \
             of Gingham"
        )),
        500 if status.message.contains("future revision") => StoreFault::Unusable(format!(
            "{text}; the API server's etcd has lost data, possibly by a restore from a backup"
        )),
        409 | 410 | 429 | 500.. => StoreFault::Unreachable(text.to_owned()),
        422 => {
            StoreFault::Unusable(format!("{text}; the CustomResourceDefinitions may be of another release of Gingham"))
        }
        _ => StoreFault::Unusable(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: u16, reason: &str) -> Reply {
        let kind = if reason.is_empty() { "" } else { "Status" };
        let status = Status { code, reason: reason.to_owned(), kind: kind.to_owned(), ..Status::default() };
        of_write(&ApiError::Refused { what: "write".to_owned(), status })
    }

    #[test]
    fn what_a_server_refuses_is_not_done_and_what_it_fails_at_may_be() {
        for (code, reason) in
            [(500, ""), (500, "InternalError"), (502, ""), (503, "ServiceUnavailable"), (504, "Timeout")]
        {
            assert!(matches!(of(code, reason), Reply::Unknown(StoreFault::Unreachable(_))), "{code} {reason}");
        }
        for (code, reason) in [(401, "Unauthorized"), (403, "Forbidden")] {
            assert!(matches!(of(code, reason), Reply::Refused(StoreFault::Denied(_))), "{code} {reason}");
        }
        for (code, reason) in
            [(400, "BadRequest"), (404, ""), (405, "MethodNotAllowed"), (413, ""), (415, ""), (422, "Invalid")]
        {
            assert!(matches!(of(code, reason), Reply::Refused(StoreFault::Unusable(_))), "{code} {reason}");
        }
        for code in [302, 408] {
            assert!(matches!(of(code, ""), Reply::Unknown(_)), "{code}");
        }
        assert!(matches!(of(429, ""), Reply::Refused(StoreFault::Unreachable(_))));
    }

    #[test]
    fn a_call_that_did_not_leave_is_not_done() {
        let call = |error| of_write(&ApiError::Call { what: "write".to_owned(), error });
        let fault = || StoreFault::Unreachable("away".to_owned());
        assert!(matches!(call(CallError::NotSent(fault())), Reply::Refused(_)));
        assert!(matches!(call(CallError::NoAnswer(fault())), Reply::Unknown(_)));
    }
}
