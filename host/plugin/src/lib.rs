//! The CNI plugin.
//!
//! [`cni`] reads what the runtime says and writes what it hears; [`plan`] decides what will be done.

pub mod cni;
pub mod delegate;
pub mod failpoint;
pub mod plan;
pub mod resolv_conf;
pub mod undo;
