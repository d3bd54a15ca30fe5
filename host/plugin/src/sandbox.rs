//! The container's network namespace, which must not be the plugin's own.

use std::path::Path;

use gingham_net::netns::{NetNs, NetnsError};

use crate::call::Call;
use crate::cni::error::{CniError, Code};

/// Opens the container's namespace, unless it is the plugin's own: the container's interface and routes would become
/// the node's.
pub(crate) fn open(call: &Call, netns: &Path) -> Result<NetNs, CniError> {
    let namespace = NetNs::open(netns)?;
    refuse_own(call, &namespace)?;
    Ok(namespace)
}

/// Refuses the plugin's own namespace, and has nothing against a path that leads nowhere: for the role that does not
/// enter namespaces.
pub(crate) fn refuse_own_path(call: &Call, netns: &Path) -> Result<(), CniError> {
    NetNs::open(netns).map_or(Ok(()), |namespace| refuse_own(call, &namespace))
}

/// Refuses the plugin's own namespace.
pub(crate) fn refuse_own(call: &Call, namespace: &NetNs) -> Result<(), CniError> {
    if call.netns_override || !is_own(namespace)? {
        return Ok(());
    }
    Err(CniError::new(Code::NETNS, "plugin's netns and netns from CNI_NETNS should not be the same")
        .and("CNI_NETNS_OVERRIDE=1 allows it"))
}

fn is_own(namespace: &NetNs) -> Result<bool, NetnsError> {
    namespace.same_as(&NetNs::current()?)
}
