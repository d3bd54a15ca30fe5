//! Earlier attachments whose containers are gone, and that stand in the way of an ADD or concern a DEL. In doubt a container is
//! alive.
//!
//! An ADD shares the lock of attachments. To free others' leases it lets go of it and takes it alone, without a long wait:
//! no ADD is under way then, so none loses its lease.

use std::path::Path;
use std::time::{Duration, Instant};

use gingham_cni::config::NetworkName;
use gingham_engine::attachment::AttachmentKey;
use gingham_network::address_management::AddressManagement;
use gingham_network::call::Call;
use gingham_network::error::NetworkError;
use gingham_network::holdings::{Held, Holdings};
use gingham_network::log;
use gingham_network::mac_filter;
use gingham_network::nat;
use gingham_network::plan::{AddressSource, HostEnd, Role};
use gingham_network::records::{End, Records};
use gingham_network::sandbox;
use gingham_network::stale_leases::{self, AddsPaused, LINKS_TIMEOUT, Liveness};

use crate::links;

/// How long an ADD without an address waits until no other ADD is under way.
const ALONE_TIMEOUT: Duration = Duration::from_secs(1);
const ALONE_POLL: Duration = Duration::from_millis(10);

/// Ends the attachment of this key if its sandbox is gone: a runtime starts a container with the id it had before its node
/// restarted. Returns whether it was so. The caller is an ADD under way.
pub(crate) fn end_predecessor(
    call: &Call,
    key: &AttachmentKey,
    netns: &Path,
    role: Role,
    management: &AddressManagement<'_>,
    records: &Records<'_>,
) -> Result<bool, NetworkError> {
    // Of two ADDs for one key the second finds the record of the first, not the dead one.
    let lock = records.lock_nat()?;
    let Some(held) = records.held(key)? else { return Ok(false) };
    let Liveness::Gone(why) = Liveness::of(&held) else { return Ok(false) };
    if role == Role::Ipam && !is_in_another(&held, netns) || role == Role::Main && is_linked(&held)? {
        return Ok(false);
    }
    if role == Role::Main {
        let host_end = HostEnd::named(&call.config.name, &key.container_id, &key.interface)?;
        links::delete(&host_end)?;
        mac_filter::remove(&call.config.name, &host_end)?;
    }
    if let AddressSource::Delegate(plugin) = &management.source {
        management.take_back(plugin)?;
    }
    let forget = || management.forget(&[key], &End::Used, records);
    if role == Role::Main {
        nat::leave_locked(&call.config.name, records, &[key], true, lock.as_ref(), forget)
    } else {
        forget()
    }?;
    log::warn(format!(
        "network {}: the earlier attachment of container {}, interface {}, is replaced: {why}",
        call.config.name, key.container_id, key.interface
    ));
    Ok(true)
}

/// An IPAM plugin enters no namespace, and may be run where none is seen: that nothing is at the recorded path proves
/// nothing there. That the container has another namespace now does.
fn is_in_another(held: &Held, netns: &Path) -> bool {
    let now = sandbox::identify(netns);
    held.record.sandbox.as_ref().zip(now.as_ref()).is_some_and(|(recorded, now)| recorded.differs_from(now))
}

/// Whether an interface of this attachment is still on the node: something may live in a namespace that lost its name.
fn is_linked(held: &Held) -> Result<bool, NetworkError> {
    Ok(!stale_leases::take_linked(&mut vec![(held.clone(), String::new())], LINKS_TIMEOUT)?.is_empty())
}

/// Frees the leases of this network, and of others on its link, whose containers are gone: no two networks on one link hand out
/// the same address. Returns whether addresses may be free now that were not: this call freed some, or it waited for another one
/// that did. The caller must not hold the lock of attachments.
pub(crate) fn free_all(network: &NetworkName, records: &Records<'_>, role: Role) -> Result<bool, NetworkError> {
    if role == Role::Ipam {
        // It may not see the others' namespaces, and the main plugin may be ours and hold the lock.
        return Ok(false);
    }
    let directory = records.directory();
    let (Some(alone), has_waited) = alone_within(directory)? else { return Ok(true) };
    let mut holdings = Holdings::read(directory, None)?;
    if holdings.boot != records.boot() {
        return Ok(false);
    }
    let is_on_link = |held: &Held| records.link().is_some() && held.record.link.as_deref() == records.link();
    holdings.attachments.retain(|held| held.network == network.as_str() || is_on_link(held));
    let (mut gone, _) = stale_leases::find(holdings.attachments);
    stale_leases::take_linked(&mut gone, LINKS_TIMEOUT)?;
    let freed = stale_leases::free(&alone, directory, records.boot(), &gone, records.now())?;
    for (held, why) in &freed.attachments {
        log::warn(format!(
            "network {}: the lease of container {}, interface {}, is freed: {why}",
            held.network, held.key.container_id, held.key.interface
        ));
    }
    freed.files_left.iter().for_each(log::warn);
    freed.mac_filters_left.iter().for_each(log::warn);
    freed.masquerade_left.iter().for_each(log::warn);
    Ok(has_waited || !freed.attachments.is_empty())
}

/// The lock, if the others end in time, and whether there were others.
fn alone_within(directory: &Path) -> Result<(Option<AddsPaused>, bool), NetworkError> {
    let deadline = Instant::now() + ALONE_TIMEOUT;
    let mut has_waited = false;
    loop {
        match AddsPaused::try_now(directory)? {
            None if Instant::now() < deadline => std::thread::sleep(ALONE_POLL),
            alone => return Ok((alone, has_waited)),
        }
        has_waited = true;
    }
}

/// Ends an attachment that is recorded under another network's name: the configuration got a new name while the container
/// ran. A living sandbox keeps it. Its runtime may as well clean up after the ADD of a second network, which failed because the
/// interface was there; the two look the same.
pub(crate) fn end_renamed(call: &Call, key: &AttachmentKey, records: &Records<'_>) -> Result<(), NetworkError> {
    // Nothing is recorded in what is not a directory, which `forget` has reported.
    if !records.directory().is_dir() {
        return Ok(());
    }
    for held in Holdings::read(records.directory(), None)?.attachments {
        let is_of_another_network = held.network != call.config.name.as_str() && held.key == *key;
        if is_of_another_network
            && held.record.boot == records.boot()
            && matches!(Liveness::of(&held), Liveness::Gone(_))
            && !is_linked(&held)?
        {
            end_in(&held, records)?;
        }
    }
    Ok(())
}

fn end_in(held: &Held, records: &Records<'_>) -> Result<(), NetworkError> {
    let name = NetworkName::new(&held.network)?;
    let AttachmentKey { container_id, interface } = &held.key;
    mac_filter::remove(&name, &HostEnd::named(&name, container_id, interface)?)?;
    let of_name = Records::of(&name, records.directory(), None)?;
    nat::leave(&name, &of_name, &[&held.key], true, || Ok(of_name.forget(&[&held.key], &End::Used, None)?))?;
    log::warn(format!(
        "container {container_id}, interface {interface}, was attached to network {}, which this configuration replaces: \
         its lease there is freed",
        held.network
    ));
    Ok(())
}
