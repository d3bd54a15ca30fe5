//! Which machine this is, and where other nodes reach it.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use gingham_engine::settings::membership::{ClusterSettings, StoreSettings, is_node_name};
use gingham_engine::settings::routing::Routing;
use gingham_net::netlink::{Route, Socket};
use gingham_net::{address, route};
use gingham_ownership::join::Identity;
use gingham_untrusted::file::read_text;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::{Fault, settings};

const MACHINE_ID: &str = "/etc/machine-id";
const PRODUCT_UUID: &str = "/sys/class/dmi/id/product_uuid";

/// In the data directory: the name of this node's Node object, as the agent knows it.
const NODE_NAME: &str = "node-name";

/// In bytes: a name has 253 at most.
const LONGEST_NAME: u64 = 1_024;

/// This node as Kubernetes knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThisNode {
    /// Of its Node object, which is not always the host name.
    pub name: String,
    pub uid: Option<String>,
}

/// This node's name: the configured one, the agent's, or the host's.
pub(crate) fn node_name(cluster: &ClusterSettings, data_dir: &Path) -> Result<String, Fault> {
    let of_agent = || match &cluster.store {
        StoreSettings::Kubernetes { .. } => read_text(&node_name_file(data_dir), LONGEST_NAME).ok(),
        _ => None,
    };
    let name = match cluster.node.clone().or_else(of_agent) {
        Some(name) => name.trim().to_owned(),
        None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
    };
    if is_node_name(&name) {
        return Ok(name);
    }
    Err(settings("cluster.node", format!("invalid host name {name:?} for a member: set cluster.node")))
}

/// Where the agent keeps the name of this node's Node object for the plugin. Without it the plugin goes by the host's.
pub fn node_name_file(data_dir: &Path) -> PathBuf {
    data_dir.join(NODE_NAME)
}

/// What this node registers itself with.
pub(crate) fn identity(
    cluster: &ClusterSettings,
    routing: Routing,
    boot: &str,
    mac: Option<String>,
) -> Result<Identity, Fault> {
    let address = node_address(cluster, routing)?;
    Ok(Identity { machine: machine()?, boot: boot.to_owned(), address, mac, node_uid: None })
}

/// Whether [`identity`] would succeed.
pub(crate) fn require_identity(cluster: &ClusterSettings, routing: Routing) -> Result<(), Fault> {
    machine()?;
    node_address(cluster, routing).map(drop)
}

/// In bytes: far more than an id.
const LONGEST_ID: u64 = 4_096;

/// The machine's id, and the firmware's, which tells apart machines that were copied with their disks.
fn machine() -> Result<String, Fault> {
    let read = |path: &Path| read_text(path, LONGEST_ID).map(|text| text.trim().to_owned()).map_err(io::Error::from);
    let path = PathBuf::from(MACHINE_ID);
    let id = match read(&path) {
        Ok(id) if !id.is_empty() => id,
        Ok(_) => {
            let source = io::Error::other("it is empty; run systemd-machine-id-setup");
            return Err(Fault::Identity { path, source });
        }
        Err(source) => return Err(Fault::Identity { path, source }),
    };
    // Not all machines have one, and only root may read it.
    Ok(match read(Path::new(PRODUCT_UUID)) {
        Ok(uuid) if !uuid.is_empty() => format!("{id}+{uuid}"),
        _ => id,
    })
}

/// Where other nodes reach this one; none if that is not known and not needed.
pub(crate) fn node_address(cluster: &ClusterSettings, routing: Routing) -> Result<Option<IpAddr>, Fault> {
    let mut kernel = Socket::<Route>::open()?;
    if let Some(configured) = cluster.address {
        if address::is_local(&mut kernel, configured)? {
            return Ok(Some(configured));
        }
        let text = format!("this machine does not have the address {configured}: correct it, or remove the key");
        return Err(settings("cluster.address", text));
    }
    match route::default_source(&mut kernel)? {
        None if routing != Routing::None => Err(settings(
            "cluster.address",
            "is missing, and there is no default route to take it from: set the address at which other nodes reach this \
             one",
        )),
        found => Ok(found),
    }
}

/// A random id for a new local store.
pub(crate) fn new_disk_id() -> Result<String, Fault> {
    use std::fmt::Write as _;
    let mut bytes = [0; 16];
    getrandom(&mut bytes, GetRandomFlags::empty()).map_err(|errno| Fault::Random(errno.into()))?;
    let mut id = String::with_capacity(32);
    for byte in bytes {
        // Writing to a text cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    Ok(id)
}
