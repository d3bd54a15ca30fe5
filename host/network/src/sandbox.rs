//! The container's network namespace, which must not be the plugin's own.

use std::collections::HashSet;
use std::fs::DirEntry;
use std::path::Path;

use gingham_cni::error::Code;
use gingham_engine::ledger::Sandbox;
use gingham_net::netns::{NetNs, NetnsError};

use crate::call::Call;
use crate::error::NetworkError;

/// Opens the container's namespace, unless it is the plugin's own: the container's interface and routes would become
/// the node's.
pub fn open(call: &Call, netns: &Path) -> Result<NetNs, NetworkError> {
    let namespace = NetNs::open(netns)?;
    refuse_own(call, &namespace)?;
    Ok(namespace)
}

/// Refuses the plugin's own namespace, and has nothing against a path that leads nowhere: for the role that does not
/// enter namespaces.
pub fn refuse_own_path(call: &Call, netns: &Path) -> Result<(), NetworkError> {
    NetNs::open(netns).map_or(Ok(()), |namespace| refuse_own(call, &namespace))
}

/// Refuses the plugin's own namespace.
pub fn refuse_own(call: &Call, namespace: &NetNs) -> Result<(), NetworkError> {
    if call.netns_override || !is_own(namespace)? {
        return Ok(());
    }
    Err(NetworkError::new(Code::NETNS, "plugin's netns and netns from CNI_NETNS should not be the same")
        .and("set CNI_NETNS_OVERRIDE=1 to allow it"))
}

/// What the namespace at a path is known by; none where it cannot be found out.
pub fn identify(netns: &Path) -> Option<Sandbox> {
    if netns.as_os_str().is_empty() {
        return None;
    }
    let namespace = NetNs::open(netns).ok()?;
    let id = namespace.id().ok()?;
    // Where it may not be entered, device and inode must do.
    let cookie = namespace.cookie().unwrap_or_default();
    Some(Sandbox { device: id.device, inode: id.inode, cookie })
}

/// Whether a namespace is certainly another than the recorded one. It is entered only if its inode leaves a doubt.
pub fn is_another(namespace: &NetNs, recorded: &Sandbox) -> bool {
    let Ok(id) = namespace.id() else { return false };
    if (id.device, id.inode) != (recorded.device, recorded.inode) {
        return true;
    }
    let Some(cookie) = recorded.cookie else { return false };
    namespace.cookie().is_ok_and(|now| now.is_some_and(|now| now != cookie))
}

/// Those of the recorded namespaces that a process of this node is in. Processes that may not be looked at do not count.
pub fn with_process(recorded: &[Sandbox]) -> Vec<Sandbox> {
    let is_process = |entry: &DirEntry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let (mut seen, mut inhabited) = (HashSet::new(), Vec::new());
    if recorded.is_empty() {
        return inhabited;
    }
    let Ok(entries) = std::fs::read_dir("/proc") else { return inhabited };
    for process in entries.flatten().filter(is_process) {
        let Ok(namespace) = NetNs::open(process.path().join("ns/net")) else { continue };
        let Ok(id) = namespace.id() else { continue };
        // Most processes share a few namespaces, and to compare one may mean to enter it.
        if seen.insert((id.device, id.inode)) {
            let of_inode = recorded.iter().filter(|one| (one.device, one.inode) == (id.device, id.inode));
            inhabited.extend(of_inode.filter(|one| !is_another(&namespace, one)));
        }
    }
    inhabited
}

fn is_own(namespace: &NetNs) -> Result<bool, NetnsError> {
    namespace.same_as(&NetNs::current()?)
}
