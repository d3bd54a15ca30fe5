//! Masquerade of a network: what its containers send outside leaves with the host's address.
//!
//! Each network has one table of its own, `inet gingham-NETWORK`, with one rule for each of its prefixes:
//!
//! ```text
//! table inet gingham-mynet {
//!     chain postrouting {
//!         type nat hook postrouting priority srcnat; policy accept;
//!         ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade comment "10.244.0.0/16"
//!     }
//! }
//! ```
//!
//! So the kernel's work per connection does not grow with the number of containers, and a container that comes or goes
//! changes nothing here. Tables of others are neither read nor changed. What somebody flushed or deleted comes back
//! with the next [`ensure`].

#[cfg(test)]
mod at_once_tests;
mod error;
mod reference;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

pub use self::error::MasqueradeError;
pub use self::reference::{ReferenceNames, remove_reference};
use crate::netlink::{ErrorKind, Netfilter, Socket};
use crate::nftables::expression::{Expressions, Side, When};
pub use crate::nftables::refusal::KernelPart;
use crate::nftables::refusal::{Refusal, Step};
use crate::nftables::rule::{InstalledRule, Rule};
use crate::nftables::ruleset::{self, Generation, Transaction};

const CHAIN: &str = "postrouting";
const TABLE_PREFIX: &str = "gingham-";
/// The kernel's `NFT_NAME_MAXLEN` less the NUL at the end.
const LONGEST_TABLE_NAME: usize = 255;
const MULTICAST_V4: IpNet = IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4);
const MULTICAST_V6: IpNet = IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8);
/// The longest network name, in bytes, that can be masqueraded.
pub const LONGEST_NETWORK_NAME: usize = LONGEST_TABLE_NAME - TABLE_PREFIX.len();
/// A transaction is one datagram, and by default the kernel takes some 200 kB of it and queues some 250 answers. A rule
/// has less than 1 kB.
const RULES_AT_ONCE: usize = 100;
/// Each of these that is lost means that somebody's transaction went through in the tenth of a millisecond between our
/// reading and our writing.
const GUARDED_ATTEMPTS: usize = 20;
/// Each of these that is lost means that somebody changed this very table meanwhile.
const UNGUARDED_ATTEMPTS: usize = 100;

/// What [`ensure`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every prefix was masqueraded already.
    AlreadyThere,
    /// Something was missing and is there now.
    Installed,
}

/// Opens the socket that the functions here take, in the calling thread's network namespace.
///
/// # Errors
/// [`MasqueradeError`] in the network's name: the kernel has no netfilter, or no descriptor is free.
pub fn open(network: &str) -> Result<Socket<Netfilter>, MasqueradeError> {
    Socket::open().map_err(|error| error::explain("masquerade", network, Refusal { step: Step::Open, error }))
}

/// Sees to it that each of the prefixes is masqueraded: what its addresses send to addresses outside of that prefix,
/// multicast excepted. Prefixes that earlier calls brought stay; host bits are ignored.
///
/// If all is there this is one question to the kernel. What is missing is added in a transaction that the kernel
/// carries out only if no other transaction came between the reading and the writing; else both are done again. So
/// any number of processes may do this at once, and each rule is there once.
///
/// # Errors
/// [`MasqueradeError`]
pub fn ensure(socket: &mut Socket<Netfilter>, network: &str, prefixes: &[IpNet]) -> Result<Outcome, MasqueradeError> {
    ensure_guarded(socket, network, prefixes, GUARDED_ATTEMPTS)
}

/// The first `guarded` attempts insist on rulesets that nobody changed meanwhile. Where others change rulesets without
/// a pause that would never end, so later attempts do without. Two processes may add the same rule then; but each reads
/// again after it wrote, and whoever sees a rule twice removes the later one, so the end is the same.
fn ensure_guarded(
    socket: &mut Socket<Netfilter>,
    network: &str,
    prefixes: &[IpNet],
    guarded: usize,
) -> Result<Outcome, MasqueradeError> {
    let table = table_of(network)?;
    let failed = |refusal| error::explain("masquerade", network, refusal);
    let wanted = in_order(prefixes);
    if wanted.is_empty() || Repair::needed(socket, &table, &wanted).map_err(failed)?.is_some_and(|it| it.is_empty()) {
        return Ok(Outcome::AlreadyThere);
    }
    let mut outcome = Outcome::AlreadyThere;
    let attempts = guarded + UNGUARDED_ATTEMPTS + wanted.len() / RULES_AT_ONCE;
    for attempt in 0..attempts {
        let generation = ruleset::generation(socket).map_err(failed)?;
        let Some(repair) = Repair::needed(socket, &table, &wanted).map_err(failed)? else {
            continue;
        };
        if repair.is_empty() {
            return Ok(outcome);
        }
        let only_in = (attempt < guarded).then_some(generation);
        match repair.transaction(&table, only_in).commit(socket) {
            Ok(()) => outcome = Outcome::Installed,
            Err(Refusal { step: Step::Generation, .. }) => {}
            // Without the guard: another process removed it first.
            Err(Refusal { step: Step::DeleteRule, error }) if error.kind == ErrorKind::NotFound => {}
            Err(refusal) => return Err(failed(refusal)),
        }
    }
    Err(MasqueradeError::RulesetsChanging { network: network.to_owned(), attempts })
}

