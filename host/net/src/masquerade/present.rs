//! What the kernel has of a network's masquerade, and what it takes to make it another.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::intervals::Intervals;
use super::{CHAIN, Extent, Masqueraded, containers, earlier, network_set, rule_for};
use crate::netlink::{Netfilter, Socket};
use crate::nftables::refusal::Refusal;
use crate::nftables::rule::InstalledRule;
use crate::nftables::ruleset::{self, Generation, Transaction};
use crate::nftables::set::{Element, Family};

/// A transaction is one datagram, and by default the kernel takes some 200 kB of it.
const ADDRESSES_AT_ONCE: usize = 2000;
/// By default the kernel queues some 250 answers to one datagram.
const RULES_AT_ONCE: usize = 100;

/// The rules of a network's chain.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Families whose rule is there.
    families: BTreeSet<Family>,
    /// Rules of earlier versions, by their prefix.
    earlier: Vec<(IpNet, InstalledRule)>,
    /// Ours, but not as they should be, or a second time.
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

    /// Whether the rules for these families are there, and nothing else of ours.
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

/// A comment that only earlier versions gave.
fn is_prefix(rule: &InstalledRule) -> bool {
    rule.comment.as_ref().is_some_and(|comment| comment.parse::<IpNet>().is_ok())
}

/// All that the kernel has.
#[derive(Debug)]
pub(super) struct Present {
    is_there: bool,
    pub(super) rules: Rules,
    pub(super) addresses: BTreeSet<IpAddr>,
    network: [Intervals; 2],
}

impl Present {
    pub(super) fn read(socket: &mut Socket<Netfilter>, table: &str) -> Result<Self, Refusal> {
        let rules = Rules::read(socket, table)?;
        let mut addresses = BTreeSet::new();
        for family in Family::BOTH {
            let elements = ruleset::elements(socket, table, containers(family))?;
            addresses.extend(elements.into_iter().map(|element| element.key));
        }
        let network = [network_of(socket, table, Family::V4)?, network_of(socket, table, Family::V6)?];
        Ok(Self { is_there: ruleset::table_exists(socket, table)?, rules, addresses, network })
    }

    /// Whether the table could go without a loss.
    pub(super) fn is_unused(&self) -> bool {
        self.is_there && self.addresses.is_empty() && self.rules.earlier.is_empty()
    }

    /// The next transaction on the way to what is wanted; none if it is so.
    pub(super) fn step<'a>(
        &self,
        table: &'a str,
        wanted: &Masqueraded,
        extent: Extent,
        only_in: Option<Generation>,
    ) -> Option<Transaction<'a>> {
        let mut transaction = Transaction::of_table(table, only_in);
        if extent == Extent::Exact && wanted.addresses.is_empty() {
            transaction.delete_table();
            return self.is_there.then_some(transaction);
        }
        let families: BTreeSet<Family> = wanted.addresses.iter().map(|address| Family::of(*address)).collect();
        let mut changes = false;
        if !families.is_empty() {
            transaction.add_table();
            transaction.add_postrouting_chain(CHAIN, "nat");
        }
        for family in families {
            changes |= self.step_of_family(&mut transaction, family, wanted, extent);
        }
        let rules = self.rules.earlier.iter().map(|(_, rule)| rule).chain(&self.rules.stray);
        for rule in rules.take(RULES_AT_ONCE) {
            transaction.delete_rule(CHAIN, rule);
            changes = true;
        }
        if extent == Extent::Exact {
            let stale: Vec<IpAddr> = self.addresses.difference(&wanted.addresses).copied().collect();
            for family in Family::BOTH {
                let stale = some_of(family, stale.iter());
                transaction.delete_elements(containers(family), &stale);
                changes |= !stale.is_empty();
            }
        }
        changes.then_some(transaction)
    }

    fn step_of_family(
        &self,
        transaction: &mut Transaction<'_>,
        family: Family,
        wanted: &Masqueraded,
        extent: Extent,
    ) -> bool {
        transaction.add_set(containers(family));
        transaction.add_set(network_set(family));
        let missing = some_of(family, wanted.addresses.difference(&self.addresses));
        transaction.add_elements(containers(family), &missing);
        let present = &self.network[usize::from(family == Family::V6)];
        let network = Intervals::of(family, &wanted.within);
        let network = if extent == Extent::Exact { network } else { network.with(present) };
        let is_other = network != *present;
        if is_other {
            transaction.clear_set(network_set(family));
            transaction.add_elements(network_set(family), &network.elements());
        }
        let lacks_rule = !self.rules.have(family);
        if lacks_rule {
            transaction.add_rule(CHAIN, &rule_for(family));
        }
        !missing.is_empty() || is_other || lacks_rule
    }
}

fn some_of<'a>(family: Family, addresses: impl Iterator<Item = &'a IpAddr>) -> Vec<Element> {
    let ours = addresses.filter(|address| Family::of(**address) == family);
    ours.take(ADDRESSES_AT_ONCE).map(|address| Element::single(*address)).collect()
}

/// The prefixes of the network that the kernel knows.
pub(super) fn network_of(socket: &mut Socket<Netfilter>, table: &str, family: Family) -> Result<Intervals, Refusal> {
    Ok(Intervals::shown(family, &ruleset::elements(socket, table, network_set(family))?))
}
