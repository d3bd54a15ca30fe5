//! Why no address was given, and in what words.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::address::IpRange;
use crate::attachment::{AttachmentKey, AwaitedFacts, Problem, Refusal};
use crate::guard::GuardError;
use crate::pool::PoolError;
use crate::runtime::{CallError, FailedCall, Policy, ProcessError};
use crate::store_error::StoreError;
use gingham_ownership::grid::Grid;

/// Problems of a configuration in one message.
const PROBLEMS_SHOWN: usize = 10;

#[derive(Debug, thiserror::Error)]
pub enum IpamError {
    /// The attachment has addresses already; they are untouched.
    #[error(
        "{} has been allocated to {}, duplicate allocation is not allowed; DEL interface {} of that container first",
        list(.addresses), .key.container_id, .key.interface
    )]
    AlreadyAttached { key: AttachmentKey, addresses: Vec<IpAddr> },
    #[error("policy {policy}: {}", refusal_text(.refusal))]
    Refused { policy: String, refusal: Refusal },
    #[error("policy {policy}: {}", problems_text(.problems))]
    Problems { policy: String, problems: Vec<Problem> },
    #[error("policy {policy}: {call}")]
    Fault { policy: String, call: Box<FailedCall> },
    /// The policy declared pools that cannot be.
    #[error("policy {policy}: check-config: {source}")]
    Pools { policy: String, source: PoolError },
    /// The policy answered something the host does not do.
    #[error("policy {policy}: allocate: {source}")]
    Guard { policy: String, source: GuardError },
    /// A cluster policy declared grids, shares or blocks that cannot be.
    #[error("policy {policy}: {}: {source}", .source.export())]
    Cluster { policy: String, source: ClusterFault },
    /// The system denies this process what every policy needs.
    #[error("policy {policy} cannot run: {source}")]
    Process { policy: String, source: ProcessError },
    /// It read one of the facts that the request awaits: the caller waits for it, and asks again.
    #[error("policy {policy}: allocate: it reads a fact of the pod that is not known yet")]
    FactAwaited { policy: String, fact: AwaitedFacts },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with a cluster policy's word; the sentence follows the policy's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterFault {
    #[error("it declares {grids} grids for {pools} pools; a cluster policy has one grid for each pool")]
    GridCount { grids: usize, pools: usize },
    #[error("it declares {count} grids; {most} is the most")]
    TooManyGrids { count: usize, most: usize },
    #[error("its grids {first} and {second} overlap")]
    GridsOverlap { first: Grid, second: Grid },
    #[error("its pool {pool} has the range {range}, which is not within the pool's grid {grid}")]
    PoolOffGrid { pool: String, range: IpRange, grid: Grid },
    /// A share that no block can be claimed in.
    #[error("its share for {member} has {range}, which is on none of its grids")]
    ShareOffGrid { member: String, range: IpRange },
    /// A block of the wrong length, not aligned, or outside.
    #[error("it proposed to claim {block}, which is not a block of {grid}")]
    BlockOffGrid { block: IpNet, grid: Grid },
    /// A block that was shown as claimed.
    #[error("it proposed to claim {block}, which {holder} holds")]
    BlockHeld { block: IpNet, holder: String },
    #[error("it was called for grid {grid}, but has {count}")]
    NoSuchGrid { grid: usize, count: usize },
}

impl ClusterFault {
    /// The export whose answer it is.
    fn export(&self) -> &'static str {
        match self {
            Self::GridCount { .. }
            | Self::TooManyGrids { .. }
            | Self::GridsOverlap { .. }
            | Self::PoolOffGrid { .. } => "blocks",
            Self::ShareOffGrid { .. } => "share",
            Self::BlockOffGrid { .. } | Self::BlockHeld { .. } | Self::NoSuchGrid { .. } => "next-block",
        }
    }
}

pub(crate) fn call_error(policy: &Policy, error: CallError) -> IpamError {
    match error {
        CallError::Policy(call) => IpamError::Fault { policy: policy.name().to_owned(), call },
        CallError::Process(source) => IpamError::Process { policy: policy.name().to_owned(), source },
        CallError::FactAwaited { fact } => IpamError::FactAwaited { policy: policy.name().to_owned(), fact },
        CallError::Store(store) => store.into(),
    }
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) fn refusal_text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Exhausted(text) | Refusal::Unavailable(text) | Refusal::Denied(text) | Refusal::Other(text) => {
            text.clone()
        }
        Refusal::TryAgain { message, after: None } => message.clone(),
        Refusal::TryAgain { message, after: Some(after) } => {
            format!("{message} (try again in {:.1} s)", after.as_secs_f64())
        }
        Refusal::InvalidConfig(problem) => problems_text(std::slice::from_ref(problem)),
    }
}

fn problems_text(problems: &[Problem]) -> String {
    let one = |problem: &Problem| match problem.key.as_str() {
        "" => problem.message.clone(),
        key => format!("ipam.{key}: {}", problem.message),
    };
    let mut texts: Vec<String> = problems.iter().take(PROBLEMS_SHOWN).map(one).collect();
    if problems.len() > PROBLEMS_SHOWN {
        texts.push(format!("and {} more", problems.len() - PROBLEMS_SHOWN));
    }
    texts.join("; ")
}
