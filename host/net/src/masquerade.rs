//! Masquerade of a network: packets of its containers to other networks leave with the node's address.
//!
//! Each network has one table, `inet gingham-NETWORK`, with one rule for each address family:
//!
//! ```text
//! table inet gingham-mynet {
//!     set containers4 {
//!         type ipv4_addr
//!         elements = { 10.244.0.2, 10.244.0.3 }
//!     }
//!     set network4 {
//!         type ipv4_addr
//!         flags interval
//!         elements = { 10.244.0.0/16 }
//!     }
//!     chain postrouting {
//!         type nat hook postrouting priority srcnat; policy accept;
//!         ip saddr @containers4 ip daddr != @network4 ip daddr != 224.0.0.0/4 masquerade comment "containers"
//!     }
//! }
//! ```
//!
//! The kernel keeps single addresses in a hash table, so its work per connection does not grow with their number. Tables
//! of other processes are neither read nor changed.
//!
//! [`add`] and [`remove`] change single addresses. [`restore`] does the rest: it creates the table, restores what was flushed
//! and replaces rules of earlier versions. [`restore`] must not run concurrently with itself; [`add`] may run concurrently
//! with it.

#[cfg(test)]
mod concurrency_tests;
mod earlier;
mod error;
mod intervals;
mod reference;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

pub use self::error::MasqueradeError;
use self::intervals::Intervals;
pub use self::reference::{ReferenceNames, remove_reference};
use self::snapshot::{Rules, Snapshot, network_of};
use crate::netlink::{ErrorKind, Netfilter, Socket};
use crate::nftables::expression::{Expressions, Side, When};
pub use crate::nftables::refusal::KernelPart;
use crate::nftables::refusal::{Refusal, Step};
use crate::nftables::rule::Rule;
use crate::nftables::ruleset::{self, Transaction};
use crate::nftables::set::{Element, Family, Set};
use crate::truncate_name;

const CHAIN: &str = "postrouting";
const COMMENT: &str = "containers";
const TABLE_PREFIX: &str = "gingham-";
/// The kernel's `NFT_NAME_MAXLEN` less the NUL at the end.
const LONGEST_TABLE_NAME: usize = 255;
const MULTICAST_V4: IpNet = IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4);
const MULTICAST_V6: IpNet = IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8);
/// The longest network name, in bytes, that can be masqueraded.
pub const LONGEST_NETWORK_NAME: usize = 255;
/// Attempts that fail if any ruleset changes in the tenth of a millisecond between our reading and our writing.
const EXCLUSIVE_ATTEMPTS: usize = 20;
/// Attempts that fail only if another process changes this table in between.
const SHARED_ATTEMPTS: usize = 100;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masqueraded {
    /// The addresses whose packets leave with the node's address.
    pub addresses: BTreeSet<IpAddr>,
    /// The network's prefixes: packets to them keep their address. Host bits are ignored.
    pub within: Vec<IpNet>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Unchanged,
    Installed,
    /// The table lacks rules or prefixes, and nothing was added: [`restore`] it.
    Incomplete,
}

/// Opens a socket in the calling thread's network namespace.
pub fn open(network: &str) -> Result<Socket<Netfilter>, MasqueradeError> {
    Socket::open().map_err(|error| error::explain("masquerade", network, Refusal { step: Step::Open, error }))
}

/// Masquerades more addresses, if the network's table has its rules and the prefixes. The cost does not depend on the number
/// of addresses there.
pub fn add(socket: &mut Socket<Netfilter>, network: &str, more: &Masqueraded) -> Result<Outcome, MasqueradeError> {
    let table = table_of(network)?;
    let failed = |refusal| error::explain("masquerade", network, refusal);
    let families: BTreeSet<Family> = more.addresses.iter().map(|address| Family::of(*address)).collect();
    match Rules::read(socket, &table) {
        Ok(rules) if rules.are_complete_for(families.iter().copied()) => {}
        Ok(_) => return Ok(Outcome::Incomplete),
        Err(refusal) if refusal.error.kind == ErrorKind::Changing => return Ok(Outcome::Incomplete),
        Err(refusal) => return Err(failed(refusal)),
    }
    let mut transaction = Transaction::of_table(&table, None);
    for family in families {
        if !network_of(socket, &table, family).map_err(failed)?.cover(&Intervals::of(family, &more.within)) {
            return Ok(Outcome::Incomplete);
        }
        let ours = more.addresses.iter().filter(|address| Family::of(**address) == family);
        transaction.add_elements(containers(family), &ours.map(|one| Element::single(*one)).collect::<Vec<_>>());
    }
    match transaction.commit(socket) {
        Ok(()) => Ok(Outcome::Installed),
        // Removed since the rules were read.
        Err(refusal) if refusal.error.kind == ErrorKind::NotFound => Ok(Outcome::Incomplete),
        Err(refusal) => Err(failed(refusal)),
    }
}

