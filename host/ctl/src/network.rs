//! Networks as this node's configuration files name them.

mod config_dir;
mod configuration;
pub(crate) mod keys;
mod gingham_plugin;

pub(crate) use config_dir::{ConfigDirError, find, list};
pub(crate) use configuration::{Configuration, ConfigurationError, Plugin};
pub(crate) use gingham_plugin::{GinghamPluginError, Plugins, gingham_network, own};
