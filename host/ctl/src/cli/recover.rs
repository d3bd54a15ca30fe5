//! `ginghamctl recover`, as it is said.

use std::path::PathBuf;

use clap::Args;
use gingham_engine::settings::DATA_DIR;
use gingham_network::recovery::CACHE_DIR;

use super::answer::Networks;
use super::cluster::Confirmed;

#[derive(Debug, Args)]
#[command(after_help = "\
A damaged lease store of this boot makes ADD fail, because running containers may hold addresses that it recorded. This
command finds those containers by their links on this node, the addresses in their network namespaces, and the results
that runtimes keep. It prints what it found, asks, keeps the damaged file under a name with the date, and writes a new
store. A sound store is not changed. After a reboot it is not needed: no container outlives one.

Nothing is written if two containers hold one address, or if a container's address cannot be found: remove that
container, then run the command again. Not recovered: cooling addresses, the policies' state, and addresses taken with
`ginghamctl allocate` (take them again, with --address). Containers of networks with a cluster's store keep their
addresses, but are not recorded: the node leaves the blocks that they are in alone until it is restarted.

Run it on the node itself, as root, not in a container.

Examples:
  ginghamctl recover
  ginghamctl recover --yes")]
pub(crate) struct RecoverArguments {
    /// The data directory: `ipam.dataDir` of the configuration
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub(crate) data_dir: PathBuf,
    /// The directory of the results that runtimes keep
    #[arg(long, value_name = "DIR", default_value = CACHE_DIR)]
    pub(crate) results: PathBuf,
    #[command(flatten)]
    pub(crate) networks: Networks,
    #[command(flatten)]
    pub(crate) confirmed: Confirmed,
}
