//! Networks that are divided among nodes: real plugins on several nodes of a testbed, with a real etcd between them. Files
//! are named after the property they hold.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod testbed;

mod damaged_stores;
mod each_node_has_its_share;
mod killed_at_each_call;
mod killed_while_claiming;
mod leaving;
mod names_and_machines;
mod pods_reach_each_other;
mod store_that_is_away;
mod when_all_is_taken;
