//! A node moves from the reference `bridge` and `host-local` to Gingham, and back, with containers running.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "moving/files.rs"]
mod files;
#[path = "moving/with_the_reference.rs"]
mod with_the_reference;
