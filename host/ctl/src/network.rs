//! Networks as this node's configuration files name them.

mod catalogue;
mod configuration;
pub(crate) mod keys;
mod ours;

pub(crate) use catalogue::{CatalogueError, find, list};
pub(crate) use configuration::{Configuration, ConfigurationError, Plugin};
pub(crate) use ours::{OursError, Plugins, ours, own};
