//! DEL: a container leaves the network.
//!
//! Needs neither the namespace, the bridge, the policy nor a valid rest of the configuration. Every step is tried, and
//! what fails is reported together. Only one step waits for another: an address is not freed while an interface may
//! still have it.

use std::path::Path;

use gingham_cni::env::Attachment;
use gingham_net::netns::{NetNs, NetnsError};
use gingham_network::address_management::AddressManagement;
use gingham_network::allocation::key_of;
use gingham_network::call::Call;
use gingham_network::error::NetworkError;
use gingham_network::failpoint;
use gingham_network::log;
use gingham_network::mac_filter;
use gingham_network::nat;
use gingham_network::plan::{AddressSource, HostEnd, Role};
use gingham_network::records::End;
use gingham_network::sandbox;

use crate::earlier_attachments;
use crate::links;

pub(crate) fn del(call: &Call, attachment: &Attachment, netns: Option<&Path>) -> Result<(), NetworkError> {
    let role = call.role()?;
    let mut errors = Vec::new();
    let mut unlinked = false;
    if role == Role::Main {
        // The link first, and nothing after it if that fails.
        let host_end = HostEnd::of(&call.config.name, attachment)?;
        let there = links::delete(&host_end)?;
        unlinked = there;
        failpoint::reach("del.unlinked")?;
        tracing::debug!(host = host_end.name.as_str(), found = there, "link deleted");
        if !there {
            errors.extend(netns.and_then(|netns| unlink_inherited(call, attachment, netns).err()));
        }
        if !there && call.bridge.ip_masq {
            errors.extend(nat::remove_inherited(&call.config.name, attachment).err());
        }
        // Whatever the configuration says now: it may have had macspoofchk at ADD.
        errors.extend(mac_filter::remove(&call.config.name, &host_end).err());
        if call.bridge.mac_filter {
            errors.extend(mac_filter::remove_inherited(&call.config.name, attachment).err());
        }
        failpoint::reach("del.unfiltered")?;
        tracing::debug!("MAC filter removed");
    }
    errors.extend(forget(call, attachment, role, unlinked).err());
    tracing::debug!(errors = errors.len(), "DEL done");
    NetworkError::join(errors).map_or(Ok(()), Err)
}

/// No link of ours: perhaps one that another plugin made.
fn unlink_inherited(call: &Call, attachment: &Attachment, netns: &Path) -> Result<(), NetworkError> {
    let container = match NetNs::open(netns) {
        Ok(container) => container,
        Err(NetnsError::Missing { .. }) => return Ok(()),
        // After a reboot an ordinary file may be where the namespace was mounted.
        Err(error @ NetnsError::NotANamespace { .. }) => {
            log::warn(error);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    sandbox::refuse_own(call, &container)?;
    links::delete_inherited(&container, attachment.interface.as_str(), &call.bridge.name)
}

/// The masquerade, the addresses and the record.
fn forget(call: &Call, attachment: &Attachment, role: Role, unlinked: bool) -> Result<(), NetworkError> {
    let management = AddressManagement::of_tolerant(call)?;
    let records = management.records()?;
    let key = key_of(attachment);
    if let AddressSource::Delegate(plugin) = &management.source {
        // A damaged store leaves it open.
        let is_recorded = !matches!(records.attachment(&key), Ok(None));
        match management.take_back(plugin) {
            // As long as the other plugin has not taken its addresses back, the record stays, and another DEL tries again.
            Err(error) if is_recorded => return Err(error),
            // Its ADD never succeeded, or an earlier DEL did: there is nothing that a runtime should try again for.
            Err(error) => log::warn(format!(
                "IPAM plugin {plugin}: its DEL failed, which changes nothing, because interface {} of container {} is \
                 not attached: {}",
                attachment.interface, attachment.container, error.msg
            )),
            Ok(()) => {}
        }
        failpoint::reach("del.delegated")?;
    }
    let forget = || management.forget(&[&key], &End::Used, &records);
    if role == Role::Main {
        // Looked at only where there is a doubt: a link of this network's name has a record of this name.
        let is_unknown = !unlinked && matches!(records.attachment(&key), Ok(None));
        nat::leave(&call.config.name, &records, &[&key], call.bridge.ip_masq, forget)?;
        if is_unknown {
            earlier_attachments::end_renamed(call, &key, &records)?;
        }
    } else {
        // An IPAM plugin may run where it sees no namespaces: it cannot know which attachments of other names are stale.
        forget()?;
    }
    failpoint::reach("del.done")
}
