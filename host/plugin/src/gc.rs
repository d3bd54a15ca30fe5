//! GC: everything goes that belongs to no container the runtime knows.

use std::collections::HashSet;

use gingham_cni::attachments::{self, ValidAttachment};
use gingham_cni::version::SpecVersion;
use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::AttachmentRecord;
use gingham_network::address_management::AddressManagement;
use gingham_network::call::Call;
use gingham_network::error::NetworkError;
use gingham_network::failpoint;
use gingham_network::holdings::Held;
use gingham_network::log;
use gingham_network::mac_filter;
use gingham_network::nat;
use gingham_network::plan::{AddressSource, HostEnd, Role};
use gingham_network::records::{End, Records};
use gingham_network::stale_leases::{self, LINKS_TIMEOUT};

use crate::links;

/// The kernel takes some 20 ms for each link, and ADDs wait 4 s.
const UNLINKED_AT_ONCE: usize = 64;

/// Serves GC. Goes on after errors and reports them together.
///
/// The runtime promises to make no ADD meanwhile. If it does all the same, nothing worse comes of it than what its list
/// says: GC waits for ADDs under way, so no address is freed that is about to be used, and what is recorded after GC has
/// begun stays, because the list cannot know it.
pub(crate) fn gc(call: &Call) -> Result<(), NetworkError> {
    call.config.version_for("GC", SpecVersion::V1_1_0)?;
    // The one key that must be right: a list that was misread would take living containers away.
    let list = attachments::read(&call.config.object)?;
    let valid = list.clone().unwrap_or_default();
    let role = call.role()?;
    let management = AddressManagement::of_tolerant(call)?;
    let records = management.records()?;
    let known = records.attachments()?;
    failpoint::reach("gc.begun")?;
    if role == Role::Main && list.is_some() {
        while unlink_some(call, &records, &known, &valid)? {}
    }
    // As IPAM plugin it makes no links, and the main plugin may be ours and have the lock.
    let _without_adds = (role == Role::Main).then(|| records.keep_adds_out()).transpose()?;
    let recorded = records.attachments()?;
    let alive = if list.is_none() { alive(call, role, &recorded)? } else { HashSet::new() };
    let (stale, staying) = divide(&known, recorded, &valid, &alive);
    let mut unfiltered = Ok(());
    if role == Role::Main {
        // An address is not freed while an interface may still have it.
        let staying = host_ends(call, &valid, &staying)?;
        let mut errors = unlink(call, &stale, &staying);
        if list.is_some() {
            errors.extend(links::delete_stale(&call.config.name, &staying));
        }
        NetworkError::join(errors).map_or(Ok(()), Err)?;
        unfiltered = remove_stale_mac_filters(call, &staying);
    }
    let errors = [unfiltered.err(), forget(call, role, &management, &records, &stale).err()];
    NetworkError::join(errors.into_iter().flatten()).map_or(Ok(()), Err)
}

/// Where there are many links to delete, deletes some of them and returns true. ADDs pass between two calls, so the rest is
/// looked up again.
fn unlink_some(
    call: &Call,
    records: &Records<'_>,
    known: &[(AttachmentKey, AttachmentRecord)],
    valid: &[ValidAttachment],
) -> Result<bool, NetworkError> {
    if known.len() <= UNLINKED_AT_ONCE {
        return Ok(false);
    }
    let _without_adds = records.keep_adds_out()?;
    let (mut stale, staying) = divide(known, records.attachments()?, valid, &HashSet::new());
    let (staying, present) = (host_ends(call, valid, &staying)?, links::names()?);
    let is_linked = |key: &AttachmentKey| {
        let end = HostEnd::named(&call.config.name, &key.container_id, &key.interface);
        end.is_ok_and(|end| present.contains(end.name.as_str()) && !staying.contains(end.name.as_str()))
    };
    stale.retain(is_linked);
    let Some((some, [_, ..])) = stale.split_at_checked(UNLINKED_AT_ONCE) else { return Ok(false) };
    NetworkError::join(unlink(call, some, &staying)).map_or(Ok(true), Err)
}

/// By name: a link whose ADD was killed after its creation has no alias, which the kernel takes only later.
fn unlink(call: &Call, stale: &[AttachmentKey], staying: &HashSet<String>) -> Vec<NetworkError> {
    let unlink = |key: &AttachmentKey| {
        let host_end = HostEnd::named(&call.config.name, &key.container_id, &key.interface)?;
        if staying.contains(host_end.name.as_str()) { Ok(false) } else { links::delete(&host_end) }
    };
    let named = stale.iter().filter(|key| !key.interface.is_empty());
    named.filter_map(|key| unlink(key).err()).collect()
}

