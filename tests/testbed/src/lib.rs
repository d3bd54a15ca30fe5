//! A testbed: namespaces that stand for nodes, links between them, an etcd, the agent, and calls of the plugin.
//!
//! The tests, `ginghamctl try` and the benchmarks are built on it. It panics nowhere and asserts nothing.
#![allow(missing_docs, reason = "nobody outside this repository uses it")]

pub mod cable;
pub mod cni;
pub mod container;
pub mod daemon;
mod error;
pub mod etcd;
pub mod machine;
pub mod nodes;

pub use error::TestbedError;
