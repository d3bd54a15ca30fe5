//! MAC filters: frames of a container whose source address is not the container's own are dropped before any bridge forwards
//! or answers them.
//!
//! Each network has one table of its own, `bridge gingham-NETWORK`, with one rule for each filtered port:
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
//! The first word of a rule's comment is its port. A rule whose port is gone does nothing, so a filter is installed before
//! the port's other end comes up and removed after the port.

mod error;
#[cfg(test)]
mod tests;

pub use self::error::MacFilterError;
use crate::netlink::{ErrorKind, Netfilter, Socket};
use crate::nftables::expression::Expressions;
pub use crate::nftables::refusal::KernelPart;
use crate::nftables::refusal::{Refusal, Step};
use crate::nftables::rule::{InstalledRule, Rule};
use crate::nftables::ruleset::{self, Generation, Table, Transaction};
use crate::{Mac, truncate_name};

const CHAIN: &str = "prerouting";
/// The kernel's `NFT_NAME_MAXLEN` less the NUL at the end.
const LONGEST_TABLE_NAME: usize = 255;
const TABLE_PREFIX: &str = "gingham-";
const LONGEST_NETWORK_NAME: usize = 255;
/// What `nft` takes.
const LONGEST_COMMENT: usize = 128;
/// An attempt fails when another process changes a ruleset in the tenth of a millisecond between our reading and our
/// writing.
const ATTEMPTS: usize = 20;
/// A transaction is one datagram, and by default the kernel queues some 250 answers to it.
const RULES_PER_TRANSACTION: usize = 100;

/// The table and the chain that the reference plugin `bridge` shares with `ebtables`.
const REFERENCE_TABLE: &str = "nat";
const REFERENCE_CHAIN: &str = "PREROUTING";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacFilter<'a> {
    /// The bridge's port: the host's end of a container's link.
    pub port: &'a str,
    /// The only source address that passes.
    pub sender: Mac,
    /// The port's owner, for people who list the rules: one line without quotation marks, truncated to what `nft` accepts.
    pub owner: &'a str,
}

impl MacFilter<'_> {
    fn rule(&self) -> Rule {
        let mut comment = format!("{} {}", self.port, self.owner);
        comment.truncate(comment.floor_char_boundary(LONGEST_COMMENT));
        let expressions = Expressions::for_interface(self.port).then_sender_is_not(self.sender).then_drop();
        Rule { comment, expressions }
    }
}

/// Opens a socket in the calling thread's network namespace.
pub fn open(network: &str) -> Result<Socket<Netfilter>, MacFilterError> {
    Socket::open().map_err(|error| error::explain(network, Refusal { step: Step::Open, error }))
}

/// Replaces any other filter of the port.
pub fn ensure(socket: &mut Socket<Netfilter>, network: &str, filter: &MacFilter<'_>) -> Result<(), MacFilterError> {
    crate::link::require_name(filter.port)
        .map_err(|_| MacFilterError::PortName { network: network.to_owned(), port: filter.port.to_owned() })?;
    let name = table_of(network)?;
    let table = Table::of_bridges(&name);
    let failed = |refusal| error::explain(network, refusal);
    let rule = filter.rule();
    for _ in 0..ATTEMPTS {
        let Some(installed) = read(socket, table).map_err(failed)? else { continue };
        let same_port: Vec<_> = installed.iter().filter(|rule| port_of(rule) == Some(filter.port)).collect();
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
            // Another process removed it first.
            Err(Refusal { step: Step::DeleteRule, error }) if error.kind == ErrorKind::NotFound => {}
            done => return done.map_err(failed),
        }
    }
    Err(MacFilterError::RulesetsChanging { network: network.to_owned(), attempts: ATTEMPTS })
}

pub fn is_installed(
    socket: &mut Socket<Netfilter>,
    network: &str,
    filter: &MacFilter<'_>,
) -> Result<bool, MacFilterError> {
    let name = table_of(network)?;
    let rule = filter.rule();
    let installed =
        ruleset::rules(socket, Table::of_bridges(&name), CHAIN).map_err(|refusal| error::explain(network, refusal))?;
    Ok(installed.iter().any(|found| port_of(found) == Some(filter.port) && found.does(&rule)))
}

/// The filtered ports of a network, in the order of the rules, which may be damaged: see [`is_installed`].
pub fn ports(socket: &mut Socket<Netfilter>, network: &str) -> Result<Vec<String>, MacFilterError> {
    let name = table_of(network)?;
    let installed = ruleset::rules(socket, Table::of_bridges(&name), CHAIN);
    let installed = installed.map_err(|refusal| error::explain(network, refusal))?;
    Ok(installed.iter().filter_map(port_of).map(str::to_owned).collect())
}

/// Removes the filters of the selected ports, and with the last filter the network's table. Succeeds if there are none.
pub fn remove(
    socket: &mut Socket<Netfilter>,
    network: &str,
    selected: impl Fn(&str) -> bool,
) -> Result<(), MacFilterError> {
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
        // If other processes change rulesets all the time, an empty table may stay, but no filter.
        let only_in = (lost + 1 < ATTEMPTS).then_some(generation);
        let Some((transaction, is_all)) = removal(table, &installed, &selected, only_in) else { return Ok(()) };
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
    Err(MacFilterError::RulesetsChanging { network: network.to_owned(), attempts: ATTEMPTS })
}

/// The transaction that removes filters, and whether it removes all that are selected. None if there is nothing to do.
///
/// The table is removed only if the rulesets have not changed since they were read: a filter that was installed in between
/// would be lost with it.
fn removal<'a>(
    table: Table<'a>,
    installed: &[InstalledRule],
    selected: impl Fn(&str) -> bool,
    only_in: Option<Generation>,
) -> Option<(Transaction<'a>, bool)> {
    let stale: Vec<_> = installed.iter().filter(|rule| port_of(rule).is_some_and(&selected)).collect();
    if stale.len() == installed.len() && only_in.is_some() {
        let mut transaction = Transaction::of_table(table, only_in);
        transaction.delete_table();
        return Some((transaction, true));
    }
    let mut transaction = Transaction::of_table(table, None);
    for rule in stale.iter().take(RULES_PER_TRANSACTION) {
        transaction.delete_rule(CHAIN, rule);
    }
    (!stale.is_empty()).then_some((transaction, stale.len() <= RULES_PER_TRANSACTION))
}

/// Removes the rules of the reference plugin `bridge` for a container's port. Succeeds if there are none. `network` is for
/// errors.
pub fn remove_reference(
    socket: &mut Socket<Netfilter>,
    network: &str,
    container: &str,
    interface: &str,
) -> Result<(), MacFilterError> {
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
        // The limit for chains is that for tables: the reference plugin cannot have made these, and the kernel rejects the
        // look-up.
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
    // The chain that jumps to the other one first.
    for chain in [&of_port, &of_address] {
        if ruleset::chain_exists(socket, table, chain)? {
            transaction.delete_chain(chain);
            is_something = true;
        }
    }
    if is_something { transaction.commit(socket) } else { Ok(()) }
}

/// None if rulesets changed each time that they were read.
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

fn table_of(network: &str) -> Result<String, MacFilterError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if network.is_empty() || !network.bytes().all(allowed) || network.len() > LONGEST_NETWORK_NAME {
        return Err(MacFilterError::NetworkName { network: network.to_owned() });
    }
    Ok(format!("{TABLE_PREFIX}{}", truncate_name(network, LONGEST_TABLE_NAME - TABLE_PREFIX.len())))
}
