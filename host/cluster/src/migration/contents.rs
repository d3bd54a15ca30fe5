//! What is moved: members and live blocks.

use std::collections::BTreeMap;

use gingham_ownership::record::{self, BlockRecord, ConfigRecord, MemberRecord, Membership};
use ipnet::IpNet;

use super::MigrationError;
use super::read::{Read, Value};

/// The uids of Node objects, by name.
pub type NodeUids = BTreeMap<String, String>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Those that are members, and those that were: their incarnations must not be used again.
    pub members: BTreeMap<String, MemberRecord>,
    pub blocks: BTreeMap<IpNet, BlockRecord>,
}

impl Contents {
    /// Refuses whatever could make two nodes hold a block.
    pub(super) fn of(read: &Read, store: &'static str, nodes: Option<&NodeUids>) -> Result<Self, MigrationError> {
        if let Some(key) = read.unreadable.first() {
            return Err(MigrationError::Unreadable { store, key: key.clone() });
        }
        let mut contents = Self { members: BTreeMap::new(), blocks: BTreeMap::new() };
        for (value, _) in read.values.values() {
            match value {
                Value::Member(name, member) => drop(contents.members.insert(name.clone(), member.clone())),
                Value::Block(block, record) if read.is_live(record) => {
                    contents.blocks.insert(*block, record.clone());
                }
                Value::Block(..) => {}
            }
        }
        contents.require_consistent(read.config(), store)?;
        if let Some(nodes) = nodes {
            contents.name_nodes(nodes)?;
        }
        Ok(contents)
    }

    fn require_consistent(&self, config: Option<&ConfigRecord>, store: &'static str) -> Result<(), MigrationError> {
        let mut last: Option<IpNet> = None;
        for (block, record) in &self.blocks {
            let wrong = |why: String| {
                let owner = record.owner.clone();
                Err(MigrationError::Inconsistent { store, block: *block, owner, why })
            };
            // A block that lies in another one follows it in this order.
            if let Some(last) = last.filter(|last| last.contains(block)) {
                return wrong(format!("lies in the block {last}"));
            }
            if !self.members.contains_key(&record.owner) {
                return wrong("is no member".to_owned());
            }
            if config.is_none_or(|config| !config.grids.iter().any(|grid| grid.index(*block).is_some())) {
                return wrong("is not in the network's range".to_owned());
            }
            last = Some(*block);
        }
        Ok(())
    }

    fn name_nodes(&mut self, nodes: &NodeUids) -> Result<(), MigrationError> {
        let mut names = Vec::new();
        for (name, member) in &mut self.members {
            match nodes.get(name) {
                Some(uid) => member.node_uid = Some(uid.clone()),
                None if member.membership == Membership::Member => names.push(name.clone()),
                None => {}
            }
        }
        if names.is_empty() { Ok(()) } else { Err(MigrationError::NoNode { names }) }
    }

    /// That the blocks which a node holds by its own disk are its here.
    pub(super) fn require_held(&self, node: &str, held: &[IpNet], store: &'static str) -> Result<(), MigrationError> {
        let is_its = |block: &&IpNet| self.blocks.get(*block).is_some_and(|record| record.owner == node);
        match held.iter().find(|block| !is_its(block)) {
            None => Ok(()),
            Some(block) => Err(MigrationError::Disagreement { store, block: *block }),
        }
    }

    pub(super) fn values(&self) -> BTreeMap<String, Value> {
        let member = |(name, member): (&String, &MemberRecord)| {
            (record::member_key(name), Value::Member(name.clone(), member.clone()))
        };
        let block =
            |(block, record): (&IpNet, &BlockRecord)| (record::block_key(*block), Value::Block(*block, record.clone()));
        self.members.iter().map(member).chain(self.blocks.iter().map(block)).collect()
    }
}
