//! Gingham's engine: allocation policies as WebAssembly components, and everything that keeps them honest.
//!
//! The policy proposes, the host disposes. [`ipam`] is the heart: it runs a policy ([`runtime`]) against one network's
//! leases ([`ledger`], kept durable by [`store`]) and lets nothing through that the [`guard`] does not agree with.
//! There is no kernel networking here and no CNI.

pub mod attachment;
pub mod boot_id;
pub mod clock;
pub mod cluster_policy;
#[cfg(feature = "compiler")]
pub mod compile;
#[cfg(feature = "compiler")]
mod component_size;
#[cfg(feature = "compiler")]
mod contract_types;
#[cfg(feature = "compiler")]
pub mod description;
pub mod facts;
pub mod file_lock;
pub mod guard;
pub mod history;
pub mod ipam;
pub mod ledger;
pub mod library;
pub mod memory_ledger;
pub mod network_view;
pub mod occupied;
pub mod pod_refusal;
pub mod policy_counters;
pub mod pool;
pub mod reference_leases;
pub mod runtime;
pub mod settings;
pub mod signals;
pub mod store;
mod store_error;
pub mod unknown_keys;

pub use gingham_ownership::{address, ranges};
