//! Policies in OCI registries: push, pull, signatures, and which signatures a node requires.
//!
//! For the admin CLI and the node agent. The plugin makes no network call and checks no signature: what is installed was checked.

pub mod acquisition;
mod authorization;
mod connection;
mod credentials;
mod error;
mod failure;
mod manifest;
mod reference;
mod registry;
pub mod signature;
mod transfer;
mod transport;
pub mod trust;

pub use connection::Access;
pub use credentials::{CredentialsError, HelperError};
pub use error::RegistryError;
pub use reference::{Reference, ReferenceError};
pub use registry::{Component, Pulled, Registry};
