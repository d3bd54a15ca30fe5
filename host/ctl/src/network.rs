//! Networks as this node's configuration files name them.

mod config_dir;
mod configuration;
mod gingham_plugin;
pub(crate) mod keys;

pub(crate) use config_dir::{ConfigDirError, find, list, require};
pub(crate) use configuration::{Configuration, ConfigurationError, Plugin};
pub(crate) use gingham_plugin::{GinghamPluginError, Plugins, find_gingham, find_plugin, read_network};
