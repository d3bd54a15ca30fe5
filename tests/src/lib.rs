//! What the tests of the whole system share. A test describes a call of the plugin as data, [`cni`] runs it on a
//! [`node`] that belongs to this test alone, and [`kernel`] tells what came of it.
//!
//! Everything here panics when it cannot do its work: it is for tests only.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

pub mod binaries;
pub mod cni;
pub mod ctl;
pub mod frames;
pub mod guests;
pub mod kernel;
pub mod networks;
pub mod node;
pub mod nodes;
pub mod ownership;
pub mod proxy;
