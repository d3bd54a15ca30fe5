//! What a policy builds in the host, call by call.
#![allow(unreachable_pub)] // The generated bindings re-export two of these.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::address::IpRange;
use crate::attachment::{Assigned, Dns, Route};
use crate::pool::Edges;

/// A pool as a policy builds it, call by call.
#[derive(Debug, Default)]
pub struct DeclaredPool {
    pub(crate) name: String,
    pub(crate) ranges: Vec<DeclaredRange>,
}

/// One `add-range` call. The prefix may have host bits: the engine refuses or masks later, with all values at hand.
#[derive(Debug)]
pub(crate) struct DeclaredRange {
    pub(crate) prefix: IpNet,
    pub(crate) range: IpRange,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) edges: Edges,
}

/// An answer as a policy builds it.
#[derive(Debug, Default)]
pub struct DeclaredAnswer {
    pub(crate) addresses: Vec<Assigned>,
    pub(crate) routes: Vec<Route>,
    pub(crate) dns: Option<Dns>,
}
