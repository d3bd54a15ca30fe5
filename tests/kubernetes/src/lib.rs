//! A real Kubernetes for tests: etcd and the API server on an address of loopback ([`ControlPlane`]), or a
//! cluster with nodes, each with a containerd, a kubelet and a kube-proxy ([`Cluster`]).
//!
//! `.ci/kubernetes` builds the programs. Everything here panics when it cannot do its work: it is for tests only. It wants
//! the namespaces in which cargo runs tests (`tests/in-namespaces`).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

pub mod agent_account;
mod api_server;
pub mod audit_log;
mod certificates;
pub mod cluster;
pub mod command;
mod control_plane;
pub mod image;
mod keeper;
mod kubectl;
pub mod load;
pub mod node;
mod private_directories;
pub mod programs;
pub mod usage;
pub mod users;

pub use api_server::{ApiServer, ApiServerSettings};
pub use cluster::{Cluster, Programs};
pub use control_plane::ControlPlane;
pub use kubectl::Kubectl;
pub use node::Node;