/// Ends the masquerade of a network, all its prefixes. Goes well if there is none.
///
/// # Errors
/// [`MasqueradeError`]
pub fn remove(socket: &mut Socket<Netfilter>, network: &str) -> Result<(), MasqueradeError> {
    let table = table_of(network)?;
    let failed = |refusal| error::explain("end the masquerade of", network, refusal);
    match ruleset::table_exists(socket, &table) {
        Ok(true) => {}
        Ok(false) => return Ok(()),
        // A kernel without nftables has no table either.
        Err(refusal) if error::missed_by(&refusal).is_some() => return Ok(()),
        Err(refusal) => return Err(failed(refusal)),
    }
    let mut transaction = Transaction::of_table(&table, None);
    transaction.delete_table();
    match transaction.commit(socket) {
        Err(Refusal { step: Step::DeleteTable, error }) if error.kind == ErrorKind::NotFound => Ok(()),
        done => done.map_err(failed),
    }
}

/// The prefixes of a network that are masqueraded now, in the rules' order; none if the network has no masquerade.
///
/// # Errors
/// [`MasqueradeError`]
pub fn list(socket: &mut Socket<Netfilter>, network: &str) -> Result<Vec<IpNet>, MasqueradeError> {
    let table = table_of(network)?;
    let rules = ruleset::rules(socket, &table, CHAIN)
        .map_err(|refusal| error::explain("read the masquerade of", network, refusal))?;
    Ok(rules.iter().filter_map(prefix_of).collect())
}

/// What a chain lacks, and what is there in its place.
#[derive(Debug)]
struct Repair {
    missing: Vec<IpNet>,
    /// Rules under the comment of a wanted one that do something else, or the same once more.
    stray: Vec<InstalledRule>,
}

impl Repair {
    /// What the kernel's rules need; `None` if rulesets changed each time that they were read.
    fn needed(socket: &mut Socket<Netfilter>, table: &str, wanted: &[IpNet]) -> Result<Option<Self>, Refusal> {
        match ruleset::rules(socket, table, CHAIN) {
            Ok(installed) => Ok(Some(Self::of(installed, wanted))),
            Err(refusal) if refusal.error.kind == ErrorKind::Changing => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// `wanted` is in order.
    fn of(installed: Vec<InstalledRule>, wanted: &[IpNet]) -> Self {
        let mut present = vec![false; wanted.len()];
        let mut stray = Vec::new();
        for rule in installed {
            let Some(index) = comment_of(&rule).and_then(|prefix| wanted.binary_search(&prefix).ok()) else {
                continue;
            };
            if !present[index] && rule.does(&rule_for(wanted[index])) {
                present[index] = true;
            } else {
                stray.push(rule);
            }
        }
        let missing =
            wanted.iter().zip(present).filter_map(|(prefix, present)| (!present).then_some(*prefix)).collect();
        Self { missing, stray }
    }

    fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.stray.is_empty()
    }

    /// As much of it as one transaction takes.
    fn transaction<'a>(&self, table: &'a str, only_in: Option<Generation>) -> Transaction<'a> {
        let mut transaction = Transaction::of_table(table, only_in);
        transaction.add_table();
        transaction.add_postrouting_chain(CHAIN, "nat");
        for rule in self.stray.iter().take(RULES_AT_ONCE) {
            transaction.delete_rule(CHAIN, rule);
        }
        for prefix in self.missing.iter().take(RULES_AT_ONCE) {
            transaction.add_rule(CHAIN, &rule_for(*prefix));
        }
        transaction
    }
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
    Ok(format!("{TABLE_PREFIX}{network}"))
}

fn in_order(prefixes: &[IpNet]) -> Vec<IpNet> {
    let mut prefixes: Vec<IpNet> = prefixes.iter().map(IpNet::trunc).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}

/// `ip saddr PREFIX ip daddr != PREFIX ip daddr != 224.0.0.0/4 masquerade comment "PREFIX"`, or the same of IPv6.
fn rule_for(prefix: IpNet) -> Rule {
    let multicast = match prefix {
        IpNet::V4(_) => MULTICAST_V4,
        IpNet::V6(_) => MULTICAST_V6,
    };
    let expressions = Expressions::for_family_of(&prefix)
        .then_address(Side::Source, When::Within, &prefix)
        .then_address(Side::Destination, When::Outside, &prefix)
        .then_address(Side::Destination, When::Outside, &multicast)
        .then_masquerade();
    Rule { comment: prefix.to_string(), expressions }
}

/// The prefix a rule masquerades, if it does just that.
fn prefix_of(rule: &InstalledRule) -> Option<IpNet> {
    comment_of(rule).filter(|prefix| rule.does(&rule_for(*prefix)))
}

fn comment_of(rule: &InstalledRule) -> Option<IpNet> {
    rule.comment.as_ref()?.parse().ok()
}
