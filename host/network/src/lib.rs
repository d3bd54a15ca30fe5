//! One network of this node: its configuration, records, policy, allocation, liveness, garbage collection and adoption.
//! The plugin's verbs, the admin CLI and the node agent work on networks through this crate.

pub mod address_management;
pub mod addressing;
pub mod adoption;
pub mod alias;
pub mod allocation;
pub mod bridge_config;
pub mod call;
pub mod cni_result;
pub mod delegate;
pub mod dry_run;
pub mod error;
pub mod explanation;
mod facts;
pub mod failpoint;
pub mod history;
pub mod holdings;
pub mod ip_masquerade;
pub mod lock;
pub mod log;
pub mod mac_filter;
pub mod nat;
pub mod network;
pub mod plan;
mod policies;
pub mod preparation;
pub mod published;
pub mod records;
pub mod recovery;
mod refusals;
mod resolv_conf;
pub mod runtime_request;
pub mod sandbox;
pub mod stale_leases;
pub mod vlans;

/// The variable that names another directory of installed policies: `ginghamctl run --library` sets it.
pub const LIBRARY_VARIABLE: &str = "GINGHAM_LIBRARY";
