//! The Kubernetes API: a client, and a cluster's store on it.
//!
//! A call of [`Api`] blocks until its deadline at most, whatever the network or the servers do. Its failures distinguish
//! what was certainly not carried out from what may have been: nothing is sent twice by itself, except reads and what
//! a replaced token was refused for.

mod api;
mod backoff;
mod config;
mod connection;
mod failure;
mod informer;
mod leases;
mod name;
mod nonce;
mod object;
mod objects;
mod permissions;
mod request;
mod resource;
mod status;
mod store;
mod tls;
mod watch;
mod watched;

pub use api::Api;
pub use config::{Config, ConfigError, Pem, SERVER, Server};
pub use informer::{Cached, Informer, InformerSettings, ObjectKey, SILENCE, Signal};
pub use leases::WithLeases;
pub use name::{NetworkNameError, of_block as block_name, of_member as member_name};
pub use objects::{ApiError, Deletion, Objects, Patch, Preconditions, Selection};
pub use permissions::{AGENT, Permission, Permissions, Verb};
pub use request::{Answer, CallError, JSON, Request};
pub use resource::{GROUP, Resource, VERSION};
pub use status::Status;
pub use store::KubernetesStore;
pub use watch::{Event, Next, Stop, Watch};
pub use watched::{Watched, WatchedRecords};
