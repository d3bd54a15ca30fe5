//! Guards against spoofed Ethernet addresses: what comes in by a container's port under another source address than the
//! container's own is dropped before any bridge forwards or answers it.
//!
//! Each network has one table of its own, `bridge gingham-NETWORK`, with one rule for each guarded port:
//!
//! ```text
//! table bridge gingham-mynet {
//!     chain prerouting {
//!         type filter hook prerouting priority dstnat; policy accept;
//!         iifname "veth1" ether saddr != c2:00:00:00:00:01 drop comment "veth1 c1"
//!     }
//! }
//! ```
//!
//! The first word of a rule's comment is the port that it guards. A rule whose port is gone does nothing, so a guard is
//! installed before a port's other end comes up and removed after the port.

mod error;
#[cfg(test)]
mod tests;

pub use self::error::SpoofingError;
use crate::netlink::{ErrorKind, Netfilter, Socket};
use crate::nftables::expression::Expressions;
pub use crate::nftables::refusal::KernelPart;
use crate::nftables::refusal::{Refusal, Step};
use crate::nftables::rule::{InstalledRule, Rule};
use crate::nftables::ruleset::{self, Generation, Table, Transaction};
use crate::{Mac, short_name};

const CHAIN: &str = "prerouting";
/// The kernel's `NFT_NAME_MAXLEN` less the NUL at the end.
const LONGEST_TABLE_NAME: usize = 255;
const TABLE_PREFIX: &str = "gingham-";
const LONGEST_NETWORK_NAME: usize = 255;
/// What `nft` takes.
const LONGEST_COMMENT: usize = 128;
/// Each of these that is lost means that somebody's transaction went through in the tenth of a millisecond between our
/// reading and our writing.
const ATTEMPTS: usize = 20;
/// A transaction is one datagram, and by default the kernel queues some 250 answers to it.
const RULES_AT_ONCE: usize = 100;

/// The table and the chain that the reference plugin `bridge` shares with `ebtables`.
const REFERENCE_TABLE: &str = "nat";
const REFERENCE_CHAIN: &str = "PREROUTING";

/// What guards a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard<'a> {
    /// The name of the bridge's port, which is the host's end of a container's link.
    pub port: &'a str,
    /// The only Ethernet address that may send.
    pub sender: Mac,
    /// Whose port it is, for people who list the rules; one line without quotation marks, cut at what `nft` takes.
    pub note: &'a str,
}

impl Guard<'_> {
    fn rule(&self) -> Rule {
        let mut comment = format!("{} {}", self.port, self.note);
        comment.truncate(comment.floor_char_boundary(LONGEST_COMMENT));
        let expressions = Expressions::for_interface(self.port).then_sender_is_not(self.sender).then_drop();
        Rule { comment, expressions }
    }
}

/// Opens the socket that the functions here take, in the calling thread's network namespace.
///
/// # Errors
/// [`SpoofingError`] in the network's name: the kernel has no netfilter, or no descriptor is free.
pub fn open(network: &str) -> Result<Socket<Netfilter>, SpoofingError> {
    Socket::open().map_err(|error| error::explain(network, Refusal { step: Step::Open, error }))
}

/// Installs a guard, in the place of any other of the same port.
///
/// # Errors
/// [`SpoofingError`]
pub fn ensure(socket: &mut Socket<Netfilter>, network: &str, guard: &Guard<'_>) -> Result<(), SpoofingError> {
    crate::link::require_name(guard.port)
        .map_err(|_| SpoofingError::PortName { network: network.to_owned(), port: guard.port.to_owned() })?;
    let name = table_of(network)?;
    let table = Table::of_bridges(&name);
    let failed = |refusal| error::explain(network, refusal);
    let rule = guard.rule();
    for _ in 0..ATTEMPTS {
        let Some(installed) = read(socket, table).map_err(failed)? else { continue };
        let same_port: Vec<_> = installed.iter().filter(|rule| port_of(rule) == Some(guard.port)).collect();
        if matches!(same_port[..], [one] if one.does(&rule)) {
            return Ok(());
        }
        let mut transaction = Transaction::of_table(table, None);
        transaction.add_table();
        transaction.add_bridge_prerouting_chain(CHAIN);
        for stale in &same_port {
            transaction.delete_rule(CHAIN, stale);
        }
        transaction.add_rule(CHAIN, &rule);
        match transaction.commit(socket) {
            // Somebody removed it first.
            Err(Refusal { step: Step::DeleteRule, error }) if error.kind == ErrorKind::NotFound => {}
            done => return done.map_err(failed),
        }
    }
    Err(SpoofingError::RulesetsChanging { network: network.to_owned(), attempts: ATTEMPTS })
}

/// Whether a guard is installed that does just this.
///
/// # Errors
/// [`SpoofingError`]
pub fn is_installed(socket: &mut Socket<Netfilter>, network: &str, guard: &Guard<'_>) -> Result<bool, SpoofingError> {
    let name = table_of(network)?;
    let rule = guard.rule();
    let installed =
        ruleset::rules(socket, Table::of_bridges(&name), CHAIN).map_err(|refusal| error::explain(network, refusal))?;
    Ok(installed.iter().any(|found| port_of(found) == Some(guard.port) && found.does(&rule)))
}

/// The ports of a network that are guarded, in the rules' order. Whether they are guarded well, [`is_installed`] says.
///
/// # Errors
/// [`SpoofingError`]
pub fn ports(socket: &mut Socket<Netfilter>, network: &str) -> Result<Vec<String>, SpoofingError> {
    let name = table_of(network)?;
    let installed = ruleset::rules(socket, Table::of_bridges(&name), CHAIN);
    let installed = installed.map_err(|refusal| error::explain(network, refusal))?;
    Ok(installed.iter().filter_map(port_of).map(str::to_owned).collect())
}

