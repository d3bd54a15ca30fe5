//! Tests of allocation policies, from plain `cargo test`.
//!
//! The policy's crate is built to a component and run in the engine of the plugin: the same sandbox, the same limits,
//! the same guard in front of every answer. Leases live in memory, and the time and the random seeds are the test's.
//!
//! ```no_run
//! // tests/allocation.rs of the policy's crate, with gingham-testing and serde_json among its dev-dependencies
//! use std::time::Duration;
//!
//! #[test]
//! fn addresses_come_in_turn() {
//!     let mut network = gingham_testing::network(serde_json::json!({"subnet": "10.1.0.0/24"}));
//!     network.add("web-1").expect("10.1.0.2/24");
//!     network.add("web-2").pod("team-a", "web-2").expect("10.1.0.3/24");
//!     network.add("web-3").requested("10.1.0.2").expect_refused("not available");
//!     network.del("web-1");
//!     network.advance(Duration::from_secs(300));
//!     network.add("web-3").expect("10.1.0.4/24");
//!     assert_eq!(network.leases().len(), 2);
//! }
//! ```
//!
//! # What is checked without being asked for
//!
//! - **The guard.** An answer that a node would not accept (a leased, cooling, excluded or reserved address, one outside
//!   of the pools, a gateway that no pool declares, a requested address left out) fails the test, whatever the test expects.
//! - **Determinism.** Every request runs twice, in two fresh instances on equal leases. Another answer, another log line,
//!   another amount of fuel, host calls or memory fails the test: such a policy cannot be replayed.
//! - **Limits.** Fuel, memory and host calls are bounded as on a node; `"limits"` in the configuration changes them.
//!
//! # What the policy sees
//!
//! Of the pod nothing is known but what a test sets: [`Add::pod`], [`Add::pod_label`], [`Add::owner`] and others. The
//! node is `node-1`, or what [`Network::node`] sets; so do [`Network::named`] and [`Network::node_labels`].
//! [`Network::reboot`] ends all leases as a reboot does, and [`Network::adopt`] is the way from the reference host-local.
//!
//! # Cluster policies
//!
//! A network of a policy that divides a range (`policy!(MyPolicy, cluster)`) is one member of a cluster: `node-1`, alone,
//! or what [`Network::node`] sets. It claims a block whenever it has no free address left, as a node does; so tests that
//! do not care for blocks need not mention them. [`Network::claim`] sets who holds what, [`Network::share`] and
//! [`Network::next_block`] call the policy.
//!
//! ```no_run
//! # use serde_json::json;
//! let mut network = gingham_testing::network(json!({"range": "10.32.0.0/12"})).node("b", ["a", "b", "c"]);
//! assert_eq!(network.share("b"), ["10.37.86.0-10.42.170.255".parse().unwrap()]);
//! network.claim("a", "10.37.86.0/24");
//! assert_eq!(network.next_block().to_string(), "10.37.87.0/24");
//! network.add("web-1").expect("10.37.87.0/12");
//! ```
//!
//! # When a test fails
//!
//! The message has the request, the configuration, the answer or refusal, what the policy logged and what it cost.
//!
//! # What the configuration is
//!
//! The object under `ipam`, with the host's own keys (`exclude`, `cooldown`, `limits`), as in a CNI configuration. The
//! default cooldown holds: a freed address cools for 120 s, so [`Network::advance`] the time before it is to come back,
//! or set `"cooldown": "0"`.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod attachment;
mod crate_under_test;
mod member_of_a_cluster;
mod network;

pub use attachment::{Add, Grant};
pub use crate_under_test::{component, policy_of};
pub use gingham_engine::address::IpRange;
pub use gingham_engine::attachment::{Dns, PodFacts, Problem, Requester, Route};
pub use gingham_engine::cluster_policy::Proposal;
pub use gingham_engine::ipam::IpamError;
pub use gingham_engine::runtime::{LogLevel, LogLine, Policy, Usage};
pub use network::Network;

/// A network without leases, whose policy is the crate under test, with this object under `ipam`.
///
/// # Panics
/// If the crate does not build, with the compiler's text; if a host key of the configuration is wrong.
#[track_caller]
pub fn network(ipam: serde_json::Value) -> Network {
    Network::of(&policy_of(&crate_under_test::directory()), ipam)
}
