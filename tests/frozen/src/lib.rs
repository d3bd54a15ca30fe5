//! What was released of the contract `gingham:ipam`, and what must not change about it. `docs/policies/versions.md` has
//! the rules.
//!
//! `gingham-ipam-VERSION.wit` is the text of a released version without its documentation. [`contract::faults`] compares
//! the contract with it. `components` has policies that were built with a released version, by tools of several languages
//! and ages; [`scenario::run`] runs one and writes down everything it saw and answered, and `expected` has that text.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "for tests: one that cannot go on has failed")]

pub mod components;
pub mod contract;
pub mod scenario;
