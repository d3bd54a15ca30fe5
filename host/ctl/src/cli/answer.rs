//! What many commands want to be told: where the configurations are, and how the answer is to look.

use std::path::PathBuf;

use clap::Args;

/// Where container runtimes look for network configurations.
const CONFIG_DIR: &str = "/etc/cni/net.d";

/// Where networks are found by name.
#[derive(Debug, Args)]
pub(crate) struct Networks {
    /// The directory of network configurations
    #[arg(long, value_name = "DIR", default_value = CONFIG_DIR)]
    pub(crate) config_dir: PathBuf,
}

/// How the answer is to look.
#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
