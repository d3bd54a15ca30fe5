//! The real companion on nodes of its own, with a real store. Files are named after the property they hold.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod a_thousand_members;
mod containers_that_are_gone;
mod killed_at_each_call;
mod restarts_are_not_noticed;
mod room_and_ways_are_kept;
mod store_that_is_away;
mod taken_over;
mod testbed;
