//! The real agent on nodes of its own, with a real store. Files are named after the property they hold.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod blocks_and_routes_are_ready;
mod clusters_move_under_agents;
mod containers_that_are_gone;
mod edited_objects;
mod killed_at_each_call;
mod kubernetes_is_the_store;
mod moves_are_killed;
mod nodes_confirm_after_silence;
mod orders_to_take_over;
mod restarts_change_nothing;
mod taken_over;
mod testbed;
mod unreachable_store;
mod wrong_objects_reach_no_node;
