//! The real agent beside a real API server: pods are objects, and a test does what their kubelet would do. Files are named after
//! the property they hold.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod cluster_policies_roll_out;
mod facts_reach_policies;
mod full_disks;
mod idle_agents_rest;
mod many_policies;
mod objects_have_a_status;
mod policies_are_installed;
mod policies_roll_out;
mod refusals_become_events;
mod registry;
mod rollouts_survive_kills;
mod silent_registries;
mod testbed;
mod tokens_are_replaced;