/// Whatever the configuration says now: they may be of a time when it had macspoofchk.
fn remove_stale_mac_filters(call: &Call, staying: &HashSet<String>) -> Result<(), NetworkError> {
    mac_filter::remove_stale(&call.config.name, |port| staying.contains(port))
}

fn forget(
    call: &Call,
    role: Role,
    management: &AddressManagement<'_>,
    records: &Records<'_>,
    stale: &[AttachmentKey],
) -> Result<(), NetworkError> {
    if let AddressSource::Delegate(plugin) = &management.source {
        // It has the same list. Our records stay until it has done its part.
        call.delegate(plugin).pass_on("GC")?;
    }
    let stale: Vec<&AttachmentKey> = stale.iter().collect();
    let forget = || management.forget(&stale, &End::Used, records);
    if role != Role::Main {
        return forget();
    }
    let (network, lock) = (&call.config.name, records.lock_nat()?);
    nat::leave_locked(network, records, &stale, call.bridge.ip_masq, lock.as_ref(), forget)?;
    // A ruleset that others flushed comes back.
    nat::settle_locked(network, records).map(drop)
}

/// The attachments that are not certainly dead. A runtime that hands over no list has named none of them as stale, and one
/// whose state was lost would take the addresses of running containers away.
fn alive(
    call: &Call,
    role: Role,
    recorded: &[(AttachmentKey, AttachmentRecord)],
) -> Result<HashSet<AttachmentKey>, NetworkError> {
    let network = call.config.name.as_str();
    let held = |(key, record): &(AttachmentKey, AttachmentRecord)| Held {
        network: network.to_owned(),
        key: key.clone(),
        record: record.clone(),
        adopted_from: Vec::new(),
    };
    let containers: Vec<Held> = recorded.iter().filter(|(key, _)| key.is_of_container()).map(held).collect();
    let mut alive: HashSet<AttachmentKey> = containers.iter().map(|held| held.key.clone()).collect();
    // An IPAM plugin may be run where it sees no namespaces.
    if role == Role::Main {
        let (mut gone, _) = stale_leases::find(containers);
        stale_leases::take_linked(&mut gone, LINKS_TIMEOUT)?;
        for (held, _) in &gone {
            alive.remove(&held.key);
        }
    }
    if !alive.is_empty() {
        log::warn(format!(
            "network {network}: cni.dev/valid-attachments is missing: attachments kept because their sandbox still exists: {}",
            alive.len()
        ));
    }
    Ok(alive)
}

/// What goes and what stays, of what is recorded. What was not known before is newer than the list.
fn divide(
    known: &[(AttachmentKey, AttachmentRecord)],
    recorded: Vec<(AttachmentKey, AttachmentRecord)>,
    valid: &[ValidAttachment],
    alive: &HashSet<AttachmentKey>,
) -> (Vec<AttachmentKey>, Vec<AttachmentKey>) {
    let valid: HashSet<(&str, &str)> =
        valid.iter().map(|valid| (valid.container_id.as_str(), valid.ifname.as_str())).collect();
    let known: HashSet<(&AttachmentKey, u64)> = known.iter().map(|(key, record)| (key, record.since)).collect();
    let is_stale = |(key, record): &(AttachmentKey, AttachmentRecord)| {
        // Adopted from a reference that wrote down no interface, it is its container's alone.
        let by_container =
            key.interface.is_empty() && valid.iter().any(|(container, _)| *container == key.container_id);
        let is_valid = valid.contains(&(key.container_id.as_str(), key.interface.as_str())) || by_container;
        // Other owners are unknown to every runtime.
        known.contains(&(key, record.since)) && key.is_of_container() && !is_valid && !alive.contains(key)
    };
    let (stale, staying): (Vec<_>, Vec<_>) = recorded.into_iter().partition(is_stale);
    let keys = |records: Vec<(AttachmentKey, AttachmentRecord)>| records.into_iter().map(|(key, _)| key).collect();
    (keys(stale), keys(staying))
}

/// The node's ends of the links that stay.
fn host_ends(
    call: &Call,
    valid: &[ValidAttachment],
    staying: &[AttachmentKey],
) -> Result<HashSet<String>, NetworkError> {
    let listed = valid.iter().map(|valid| (&valid.container_id, &valid.ifname));
    let recorded = staying.iter().map(|key| (&key.container_id, &key.interface));
    let name = |(container, interface): (&String, &String)| {
        Ok(HostEnd::named(&call.config.name, container, interface)?.name.as_str().to_owned())
    };
    listed.chain(recorded).map(name).collect()
}
