//! The client and the store against a real API server. Each test has one of its own, so it tries several things on it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod credentials;
mod etcd_trouble;
mod foreign_writes;
mod kinds;
mod late_requests;
mod lost_answers;
mod records;
mod setup;
mod strangers;
mod watches;