/// Removes the guards of those ports of a network that `is_meant` says, and with the last guard the network's table.
/// Goes well if there are none.
///
/// # Errors
/// [`SpoofingError`]
pub fn remove(
    socket: &mut Socket<Netfilter>,
    network: &str,
    is_meant: impl Fn(&str) -> bool,
) -> Result<(), SpoofingError> {
    let name = table_of(network)?;
    let table = Table::of_bridges(&name);
    let failed = |refusal| error::explain(network, refusal);
    let mut lost = 0;
    while lost < ATTEMPTS {
        match ruleset::table_exists(socket, table) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            // A kernel without nftables has no table either.
            Err(refusal) if error::is_without_nftables(&refusal) => return Ok(()),
            Err(refusal) => return Err(failed(refusal)),
        }
        let generation = ruleset::generation(socket).map_err(failed)?;
        let Some(installed) = read(socket, table).map_err(failed)? else {
            lost += 1;
            continue;
        };
        // Others may change rulesets without a pause. Then an empty table stays, rather than a guard.
        let only_in = (lost + 1 < ATTEMPTS).then_some(generation);
        let Some((transaction, is_all)) = removal(table, &installed, &is_meant, only_in) else { return Ok(()) };
        match transaction.commit(socket) {
            Ok(()) if is_all => return Ok(()),
            Ok(()) => {}
            Err(Refusal { step: Step::Generation, .. }) => lost += 1,
            Err(Refusal { step: Step::DeleteRule | Step::DeleteTable, error }) if error.kind == ErrorKind::NotFound => {
                lost += 1;
            }
            Err(refusal) => return Err(failed(refusal)),
        }
    }
    Err(SpoofingError::RulesetsChanging { network: network.to_owned(), attempts: ATTEMPTS })
}

/// The transaction that removes guards, and whether it leaves none that is meant. None if there is nothing to do.
///
/// A table that nobody needs any more goes only if the rulesets have not changed since they were read: a guard that was
/// installed meanwhile would go with it.
fn removal<'a>(
    table: Table<'a>,
    installed: &[InstalledRule],
    is_meant: impl Fn(&str) -> bool,
    only_in: Option<Generation>,
) -> Option<(Transaction<'a>, bool)> {
    let meant: Vec<_> = installed.iter().filter(|rule| port_of(rule).is_some_and(&is_meant)).collect();
    if meant.len() == installed.len() && only_in.is_some() {
        let mut transaction = Transaction::of_table(table, only_in);
        transaction.delete_table();
        return Some((transaction, true));
    }
    let mut transaction = Transaction::of_table(table, None);
    for rule in meant.iter().take(RULES_AT_ONCE) {
        transaction.delete_rule(CHAIN, rule);
    }
    (!meant.is_empty()).then_some((transaction, meant.len() <= RULES_AT_ONCE))
}

/// Removes what the reference plugin `bridge` installed to guard a container's port. Goes well if there is nothing.
/// `network` is for errors.
///
/// # Errors
/// [`SpoofingError`]
pub fn remove_reference(
    socket: &mut Socket<Netfilter>,
    network: &str,
    container: &str,
    interface: &str,
) -> Result<(), SpoofingError> {
    match try_remove_reference(socket, container, interface) {
        Err(refusal) if error::is_without_nftables(&refusal) => Ok(()),
        done => done.map_err(|refusal| error::explain(network, refusal)),
    }
}

fn try_remove_reference(socket: &mut Socket<Netfilter>, container: &str, interface: &str) -> Result<(), Refusal> {
    let table = Table::of_bridges(REFERENCE_TABLE);
    let comment = format!("macspoofchk-{container}-{interface}");
    let of_port = format!("cni-br-iface-{container}-{interface}");
    let of_address = format!("{of_port}-mac");
    if of_address.len() > LONGEST_TABLE_NAME {
        // A chain's name is no longer than a table's: the reference could not make these, and the kernel refuses the question.
        return Ok(());
    }
    let mut transaction = Transaction::of_table(table, None);
    let mut is_something = false;
    for rule in ruleset::rules(socket, table, REFERENCE_CHAIN)? {
        if rule.comment.as_ref() == Some(&comment) {
            transaction.delete_rule(REFERENCE_CHAIN, &rule);
            is_something = true;
        }
    }
    // In the order in which they jump to each other.
    for chain in [&of_port, &of_address] {
        if ruleset::chain_exists(socket, table, chain)? {
            transaction.delete_chain(chain);
            is_something = true;
        }
    }
    if is_something { transaction.commit(socket) } else { Ok(()) }
}

/// The rules of the network's chain; none if rulesets changed each time that they were read.
fn read(socket: &mut Socket<Netfilter>, table: Table<'_>) -> Result<Option<Vec<InstalledRule>>, Refusal> {
    match ruleset::rules(socket, table, CHAIN) {
        Ok(installed) => Ok(Some(installed)),
        Err(refusal) if refusal.error.kind == ErrorKind::Changing => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

fn port_of(rule: &InstalledRule) -> Option<&str> {
    rule.comment.as_deref()?.split(' ').next()
}

fn table_of(network: &str) -> Result<String, SpoofingError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if network.is_empty() || !network.bytes().all(allowed) || network.len() > LONGEST_NETWORK_NAME {
        return Err(SpoofingError::NetworkName { network: network.to_owned() });
    }
    Ok(format!("{TABLE_PREFIX}{}", short_name(network, LONGEST_TABLE_NAME - TABLE_PREFIX.len())))
}
