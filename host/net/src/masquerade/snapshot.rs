//! A network's masquerade in the kernel, and the transactions that change it to what is wanted.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::intervals::Intervals;
use super::{CHAIN, Masqueraded, containers, earlier, network_set, rule_for};
use crate::netlink::{Netfilter, Socket};
use crate::nftables::refusal::Refusal;
use crate::nftables::rule::InstalledRule;
use crate::nftables::ruleset::{self, Generation, Transaction};
use crate::nftables::set::{Element, Family};

/// A transaction is one datagram, and by default the kernel takes some 200 kB of it.
const ADDRESSES_PER_TRANSACTION: usize = 2000;
/// By default the kernel queues some 250 answers to one datagram.
const RULES_PER_TRANSACTION: usize = 100;

/// The rules of a network's chain.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Families whose rule is there.
    families: BTreeSet<Family>,
    /// Rules of earlier versions, by their prefix.
    earlier: Vec<(IpNet, InstalledRule)>,
    /// Ours, but wrong or repeated.
    stray: Vec<InstalledRule>,
}

impl Rules {
    pub(super) fn read(socket: &mut Socket<Netfilter>, table: &str) -> Result<Self, Refusal> {
        let mut rules = Self::default();
        for rule in ruleset::rules(socket, table, CHAIN)? {
            let family = Family::BOTH.into_iter().find(|family| rule.does(&rule_for(*family)));
            if let Some(prefix) = earlier::prefix_of(&rule) {
                rules.earlier.push((prefix, rule));
            } else if let Some(family) = family.filter(|_| rule.comment.as_deref() == Some(super::COMMENT)) {
                if !rules.families.insert(family) {
                    rules.stray.push(rule);
                }
            } else if rule.comment.as_deref() == Some(super::COMMENT) || is_prefix(&rule) {
                rules.stray.push(rule);
            }
        }
        Ok(rules)
    }

    /// Whether there are the rules of these families and no other of ours.
    pub(super) fn are_complete_for(&self, mut families: impl Iterator<Item = Family>) -> bool {
        self.earlier.is_empty() && self.stray.is_empty() && families.all(|family| self.families.contains(&family))
    }

    pub(super) fn have(&self, family: Family) -> bool {
        self.families.contains(&family)
    }

    pub(super) fn earlier(&self) -> Vec<IpNet> {
        self.earlier.iter().map(|(prefix, _)| *prefix).collect()
    }
}

/// Only earlier versions wrote such a comment.
fn is_prefix(rule: &InstalledRule) -> bool {
    rule.comment.as_ref().is_some_and(|comment| comment.parse::<IpNet>().is_ok())
}

#[derive(Debug)]
pub(super) struct Snapshot {
    exists: bool,
    pub(super) rules: Rules,
    pub(super) addresses: BTreeSet<IpAddr>,
    network: [Intervals; 2],
}

impl Snapshot {
    pub(super) fn read(socket: &mut Socket<Netfilter>, table: &str) -> Result<Self, Refusal> {
        let rules = Rules::read(socket, table)?;
        let mut addresses = BTreeSet::new();
        for family in Family::BOTH {
            let elements = ruleset::elements(socket, table, containers(family))?;
            addresses.extend(elements.into_iter().map(|element| element.key));
        }
        let network = [network_of(socket, table, Family::V4)?, network_of(socket, table, Family::V6)?];
        Ok(Self { exists: ruleset::table_exists(socket, table)?, rules, addresses, network })
    }

    /// Whether the table exists and masquerades nothing.
    pub(super) fn is_unused(&self) -> bool {
        self.exists && self.addresses.is_empty() && self.rules.earlier.is_empty()
    }

    /// The next transaction towards what is wanted; none if nothing is missing.
    pub(super) fn step<'a>(
        &self,
        table: &'a str,
        wanted: &Masqueraded,
        only_in: Option<Generation>,
    ) -> Option<Transaction<'a>> {
        let mut transaction = Transaction::of_table(table, only_in);
        let families: BTreeSet<Family> = wanted.addresses.iter().map(|address| Family::of(*address)).collect();
        let mut changes = false;
        if !families.is_empty() {
            transaction.add_table();
            transaction.add_postrouting_chain(CHAIN, "nat");
        }
        for family in families {
            changes |= self.step_of_family(&mut transaction, family, wanted);
        }
        let rules = self.rules.earlier.iter().map(|(_, rule)| rule).chain(&self.rules.stray);
        for rule in rules.take(RULES_PER_TRANSACTION) {
            transaction.delete_rule(CHAIN, rule);
            changes = true;
        }
        changes.then_some(transaction)
    }

    fn step_of_family(&self, transaction: &mut Transaction<'_>, family: Family, wanted: &Masqueraded) -> bool {
        transaction.add_set(containers(family));
        transaction.add_set(network_set(family));
        let missing = some_of(family, wanted.addresses.difference(&self.addresses));
        transaction.add_elements(containers(family), &missing);
        let present = &self.network[usize::from(family == Family::V6)];
        let network = Intervals::of(family, &wanted.within).with(present);
        let grows = network != *present;
        if grows {
            transaction.clear_set(network_set(family));
            transaction.add_elements(network_set(family), &network.elements());
        }
        let lacks_rule = !self.rules.have(family);
        if lacks_rule {
            transaction.add_rule(CHAIN, &rule_for(family));
        }
        !missing.is_empty() || grows || lacks_rule
    }
}

fn some_of<'a>(family: Family, addresses: impl Iterator<Item = &'a IpAddr>) -> Vec<Element> {
    let ours = addresses.filter(|address| Family::of(**address) == family);
    ours.take(ADDRESSES_PER_TRANSACTION).map(|address| Element::single(*address)).collect()
}

pub(super) fn network_of(socket: &mut Socket<Netfilter>, table: &str, family: Family) -> Result<Intervals, Refusal> {
    Ok(Intervals::shown(family, &ruleset::elements(socket, table, network_set(family))?))
}