/// Masquerades what `wanted` returns, and removes rules of earlier versions, whose prefixes are the argument of `wanted`.
/// Other addresses stay masqueraded, because they may be those of a concurrent [`add`].
pub fn restore<E: From<MasqueradeError>>(
    socket: &mut Socket<Netfilter>,
    network: &str,
    mut wanted: impl FnMut(&[IpNet]) -> Result<Masqueraded, E>,
) -> Result<Outcome, E> {
    let table = table_of(network)?;
    let failed = |refusal| error::explain("masquerade", network, refusal);
    let mut outcome = Outcome::Unchanged;
    let mut lost = 0;
    while lost < EXCLUSIVE_ATTEMPTS + SHARED_ATTEMPTS {
        let generation = ruleset::generation(socket).map_err(failed)?;
        let present = match Snapshot::read(socket, &table) {
            Ok(present) => present,
            Err(refusal) if refusal.error.kind == ErrorKind::Changing => {
                lost += 1;
                continue;
            }
            Err(refusal) => return Err(failed(refusal).into()),
        };
        let wanted = wanted(&present.rules.earlier())?;
        // Where other processes change rulesets all the time, a transaction for one generation would never succeed.
        let only_in = (lost < EXCLUSIVE_ATTEMPTS).then_some(generation);
        let Some(transaction) = present.step(&table, &wanted, only_in) else { return Ok(outcome) };
        match transaction.commit(socket) {
            Ok(()) => outcome = Outcome::Installed,
            Err(Refusal { step: Step::Generation, .. }) => lost += 1,
            Err(Refusal { step: Step::DeleteRule | Step::DeleteElements, error })
                if error.kind == ErrorKind::NotFound =>
            {
                lost += 1;
            }
            Err(refusal) => return Err(failed(refusal).into()),
        }
    }
    Err(MasqueradeError::RulesetsChanging { network: network.to_owned(), attempts: lost }.into())
}

/// Succeeds if the addresses are not masqueraded.
pub fn remove(socket: &mut Socket<Netfilter>, network: &str, addresses: &[IpAddr]) -> Result<(), MasqueradeError> {
    let table = table_of(network)?;
    for _ in 0..SHARED_ATTEMPTS {
        match remove_present(socket, &table, addresses) {
            // A kernel without nftables masquerades nothing.
            Err(refusal) if error::missed_by(&refusal).is_some() => return Ok(()),
            // Another process removed them first.
            Err(Refusal { step: Step::DeleteElements, error }) if error.kind == ErrorKind::NotFound => {}
            done => return done.map_err(|refusal| error::explain("end the masquerade of", network, refusal)),
        }
    }
    Err(MasqueradeError::RulesetsChanging { network: network.to_owned(), attempts: SHARED_ATTEMPTS })
}

fn remove_present(socket: &mut Socket<Netfilter>, table: &str, addresses: &[IpAddr]) -> Result<(), Refusal> {
    let mut transaction = Transaction::of_table(table, None);
    let mut is_something = false;
    for address in addresses {
        let (set, element) = (containers(Family::of(*address)), Element::single(*address));
        // Looked up first, because the kernel waits for all processors, some 10 ms, to undo a failed transaction.
        if ruleset::has_element(socket, table, set, element)? {
            transaction.delete_elements(set, &[element]);
            is_something = true;
        }
    }
    if is_something { transaction.commit(socket) } else { Ok(()) }
}

/// Removes the network's table if it masquerades nothing. A concurrent [`add`] keeps it.
pub fn remove_unused(socket: &mut Socket<Netfilter>, network: &str) -> Result<(), MasqueradeError> {
    let table = table_of(network)?;
    match try_remove_unused(socket, &table) {
        Err(Refusal { step: Step::Generation, .. }) => Ok(()),
        Err(refusal) if error::missed_by(&refusal).is_some() => Ok(()),
        Err(refusal) if [ErrorKind::NotFound, ErrorKind::Changing].contains(&refusal.error.kind) => Ok(()),
        done => done.map_err(|refusal| error::explain("end the masquerade of", network, refusal)),
    }
}

