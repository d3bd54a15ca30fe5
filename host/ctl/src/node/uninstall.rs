//! `ginghamctl node uninstall`: in an order in which no runtime starts a pod that can get no address.

use std::fs;
use std::path::{Path, PathBuf};

use gingham_net::node_routes;
use gingham_network::network::Network;
use gingham_network::published::{is_published_file, staging};
use gingham_network::stale_leases::{self, AddsPaused};

use super::error::{NodeError, file};
use super::program::Directory;
use super::{PROGRAMS, kernel};
use crate::cli::UninstallArguments;
use crate::confirmation::confirm;
use crate::holdings::Holdings;
use crate::lease_store;
use crate::network::{Plugins, find_gingham, list};
use crate::output::{Output, print_error};

/// Gingham's configurations on this node.
#[derive(Default)]
struct Configured {
    networks: Vec<Network>,
    published: Vec<PathBuf>,
    foreign: Vec<PathBuf>,
    /// Kept until the kernel's state is gone, so that a command that was killed can be run again.
    staged: Vec<PathBuf>,
}

pub(super) fn run(arguments: &UninstallArguments, library: &Path, out: &mut Output) -> Result<(), NodeError> {
    if node_routes::is_agent_running(&arguments.data_dir) {
        return Err(NodeError::AgentRuns);
    }
    confirm("Remove Gingham from this node?", &arguments.confirmed, false, out)?;
    // Held to the end: a pod of an ADD under way would lose the network that it is just getting.
    let _paused = AddsPaused::wait(&arguments.data_dir, || print_error("waiting for ADDs under way"))?;
    let configured = configured(arguments, library)?;
    if !arguments.force {
        require_unused(arguments, &configured)?;
    }
    for path in &configured.published {
        remove(path, out)?;
    }
    for network in &configured.networks {
        let removed = kernel::remove(network)?;
        if !removed.is_empty() {
            writeln!(out, "network {}: removed {}", network.name(), removed.join(", "))?;
        }
    }
    for path in &configured.staged {
        remove(path, out)?;
    }
    remove_programs(arguments, out)?;
    Ok(writeln!(out, "leases and policies stay in {}", arguments.data_dir.display())?)
}

fn require_unused(arguments: &UninstallArguments, configured: &Configured) -> Result<(), NodeError> {
    let count = in_use(&arguments.data_dir)?;
    if count > 0 {
        return Err(NodeError::InUse { count });
    }
    match configured.foreign.first() {
        None => Ok(()),
        Some(path) => Err(NodeError::ForeignConfiguration { path: path.clone() }),
    }
}

fn configured(arguments: &UninstallArguments, library: &Path) -> Result<Configured, NodeError> {
    let (plugins, staging) = (Plugins::of_environment(), staging(&arguments.data_dir));
    let mut configured = Configured::default();
    for entry in list(&arguments.config_dir)?.into_iter().chain(list(&staging)?) {
        // A broken file names no network; the agent writes none.
        let Ok(configuration) = entry.configuration else { continue };
        let Some((_, network)) = find_gingham(&configuration, &plugins, library, false) else { continue };
        if entry.path.starts_with(&staging) {
            configured.staged.push(entry.path);
        } else if is_published_file(&entry.path) {
            configured.published.push(entry.path);
        } else {
            configured.foreign.push(entry.path);
        }
        match network {
            Ok(network) if configured.networks.iter().any(|known| known.name() == network.name()) => {}
            Ok(network) => configured.networks.push(network),
            Err(source) => return Err(NodeError::Network { network: configuration.name, source }),
        }
    }
    Ok(configured)
}

/// Attachments of this boot whose container may live, and addresses that people hold.
fn in_use(data_dir: &Path) -> Result<usize, NodeError> {
    let holdings = Holdings::read(data_dir, None)?;
    let boot = lease_store::boot_id()?;
    if holdings.boot != boot {
        return Ok(0);
    }
    let held: Vec<_> = holdings.attachments.into_iter().filter(|held| !held.key.is_nodes_own()).collect();
    let count = held.len();
    let (gone, _) = stale_leases::find(held);
    Ok(count - gone.len())
}

fn remove_programs(arguments: &UninstallArguments, out: &mut Output) -> Result<(), NodeError> {
    let path = arguments.host.directory(&arguments.host.bin_dir);
    if !path.is_dir() {
        return Ok(());
    }
    let directory = Directory::lock(&path)?;
    for name in PROGRAMS {
        for removed in directory.uninstall(name)? {
            writeln!(out, "removed {}", removed.display())?;
        }
    }
    Ok(())
}

fn remove(path: &Path, out: &mut Output) -> Result<(), NodeError> {
    fs::remove_file(path).map_err(file("remove", path))?;
    Ok(writeln!(out, "removed {}", path.display())?)
}
