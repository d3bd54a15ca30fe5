//! What is masqueraded is what the records say: the addresses of those attachments whose ADD found `ipMasq` true.
//!
//! An ADD records first and masquerades then, one address beside the others, without a lock. What takes away, or
//! restores from the records, holds the masquerade's lock: an address is masqueraded no more before it is free, and none
//! is restored whose record is going.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::AttachmentRecord;
use gingham_engine::store::StoreError;
use gingham_net::masquerade::{self, MasqueradeError, Masqueraded, Outcome, ReferenceNames};
use gingham_net::netlink::{Netfilter, Socket};
use gingham_net::netns::NetnsError;
use ipnet::IpNet;
use sha2::{Digest, Sha512};

mod earlier;

use crate::error::NetworkError;
use crate::failpoint;
use crate::lock::Lock;
use crate::records::{Records, RecordsError};
use gingham_cni::config::NetworkName;
use gingham_cni::env::Attachment;

const REMOVED_AT_ONCE: usize = 64;

/// Masquerades what is recorded already, and with it, where the kernel lacks any of it, all that is recorded.
pub fn ensure(network: &NetworkName, records: &Records<'_>, more: &Masqueraded) -> Result<(), NetworkError> {
    let mut kernel = masquerade::open(network.as_str())?;
    if masquerade::add(&mut kernel, network.as_str(), more)? == Outcome::Incomplete {
        let _lock = records.lock_nat()?;
        restore(&mut kernel, network, records)?;
    }
    tracing::debug!(addresses = ?more.addresses, "addresses masqueraded");
    Ok(())
}

/// Sees to it that addresses of an attachment without masquerade are not masqueraded: rules of earlier versions would.
pub fn exempt(network: &NetworkName, records: &Records<'_>, addresses: &[IpAddr]) -> Result<(), NetworkError> {
    tracing::debug!("ipMasq is off: addresses not masqueraded");
    let Some(mut kernel) = open_if_any(network)? else { return Ok(()) };
    if !masquerade::earlier_rules(&mut kernel, network.as_str())?.is_empty() {
        let _lock = records.lock_nat()?;
        restore(&mut kernel, network, records)?;
    }
    Ok(masquerade::remove(&mut kernel, network.as_str(), addresses)?)
}

/// Ends the masquerade of attachments, whatever the configuration says by now, and lets `forget` end them. `is_asked` is
/// whether it asks for masquerade.
pub fn leave(
    network: &NetworkName,
    records: &Records<'_>,
    keys: &[&AttachmentKey],
    is_asked: bool,
    forget: impl FnOnce() -> Result<(), NetworkError>,
) -> Result<(), NetworkError> {
    let lock = records.lock_nat()?;
    leave_locked(network, records, keys, is_asked, lock.as_ref(), forget)
}

/// The same under a lock that the caller holds.
pub fn leave_locked(
    network: &NetworkName,
    records: &Records<'_>,
    keys: &[&AttachmentKey],
    is_asked: bool,
    lock: Option<&Lock>,
    forget: impl FnOnce() -> Result<(), NetworkError>,
) -> Result<(), NetworkError> {
    let known = match records.known(keys) {
        // `forget` reports a damaged store.
        Err(RecordsError::Store(StoreError::Damaged { .. })) => vec![None; keys.len()],
        read => read?,
    };
    let concerned: Vec<Option<AttachmentRecord>> =
        known.into_iter().filter(|record| concerns(record.as_ref(), is_asked)).collect();
    let mut kernel = if concerned.is_empty() { None } else { open_if_any(network)? };
    if let Some(kernel) = &mut kernel {
        if !masquerade::earlier_rules(kernel, network.as_str())?.is_empty() {
            match restore(kernel, network, records) {
                // `forget` reports it.
                Err(MasqueradeFault::Records(RecordsError::Store(StoreError::Damaged { .. }))) => Outcome::Incomplete,
                done => done?,
            };
        }
        remove(kernel, network, &addresses_of(concerned.iter().flatten()))?;
    }
    failpoint::reach("del.unmasqueraded")?;
    tracing::debug!(attachments = concerned.len(), "masquerade removed");
    forget()?;
    failpoint::reach("del.forgotten")?;
    match kernel {
        Some(mut kernel) if lock.is_some() && records.has_no_masquerade()? => {
            Ok(masquerade::remove_unused(&mut kernel, network.as_str())?)
        }
        _ => Ok(()),
    }
}

/// Makes the kernel masquerade what the records say. What it masquerades beside that stays: a network of this name may have
/// records in another data directory, too. ADDs must be kept out. Records of another boot say nothing.
pub fn settle(network: &NetworkName, records: &Records<'_>) -> Result<Outcome, NetworkError> {
    let _lock = records.lock_nat()?;
    settle_locked(network, records)
}

/// The same under a lock that the caller holds.
pub fn settle_locked(network: &NetworkName, records: &Records<'_>) -> Result<Outcome, NetworkError> {
    if records.look()?.is_none() {
        return Ok(Outcome::Unchanged);
    }
    let Some(mut kernel) = open_if_any(network)? else { return Ok(Outcome::Unchanged) };
    match restore(&mut kernel, network, records) {
        Err(MasqueradeFault::Kernel(MasqueradeError::KernelLacks { .. })) if records.has_no_masquerade()? => {
            Ok(Outcome::Unchanged)
        }
        done => Ok(done?),
    }
}