fn try_remove_unused(socket: &mut Socket<Netfilter>, table: &str) -> Result<(), Refusal> {
    for attempt in 1.. {
        let generation = ruleset::generation(socket)?;
        if !Snapshot::read(socket, table)?.is_unused() {
            break;
        }
        let mut transaction = Transaction::of_table(table, Some(generation));
        transaction.delete_table();
        match transaction.commit(socket) {
            Err(Refusal { step: Step::Generation, .. }) if attempt < EXCLUSIVE_ATTEMPTS => {}
            done => return done,
        }
    }
    Ok(())
}

/// The prefixes that rules of earlier versions masquerade.
pub fn earlier_rules(socket: &mut Socket<Netfilter>, network: &str) -> Result<Vec<IpNet>, MasqueradeError> {
    let table = table_of(network)?;
    match Rules::read(socket, &table) {
        Ok(rules) => Ok(rules.earlier()),
        Err(refusal) if error::missed_by(&refusal).is_some() => Ok(Vec::new()),
        Err(refusal) => Err(error::explain("read the masquerade of", network, refusal)),
    }
}

/// The masqueraded addresses of a network, in order; none of a family whose rule is missing.
pub fn list(socket: &mut Socket<Netfilter>, network: &str) -> Result<Vec<IpAddr>, MasqueradeError> {
    let table = table_of(network)?;
    let present =
        Snapshot::read(socket, &table).map_err(|refusal| error::explain("read the masquerade of", network, refusal))?;
    Ok(present.addresses.into_iter().filter(|address| present.rules.have(Family::of(*address))).collect())
}

/// Whether an address is masqueraded, also by a rule of an earlier version.
pub fn covers(socket: &mut Socket<Netfilter>, network: &str, address: IpAddr) -> Result<bool, MasqueradeError> {
    let table = table_of(network)?;
    let failed = |refusal| error::explain("read the masquerade of", network, refusal);
    let rules = Rules::read(socket, &table).map_err(failed)?;
    if rules.earlier().iter().any(|prefix| prefix.contains(&address)) {
        return Ok(true);
    }
    let family = Family::of(address);
    Ok(rules.have(family)
        && ruleset::has_element(socket, &table, containers(family), Element::single(address)).map_err(failed)?)
}

/// Changes with every change of any ruleset; none where the kernel has no nftables.
pub fn generation() -> Option<u32> {
    let mut socket = Socket::open().ok()?;
    ruleset::generation(&mut socket).ok().map(ruleset::Generation::number)
}

fn table_of(network: &str) -> Result<String, MasqueradeError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !network.bytes().all(allowed) || !network.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Err(MasqueradeError::InvalidName { network: network.to_owned() });
    }
    if network.len() > LONGEST_NETWORK_NAME {
        return Err(MasqueradeError::NameTooLong {
            network: network.to_owned(),
            length: network.len(),
            longest: LONGEST_NETWORK_NAME,
        });
    }
    Ok(format!("{TABLE_PREFIX}{}", truncate_name(network, LONGEST_TABLE_NAME - TABLE_PREFIX.len())))
}

/// The set of masqueraded addresses.
fn containers(family: Family) -> Set {
    let name = match family {
        Family::V4 => "containers4",
        Family::V6 => "containers6",
    };
    Set { name, family, holds_intervals: false }
}

/// The set of the network's prefixes.
fn network_set(family: Family) -> Set {
    let name = match family {
        Family::V4 => "network4",
        Family::V6 => "network6",
    };
    Set { name, family, holds_intervals: true }
}

fn multicast(family: Family) -> IpNet {
    match family {
        Family::V4 => MULTICAST_V4,
        Family::V6 => MULTICAST_V6,
    }
}

/// `ip saddr @containers4 ip daddr != @network4 ip daddr != 224.0.0.0/4 masquerade comment "containers"`, or the same of
/// IPv6.
fn rule_for(family: Family) -> Rule {
    let expressions = Expressions::for_family_of(&multicast(family))
        .then_address_in(Side::Source, When::Within, containers(family))
        .then_address_in(Side::Destination, When::Outside, network_set(family))
        .then_address(Side::Destination, When::Outside, &multicast(family))
        .then_masquerade();
    Rule { comment: COMMENT.to_owned(), expressions }
}
