//! The Kubernetes API: a client, and a cluster's store on it.
//!
//! A call of [`Api`] blocks until its deadline at most, whatever the network or the servers do. Its failures distinguish
//! what was certainly not carried out from what may have been: nothing is sent twice by itself, except reads.

mod api;
mod config;
mod connection;
mod leases;
mod objects;
mod request;
mod resource;
mod status;
mod tls;
mod watch;

pub use api::Api;
pub use config::{Config, ConfigError, Identity, Pem, Server};
pub use leases::WithLeases;
pub use objects::{ApiError, Deletion, Objects, Patch, Preconditions, Selection};
pub use request::{Answer, CallError, JSON, Request};
pub use resource::{GROUP, Resource, VERSION};
pub use status::{Cause, Details, Status};
pub use watch::{Event, Next, Stop, Watch};
