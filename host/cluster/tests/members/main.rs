//! Nodes of one cluster with the real policy, the real local store and a store that several processes share.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod ground;
mod lists;
mod refusals;
mod room;
mod standing;
