//! The store against Debian's etcd, started by each test on a host of its own: a network namespace and a directory.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod certificates;
mod five_calls;
mod logins;
mod outages;
mod silence;
mod strangers;
mod testbed;
