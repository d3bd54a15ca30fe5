//! Rules of earlier versions: one for each prefix of a network, without a list of addresses.
//!
//! ```text
//! ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade comment "10.244.0.0/16"
//! ```

use ipnet::IpNet;

use super::multicast;
use crate::nftables::expression::{Expressions, Side, When};
use crate::nftables::rule::{InstalledRule, Rule};
use crate::nftables::set::Family;

/// The prefix that a rule masquerades, if it is one of these.
pub(super) fn prefix_of(rule: &InstalledRule) -> Option<IpNet> {
    let prefix = rule.comment.as_ref()?.parse().ok()?;
    rule.does(&rule_for(prefix)).then_some(prefix)
}

pub(super) fn rule_for(prefix: IpNet) -> Rule {
    let expressions = Expressions::for_family_of(&prefix)
        .then_address(Side::Source, When::Within, &prefix)
        .then_address(Side::Destination, When::Outside, &prefix)
        .then_address(Side::Destination, When::Outside, &multicast(Family::of(prefix.addr())))
        .then_masquerade();
    Rule { comment: prefix.to_string(), expressions }
}
