//! The part of nftables that is needed here, spoken over netlink: tables of two families, base chains, rules with a comment,
//! and transactions, which the kernel carries out as a whole or not at all.
//!
//! The messages are laid out as `nft` lays them out, so that `nft list table` shows what an administrator would have
//! written by hand.

pub(crate) mod attribute;
pub(crate) mod expression;
pub(crate) mod refusal;
pub(crate) mod rule;
pub(crate) mod ruleset;
pub(crate) mod set;
