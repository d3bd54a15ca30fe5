//! Arguments of `ginghamctl recover`.

use std::path::PathBuf;

use clap::Args;
use gingham_network::recovery::CACHE_DIR;

use super::membership::Confirmed;
use super::{ConfigDir, DataDir};

#[derive(Debug, Args)]
#[command(after_help = "\
With a damaged lease store of this boot ADD fails, because running containers may hold addresses that it recorded.
This command finds those containers by their links on this node, the addresses in their network namespaces, and the
results that runtimes cache. It prints what it found, asks, keeps the damaged file under a name with the date, and
writes a new store. A sound store is not changed. After a reboot no recovery is needed: no container outlives one.

Nothing is written if two containers hold one address, or if a container's address is unknown: remove that container,
then run the command again. Not recovered: cooling addresses, the state of policies, and addresses of `ginghamctl
allocate` (allocate them again, with --address). Containers of networks with a cluster's store keep their addresses but
are not recorded: the node does not use their blocks until it restarts.

Run it on the node as root, not in a container.

Examples:
  ginghamctl recover
  ginghamctl recover --yes")]
pub(crate) struct RecoverArguments {
    #[command(flatten)]
    pub(crate) data: DataDir,
    /// The directory of the results that runtimes cache
    #[arg(long, value_name = "DIR", default_value = CACHE_DIR)]
    pub(crate) results: PathBuf,
    #[command(flatten)]
    pub(crate) config: ConfigDir,
    #[command(flatten)]
    pub(crate) confirmed: Confirmed,
}
