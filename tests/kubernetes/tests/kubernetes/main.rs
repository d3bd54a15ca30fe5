//! Gingham in a real Kubernetes: kubelets and containerds as Debian has their source, on nodes that are namespaces.
//!
//! The tests share a cluster, one after the other.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod installed;
mod installed_by_one_file;
mod installed_is_drained;
mod installed_is_upgraded_and_removed;
mod network_policies;
mod nodes_that_go_away;
mod pods_keep_addresses;
mod pods_of_three_nodes;
mod pods_on_one_node;
mod services_and_ports;
mod shared;
mod workloads;
