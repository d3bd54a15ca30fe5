//! Nodes of one cluster with the real policy, the real local store and a store that several processes share.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod free_addresses;
mod lists;
mod membership;
mod nodes;
mod refusals;
