//! Who holds which block of a cluster's range: the rules, without a network and without a policy.
//!
//! Records in a [`shared_store`] are the truth; what a node may use without asking is in its own durable state.

pub mod grid;
pub mod shared_store;
