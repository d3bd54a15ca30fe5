//! Why a call to an endpoint failed, and whether it may still have been carried out.

use gingham_ownership::endpoint::Endpoint;
use gingham_ownership::shared_store::{Reply, StoreFault};

/// One endpoint's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Whether the call may have been carried out, or may be yet.
    pub(crate) doubt: Doubt,
    /// Whether another endpoint may do better.
    pub(crate) scope: Scope,
    pub(crate) fault: StoreFault,
}

/// Whether a call that failed may have had an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doubt {
    /// It was not carried out and will not be.
    None,
    /// It is unknown.
    Effect,
}

/// Where the reason lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In this endpoint or the path to it.
    Endpoint,
    /// In the call or in the whole store: the others would answer the same.
    Store,
}

impl Failure {
    /// The call did not reach the endpoint.
    pub(crate) fn unasked(fault: StoreFault) -> Self {
        Self { doubt: Doubt::None, scope: Scope::Endpoint, fault }
    }

    /// The call left, and what became of it is unknown.
    pub(crate) fn in_doubt(fault: StoreFault) -> Self {
        Self { doubt: Doubt::Effect, scope: Scope::Endpoint, fault }
    }

    /// The answer stands for the whole store: it refuses.
    fn refused(fault: StoreFault) -> Self {
        Self { doubt: Doubt::None, scope: Scope::Store, fault }
    }

    /// The reply to a call after every endpoint that was tried has failed.
    pub(crate) fn reply(failures: Vec<Self>) -> Reply {
        let is_in_doubt = failures.iter().any(|failure| failure.doubt == Doubt::Effect);
        let fault = join(failures.into_iter().map(|failure| failure.fault).collect());
        if is_in_doubt { Reply::Unknown(fault) } else { Reply::Refused(fault) }
    }
}

/// One fault for all. What needs a repair comes before what may pass by itself.
fn join(mut faults: Vec<StoreFault>) -> StoreFault {
    faults.sort_by_key(|fault| match fault {
        StoreFault::Denied(_) => 0,
        StoreFault::Unusable(_) => 1,
        StoreFault::Unreachable(_) => 2,
    });
    let kind: fn(String) -> StoreFault = match faults.first() {
        Some(StoreFault::Denied(_)) => StoreFault::Denied,
        Some(StoreFault::Unusable(_)) => StoreFault::Unusable,
        Some(StoreFault::Unreachable(_)) | None => StoreFault::Unreachable,
    };
    let mut texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    texts.dedup();
    kind(texts.join("; "))
}

/// gRPC's codes, as far as etcd uses them.
mod code {
    pub(super) const INVALID_ARGUMENT: u32 = 3;
    pub(super) const PERMISSION_DENIED: u32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: u32 = 8;
    pub(super) const UNIMPLEMENTED: u32 = 12;
    pub(super) const UNAUTHENTICATED: u32 = 16;
}

/// An error that an endpoint returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: u32,
    pub(crate) message: String,
}

impl Status {
    /// Whether we should log in (again): our token is no good any more, or there was no need for one when we came.
    /// Nothing was carried out.
    pub(crate) fn wants_new_token(&self) -> bool {
        let says = |what: &str| self.message.contains(what);
        self.code == code::UNAUTHENTICATED || says("revision of auth store is old") || says("user name is empty")
    }

    /// Whether a revision was asked for that is compacted away.
    pub(crate) fn is_compacted(&self) -> bool {
        self.message.contains("required revision has been compacted")
    }

    /// Whether a password was offered to an etcd without authentication.
    pub(crate) fn is_auth_disabled(&self) -> bool {
        self.message.contains("authentication is not enabled")
    }

