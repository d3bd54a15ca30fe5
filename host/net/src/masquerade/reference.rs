//! Masquerade rules of the reference plugin `bridge` for one container, made by `iptables-nft` or `nft`: a network that
//! changes to Gingham keeps its containers.

use super::error::{self, MasqueradeError};
use crate::netlink::{ErrorKind, Netfilter, Socket};
use crate::nftables::refusal::{Refusal, Step};
use crate::nftables::ruleset::{self, Table, Transaction};

const IPTABLES_TABLE: &str = "nat";
const IPTABLES_CHAIN: &str = "POSTROUTING";
const NFT_TABLE: &str = "cni_plugins_masquerade";
const NFT_CHAIN: &str = "masq_checks";
/// An attempt fails when another process removes a rule between our reading and our writing.
const ATTEMPTS: usize = 20;

/// What the reference plugin names after one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferenceNames<'a> {
    /// The chain that `iptables` jumps to for the container's addresses.
    pub chain: &'a str,
    /// The beginning of the comments of its rules in `nft`.
    pub comment: &'a str,
}

/// Succeeds if there is nothing to remove. `network` is for errors.
pub fn remove_reference(
    socket: &mut Socket<Netfilter>,
    network: &str,
    names: &ReferenceNames<'_>,
) -> Result<(), MasqueradeError> {
    for table in [Table::of_ipv4(IPTABLES_TABLE), Table::of_ipv6(IPTABLES_TABLE), Table::from(NFT_TABLE)] {
        match remove_from(socket, table, names) {
            // A kernel without nftables has no such rules.
            Err(refusal) if error::missed_by(&refusal).is_some() => {}
            done => {
                done.map_err(|refusal| {
                    error::explain("remove the reference plugin's masquerade of", network, refusal)
                })?;
            }
        }
    }
    Ok(())
}

fn remove_from(socket: &mut Socket<Netfilter>, table: Table<'_>, names: &ReferenceNames<'_>) -> Result<(), Refusal> {
    for attempt in 1.. {
        let Some(transaction) = removal(socket, table, names)? else { return Ok(()) };
        match transaction.commit(socket) {
            Err(Refusal { step: Step::DeleteRule | Step::DeleteChain, error })
                if error.kind == ErrorKind::NotFound && attempt < ATTEMPTS => {}
            done => return done,
        }
    }
    Ok(())
}

fn removal<'a>(
    socket: &mut Socket<Netfilter>,
    table: Table<'a>,
    names: &ReferenceNames<'_>,
) -> Result<Option<Transaction<'a>>, Refusal> {
    let mut transaction = Transaction::of_table(table, None);
    let mut is_something = false;
    for rule in ruleset::rules(socket, table, IPTABLES_CHAIN)? {
        if rule.jumps_to(names.chain) {
            transaction.delete_rule(IPTABLES_CHAIN, &rule);
            is_something = true;
        }
    }
    for rule in ruleset::rules(socket, table, NFT_CHAIN)? {
        if rule.comment.as_ref().is_some_and(|comment| comment.starts_with(names.comment)) {
            transaction.delete_rule(NFT_CHAIN, &rule);
            is_something = true;
        }
    }
    if ruleset::chain_exists(socket, table, names.chain)? {
        transaction.delete_chain(names.chain);
        is_something = true;
    }
    Ok(is_something.then_some(transaction))
}