/// The same for a data directory, by a network's name.
pub fn settle_in(directory: &Path, network: &str) -> Result<Outcome, NetworkError> {
    let name = NetworkName::new(network)?;
    settle(&name, &Records::of(&name, directory, None)?)
}

/// Ends the masquerade of attachments that are recorded no more. ADDs must be kept out.
pub fn end<'r>(
    directory: &Path,
    network: &str,
    ended: impl IntoIterator<Item = &'r AttachmentRecord>,
) -> Result<(), NetworkError> {
    let name = NetworkName::new(network)?;
    let records = Records::of(&name, directory, None)?;
    let _lock = records.lock_nat()?;
    // First what the others need: a rule of an earlier version goes with it.
    settle_locked(&name, &records)?;
    let Some(mut kernel) = open_if_any(&name)? else { return Ok(()) };
    remove(&mut kernel, &name, &addresses_of(ended))?;
    if records.has_no_masquerade()? {
        masquerade::remove_unused(&mut kernel, name.as_str())?;
    }
    Ok(())
}

/// In parts: the kernel confirms each address, and some 270 confirmations fill a socket's buffer.
fn remove(kernel: &mut Socket<Netfilter>, network: &NetworkName, addresses: &[IpAddr]) -> Result<(), MasqueradeError> {
    addresses.chunks(REMOVED_AT_ONCE).try_for_each(|some| masquerade::remove(kernel, network.as_str(), some))
}

/// Why the masquerade could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum MasqueradeFault {
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] MasqueradeError),
    /// The records cannot be used.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A container of an earlier version is there, and its addresses cannot be read.
    #[error(transparent)]
    Container(#[from] NetnsError),
}

impl From<MasqueradeFault> for NetworkError {
    fn from(fault: MasqueradeFault) -> Self {
        match fault {
            MasqueradeFault::Kernel(error) => error.into(),
            MasqueradeFault::Records(error) => error.into(),
            MasqueradeFault::Container(error) => error.into(),
        }
    }
}

fn restore(
    kernel: &mut Socket<Netfilter>,
    network: &NetworkName,
    records: &Records<'_>,
) -> Result<Outcome, MasqueradeFault> {
    masquerade::restore(kernel, network.as_str(), |earlier| wanted(records, earlier))
}

/// What the records say. Those of earlier versions do not say it; there the kernel's rules of these versions do.
fn wanted(records: &Records<'_>, earlier: &[IpNet]) -> Result<Masqueraded, MasqueradeFault> {
    let mut known = records.attachments()?;
    if !earlier.is_empty() {
        let found = earlier::find(&known, earlier)?;
        records.put_masquerades(&found)?;
        for (key, masquerade) in found {
            known.iter_mut().filter(|(known, _)| *known == key).for_each(|(_, record)| {
                record.masquerade = Some(masquerade.clone());
            });
        }
    }
    let mut wanted = Masqueraded::default();
    let mut within = BTreeSet::new();
    for (_, record) in &known {
        wanted.addresses.extend(record.masqueraded());
        within.extend(record.masquerade.iter().filter(|it| it.wanted).flat_map(|it| &it.within).copied());
    }
    wanted.within = within.into_iter().collect();
    Ok(wanted)
}

/// Whether there may be something to end. What is not recorded any more may have left an unused table.
fn concerns(record: Option<&AttachmentRecord>, is_asked: bool) -> bool {
    match record {
        None => is_asked,
        Some(record) => record.masquerade.as_ref().is_none_or(|masquerade| masquerade.wanted),
    }
}

fn addresses_of<'r>(records: impl IntoIterator<Item = &'r AttachmentRecord>) -> Vec<IpAddr> {
    let of = |record: &'r AttachmentRecord| {
        let delegated = record.masquerade.iter().flat_map(|masquerade| &masquerade.delegated);
        record.addresses.iter().chain(delegated).copied()
    };
    records.into_iter().flat_map(of).collect()
}

/// None where nothing can be masqueraded: the kernel has no rulesets, or the name is too long for a table's.
fn open_if_any(network: &NetworkName) -> Result<Option<Socket<Netfilter>>, MasqueradeError> {
    if network.as_str().len() > masquerade::LONGEST_NETWORK_NAME {
        return Ok(None);
    }
    match masquerade::open(network.as_str()) {
        Err(MasqueradeError::KernelLacks { .. }) => Ok(None),
        opened => opened.map(Some),
    }
}

/// Removes what the reference plugin installed for a container that was its own.
pub fn remove_inherited(network: &NetworkName, attachment: &Attachment) -> Result<(), NetworkError> {
    let Attachment { container, interface } = attachment;
    let (container, interface) = (container.as_str(), interface.as_str());
    let chain = format!("CNI-{:024x}", hash_of::<12>(&format!("{network}{container}")));
    let comment =
        format!("{:016x}-{:016x}", hash_of::<8>(network.as_str()), hash_of::<8>(&format!("{interface}:{container}")));
    let mut kernel = masquerade::open(network.as_str())?;
    let names = ReferenceNames { chain: &chain, comment: &comment };
    Ok(masquerade::remove_reference(&mut kernel, network.as_str(), &names)?)
}

/// The first bytes of the hash that the reference makes names of.
fn hash_of<const BYTES: usize>(text: &str) -> u128 {
    Sha512::digest(text).iter().take(BYTES).fold(0, |number, byte| number << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_names_its_chains_so() {
        assert_eq!(format!("CNI-{:024x}", hash_of::<12>("mynetk1")), "CNI-8973818ea767ea9db5fa07c7");
    }
}
