//! `ginghamctl allocate` and `ginghamctl release`: addresses for those who are no containers.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use gingham_engine::attachment::AttachmentKey;
use gingham_network::error::NetworkError;
use gingham_network::network::Network;
use serde::Serialize;

use crate::cli::{AllocateArguments, ConfigDir, Format, ReleaseArguments};
use crate::network::{ConfigDirError, GinghamPluginError, find, read_network};
use crate::output::Output;

/// Why an address was not given or taken back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AllocateError {
    #[error(transparent)]
    ConfigDir(#[from] ConfigDirError),
    #[error(transparent)]
    GinghamPlugin(#[from] GinghamPluginError),
    #[error("network {network}: {source}")]
    Network { network: String, source: NetworkError },
    #[error("network {network} has no policy, so no address can be allocated here")]
    NoPolicy { network: String },
    #[error("{owner:?} holds {held} and not {wanted}; release it first")]
    OtherAddress { owner: String, held: String, wanted: IpAddr },
    #[error("--owner: {owner:?} must begin with a letter or digit and hold only letters, digits, `_`, `.` and `-`")]
    BadOwner { owner: String },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
struct AllocateReport<'a> {
    network: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation: Option<&'a str>,
    addresses: Vec<IpAddr>,
    /// Those whose reservation ended, and that an attachment holds all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    leased: Vec<Leased>,
}

#[derive(Serialize)]
struct Leased {
    address: IpAddr,
    container: String,
    interface: String,
}

/// The lease is kept under a name that no container can have, so no runtime's GC takes it for one of its own.
fn key(owner: &str) -> Result<AttachmentKey, AllocateError> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !owner.bytes().all(is_good) || !owner.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric()) {
        return Err(AllocateError::BadOwner { owner: owner.to_owned() });
    }
    Ok(AttachmentKey { container_id: format!("owner/{owner}"), interface: "eth0".to_owned() })
}

pub(crate) fn allocate(arguments: &AllocateArguments, library: &Path, out: &mut Output) -> Result<(), AllocateError> {
    let key = key(&arguments.owner.owner)?;
    let network = network(&arguments.owner.network, &arguments.owner.config, library)?;
    let fault = |source| AllocateError::Network { network: network.name().to_owned(), source };
    let no_policy = || AllocateError::NoPolicy { network: network.name().to_owned() };
    let addresses = network.addresses().map_err(fault)?.ok_or_else(no_policy)?;
    tracing::debug!(container = key.container_id, "look for the owner's addresses");
    let held = addresses.held_by(&key).map_err(fault)?;
    let given = if held.is_empty() {
        let given = addresses.allocate(&key, &arguments.address).map_err(fault)?;
        given.into_iter().map(|net| net.addr()).collect()
    } else {
        // Said again, so that a script can be started again.
        if let Some(wanted) = arguments.address.iter().find(|wanted| !held.contains(wanted)) {
            let held = held.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(AllocateError::OtherAddress { owner: arguments.owner.owner.clone(), held, wanted: *wanted });
        }
        held
    };
    let owner = Some(arguments.owner.owner.as_str());
    let report =
        AllocateReport { network: network.name(), owner, reservation: None, addresses: given, leased: Vec::new() };
    print(&report, &arguments.owner.format, out)
}

pub(crate) fn release(arguments: &ReleaseArguments, library: &Path, out: &mut Output) -> Result<(), AllocateError> {
    let key = arguments.owner.as_deref().map(key).transpose()?;
    let network = network(&arguments.network, &arguments.config, library)?;
    let fault = |source| AllocateError::Network { network: network.name().to_owned(), source };
    let (owner, reservation) = (arguments.owner.as_deref(), arguments.reservation.as_deref());
    let (mut addresses, mut leased) = (Vec::new(), Vec::new());
    if let Some(key) = &key {
        addresses = network.release(key).map_err(fault)?;
    } else if let Some(reservation) = reservation {
        for (address, holder) in network.end_reservations(reservation).map_err(fault)? {
            addresses.push(address);
            leased.extend(holder.map(|AttachmentKey { container_id, interface }| Leased {
                address,
                container: container_id,
                interface,
            }));
        }
    }
    print(&AllocateReport { network: network.name(), owner, reservation, addresses, leased }, &arguments.format, out)
}

fn network(name: &str, config: &ConfigDir, library: &Path) -> Result<Network, AllocateError> {
    let configuration = find(name, &config.dir)?;
    Ok(read_network(&configuration, library)?)
}

fn print(report: &AllocateReport<'_>, format: &Format, out: &mut Output) -> Result<(), AllocateError> {
    if format.json {
        return Ok(out.json(report)?);
    }
    for address in &report.addresses {
        match report.leased.iter().find(|leased| leased.address == *address) {
            Some(Leased { container, interface, .. }) => {
                writeln!(out, "{address} is still leased to interface {interface} of container {container}")?;
            }
            None => writeln!(out, "{address}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_named_like_containers_and_are_none() {
        assert_eq!(key("web-1").unwrap().container_id, "owner/web-1");
        assert!(!key("web-1").unwrap().is_of_container());
        for bad in ["", "-x", "a/b", "a b", "ä"] {
            assert!(key(bad).unwrap_err().to_string().starts_with("--owner: "), "{bad}");
        }
    }
}
