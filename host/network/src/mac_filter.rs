//! The network's MAC filters (`macspoofchk`): one for each container's port. A filter is there before the container can
//! send, and goes after the port.

use gingham_cni::config::NetworkName;
use gingham_cni::env::Attachment;
use gingham_net::Mac;
use gingham_net::mac_filter::{self, MacFilter, MacFilterError};

use crate::error::NetworkError;
use crate::plan::HostEnd;

/// That of an attachment's port.
pub fn of<'a>(host_end: &'a HostEnd, sender: Mac, attachment: &'a Attachment) -> MacFilter<'a> {
    MacFilter { port: host_end.name.as_str(), sender, owner: attachment.container.as_str() }
}

pub fn ensure(network: &NetworkName, filter: &MacFilter<'_>) -> Result<(), NetworkError> {
    mac_filter::ensure(&mut mac_filter::open(network.as_str())?, network.as_str(), filter)?;
    tracing::debug!(port = filter.port, sender = %filter.sender, "MAC filter installed");
    Ok(())
}

pub fn is_installed(network: &NetworkName, filter: &MacFilter<'_>) -> Result<bool, NetworkError> {
    Ok(mac_filter::is_installed(&mut mac_filter::open(network.as_str())?, network.as_str(), filter)?)
}

/// A filter that is not there is no error.
pub fn remove(network: &NetworkName, host_end: &HostEnd) -> Result<(), NetworkError> {
    remove_of(network, |port| port == host_end.name.as_str())
}

/// Removes the filters of all ports but those of `valid`. Rules that an administrator has put beside them stay.
pub fn remove_stale(network: &NetworkName, valid: impl Fn(&str) -> bool) -> Result<(), NetworkError> {
    remove_of(network, |port| HostEnd::is_name_of_one(port) && !valid(port))
}

/// Removes the filters of the ports for which `is_meant` holds.
pub fn remove_of(network: &NetworkName, is_meant: impl Fn(&str) -> bool) -> Result<(), NetworkError> {
    let mut kernel = match mac_filter::open(network.as_str()) {
        Ok(kernel) => kernel,
        // Without rulesets there is no filter.
        Err(MacFilterError::KernelLacks { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match mac_filter::remove(&mut kernel, network.as_str(), is_meant) {
        // Too long a name for a table's: it has no filters.
        Err(MacFilterError::NetworkName { .. }) => Ok(()),
        done => Ok(done?),
    }
}

/// Removes the filter that the reference plugin installed for an attachment which was its own: a network whose
/// configuration changed its `type` keeps its containers.
pub fn remove_inherited(network: &NetworkName, attachment: &Attachment) -> Result<(), NetworkError> {
    let (container, interface) = (attachment.container.as_str(), attachment.interface.as_str());
    let mut kernel = mac_filter::open(network.as_str())?;
    Ok(mac_filter::remove_reference(&mut kernel, network.as_str(), container, interface)?)
}
