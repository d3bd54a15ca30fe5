//! The network's masquerade comes with its first container and goes with its last.
//!
//! A lock around both, and a count read under it, keep the last DEL and a new ADD from crossing: an ADD has recorded its
//! attachment before it asks for the masquerade, so either the DEL counts it, or the ADD asks after the removal.

use gingham_net::masquerade::{self, MasqueradeError, ReferenceNames};
use ipnet::IpNet;
use sha2::{Digest, Sha512};

use crate::cni::config::NetworkName;
use crate::cni::env::Attachment;
use crate::cni::error::CniError;
use crate::failpoint;
use crate::records::Records;

/// Sees to it that the prefixes are masqueraded.
pub(crate) fn ensure(network: &NetworkName, records: &Records<'_>, prefixes: &[IpNet]) -> Result<(), CniError> {
    let _lock = records.lock_nat()?;
    let mut kernel = masquerade::open(network.as_str())?;
    masquerade::ensure(&mut kernel, network.as_str(), prefixes)?;
    Ok(())
}

/// Lets `forget` end attachments, and ends the masquerade if nobody is attached after it.
pub(crate) fn leave(
    network: &NetworkName,
    records: &Records<'_>,
    forget: impl FnOnce() -> Result<(), CniError>,
) -> Result<(), CniError> {
    let lock = records.lock_nat()?;
    forget()?;
    failpoint::reach("del.forgotten")?;
    if lock.is_some() && records.is_empty()? {
        remove(network.as_str())?;
    }
    Ok(())
}

/// Removes what the reference plugin installed for a container that was its own.
pub(crate) fn remove_inherited(network: &NetworkName, attachment: &Attachment) -> Result<(), CniError> {
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

fn remove(network: &str) -> Result<(), MasqueradeError> {
    let removed = masquerade::open(network).and_then(|mut kernel| masquerade::remove(&mut kernel, network));
    match removed {
        // Where there are no rulesets, none is left.
        Err(MasqueradeError::KernelLacks { .. }) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_names_its_chains_so() {
        assert_eq!(format!("CNI-{:024x}", hash_of::<12>("mynetk1")), "CNI-8973818ea767ea9db5fa07c7");
    }
}
