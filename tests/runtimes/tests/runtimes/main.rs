//! Gingham under the runtimes that nodes run, as Debian packages them: `containerd` with `runc` through `ctr` and through
//! the socket that a kubelet speaks to, and `podman` with its CNI backend.
//!
//! Each test has a node of its own, and on it a daemon and storage of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod connections;
mod containerd;
mod cri;
mod host;
mod image;
mod podman;
mod program;

mod containers_of_podman;
mod crash_of_containerd;
mod documented_configurations;
mod main_plugins_of_the_reference;
mod one_word_is_changed;
mod pods_of_a_kubelet;
mod tasks_of_ctr;