    /// What it means for the call. etcd's sentences are the same since 3.1 and more precise than the code.
    pub(crate) fn failure(&self, endpoint: &Endpoint) -> Failure {
        let says = |what: &str| self.message.contains(what);
        let message = &self.message;
        match self.code {
            _ if says("invalid user ID or password") => Failure::refused(StoreFault::Denied(format!(
                "{endpoint} rejects cluster.user with cluster.password: {message}"
            ))),
            _ if says("user name is empty") => Failure::refused(StoreFault::Denied(format!(
                "{endpoint} requires a login; set cluster.user and cluster.password ({message})"
            ))),
            code::UNAUTHENTICATED => Failure::refused(StoreFault::Denied(format!(
                "{endpoint} rejects the credentials; see cluster.user and cluster.cert: {message}"
            ))),
            code::PERMISSION_DENIED => Failure::refused(StoreFault::Denied(format!(
                "{endpoint} does not permit this; grant the role of cluster.user readwrite on all keys that start with \
                 cluster.prefix ({message})"
            ))),
            _ if says("database space exceeded") => Failure::refused(StoreFault::Unusable(format!(
                "{endpoint} is full and accepts no writes; compact and defragment it, and disarm its alarm \
                 ({message})"
            ))),
            _ if says("no leader") => Failure::unasked(StoreFault::Unreachable(no_leader(endpoint))),
            _ if says("too many requests") || says("not supported for learner") || says("not capable") => {
                Failure::unasked(StoreFault::Unreachable(format!("{endpoint}: {message}")))
            }
            code::UNIMPLEMENTED => Failure::unasked(StoreFault::Unusable(format!(
                "{endpoint} speaks gRPC but is not etcd 3; see cluster.endpoints ({message})"
            ))),
            code::INVALID_ARGUMENT => Failure::refused(StoreFault::Unusable(format!("{endpoint}: {message}"))),
            code::RESOURCE_EXHAUSTED if says("request is too large") || says("larger than max") => {
                Failure::refused(StoreFault::Unusable(format!("{endpoint}: {message}")))
            }
            // Among these: timed out, leader changed, server stopped. A proposal may still go through.
            _ => Failure::in_doubt(StoreFault::Unreachable(format!("{endpoint}: {message}"))),
        }
    }
}

/// Of a member that knows no leader.
pub(crate) fn no_leader(endpoint: &Endpoint) -> String {
    format!("{endpoint} answers, but etcd has no leader: a majority of its members is down or cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        "http://192.0.2.1:2379".parse().unwrap()
    }

    #[test]
    fn what_needs_a_repair_comes_first_and_doubt_outlives_everything() {
        let failures = vec![
            Failure::unasked(StoreFault::Unreachable("a".to_owned())),
            Failure::unasked(StoreFault::Denied("b".to_owned())),
            Failure::unasked(StoreFault::Unreachable("c".to_owned())),
            Failure::unasked(StoreFault::Unreachable("c".to_owned())),
        ];
        assert_eq!(Failure::reply(failures.clone()), Reply::Refused(StoreFault::Denied("b; a; c".to_owned())));
        let doubtful = [failures, vec![Failure::in_doubt(StoreFault::Unusable("d".to_owned()))]].concat();
        assert_eq!(Failure::reply(doubtful), Reply::Unknown(StoreFault::Denied("b; d; a; c".to_owned())));
    }

    #[test]
    fn only_what_etcd_rules_out_is_without_doubt() {
        let doubt = |code, message: &str| Status { code, message: message.to_owned() }.failure(&endpoint()).doubt;
        for (code, message) in [
            (14, "etcdserver: request timed out"),
            (14, "etcdserver: request timed out, possibly due to previous leader failure"),
            (14, "etcdserver: leader changed"),
            (14, "etcdserver: server stopped"),
            (15, "etcdserver: corrupt cluster"),
            (2, "context canceled"),
            (4, "context deadline exceeded"),
        ] {
            assert_eq!(doubt(code, message), Doubt::Effect, "{message}");
        }
        for (code, message) in [
            (14, "etcdserver: no leader"),
            (7, "etcdserver: permission denied"),
            (3, "etcdserver: request is too large"),
            (8, "etcdserver: mvcc: database space exceeded"),
            (8, "etcdserver: too many requests"),
            (16, "etcdserver: invalid auth token"),
        ] {
            assert_eq!(doubt(code, message), Doubt::None, "{message}");
        }
    }
}
