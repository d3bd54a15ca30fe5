//! Arguments of `ginghamctl explain`.

use clap::Args;

use super::{ConfigDir, Format};

#[derive(Debug, Args)]
#[command(after_help = "\
Prints who holds an address, since when, which policy chose it and why, each rule of the host for that address as it is
now, and what a new container of the same pod would get. For an address that nobody holds the rules say why it is not
handed out. Of a network with `ipam.record` the request is printed, too. Nothing is allocated or changed.

With --json: an object with network, policy (that decides now), lease (containerId, interface, pod, addresses, since,
policy and reason; or null), request (as recorded, or null), addresses (a list of address and rules: rule, passes,
found) and next (addresses, reason, refused).

Examples:
  ginghamctl explain mynet 10.1.0.7
  ginghamctl explain mynet shop/web-0 --json")]
pub(crate) struct ExplainArguments {
    /// The name of a network in --config-dir, or a configuration file
    #[arg(value_name = "NETWORK|FILE")]
    pub(crate) network: String,
    /// An address, a pod (NAMESPACE/NAME or NAME), or a container's ID
    #[arg(value_name = "ADDRESS|POD|CONTAINER")]
    pub(crate) subject: String,
    #[command(flatten)]
    pub(crate) config: ConfigDir,
    #[command(flatten)]
    pub(crate) format: Format,
}
