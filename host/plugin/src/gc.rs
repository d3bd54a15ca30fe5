//! GC: everything goes that belongs to no container the runtime knows.

use std::collections::HashSet;

use gingham_engine::attachment::AttachmentKey;

use crate::call::Call;
use crate::cni::attachments::{self, ValidAttachment};
use crate::cni::bridge::BridgeConfig;
use crate::cni::error::CniError;
use crate::cni::version::SpecVersion;
use crate::guards;
use crate::ipam::AddressManagement;
use crate::links;
use crate::nat;
use crate::plan::{AddressSource, HostEnd, Role};

/// Serves GC. Goes on after errors and reports them together.
pub(crate) fn gc(call: &Call) -> Result<(), CniError> {
    call.config.version_for("GC", SpecVersion::V1_1_0)?;
    // The one key that must be right: a list that was misread would take living containers away.
    let valid = attachments::read(&call.config.object)?;
    let role = call.role()?;
    let mut unguarded = Ok(());
    if role == Role::Main {
        // An address is not freed while an interface may still have it.
        let valid = host_ends(call, &valid)?;
        let errors = links::delete_stale(&call.config.name, &valid);
        CniError::join(errors).map_or(Ok(()), Err)?;
        unguarded = remove_stale_guards(call, &valid);
    }
    let errors = [unguarded.err(), forget_stale(call, &valid, role).err()];
    CniError::join(errors.into_iter().flatten()).map_or(Ok(()), Err)
}

fn remove_stale_guards(call: &Call, valid: &HashSet<String>) -> Result<(), CniError> {
    if !BridgeConfig::asks_for_guard(&call.config.object) {
        return Ok(());
    }
    guards::remove_stale(&call.config.name, |port| valid.contains(port))
}

fn host_ends(call: &Call, valid: &[ValidAttachment]) -> Result<HashSet<String>, CniError> {
    let name = |valid: &ValidAttachment| {
        let end = HostEnd::named(&call.config.name, &valid.container_id, &valid.ifname)?;
        Ok(end.name.as_str().to_owned())
    };
    valid.iter().map(name).collect()
}

fn forget_stale(call: &Call, valid: &[ValidAttachment], role: Role) -> Result<(), CniError> {
    let management = AddressManagement::of_tolerant(call)?;
    let records = management.records()?;
    if let AddressSource::Delegate(plugin) = &management.source {
        // It has the same list. Our records stay until it has done its part.
        call.delegate(plugin).pass_on("GC")?;
    }
    let valid: HashSet<(&str, &str)> =
        valid.iter().map(|valid| (valid.container_id.as_str(), valid.ifname.as_str())).collect();
    let is_stale = |key: &AttachmentKey| {
        // Adopted from a reference that wrote down no interface, it is its container's alone.
        let by_container =
            key.interface.is_empty() && valid.iter().any(|(container, _)| *container == key.container_id);
        let is_valid = valid.contains(&(key.container_id.as_str(), key.interface.as_str())) || by_container;
        // What no runtime knows of, none can call stale.
        key.is_of_container() && !is_valid
    };
    let stale: Vec<AttachmentKey> = records.attachments()?.into_iter().filter(is_stale).collect();
    let forget = || management.forget(&stale, &records);
    if role == Role::Main && BridgeConfig::asks_for_masquerade(&call.config.object) {
        nat::leave(&call.config.name, &records, forget)
    } else {
        forget()
    }
}
