//! The store keeps its promises: one file per promise. Every test binary has a mount namespace of its own, so these
//! tests mount what they need.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod boots;
mod concurrency;
mod damage;
mod disks;
mod facts;
mod fixtures;
mod masquerade;
mod model;
mod policy_counters;
mod put_aside;
mod refusals_and_networks;
mod schema_1;
