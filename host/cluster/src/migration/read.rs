//! A store's records at one moment.

use std::collections::BTreeMap;

use gingham_ownership::error::ClusterError;
use gingham_ownership::grid::Grid;
use gingham_ownership::record::{self, BlockRecord, ConfigRecord, MemberRecord};
use gingham_ownership::shared_store::Version;
use gingham_ownership::snapshot::Snapshot;
use ipnet::IpNet;

use super::MigrationError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Member(String, MemberRecord),
    Block(IpNet, BlockRecord),
}

impl Value {
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Member(_, member) => record::write(member),
            Self::Block(_, block) => record::write(block),
        }
    }
}

/// A store's records at one moment.
pub(super) struct Read {
    pub(super) config: Option<(ConfigRecord, Version)>,
    /// Members and blocks, by key.
    pub(super) values: BTreeMap<String, (Value, Version)>,
    pub(super) unreadable: Vec<String>,
    pub(super) snapshot: Snapshot,
}

impl Read {
    pub(super) fn config(&self) -> Option<&ConfigRecord> {
        self.config.as_ref().map(|(config, _)| config)
    }

    pub(super) fn is_live(&self, block: &BlockRecord) -> bool {
        self.snapshot.is_live(block)
    }

    /// That this node's configuration divides the range as its members do.
    pub(super) fn require_grids(&self, ours: &[Grid], store: &'static str) -> Result<(), MigrationError> {
        match self.config() {
            Some(config) if config.grids != ours => {
                let source = ClusterError::OtherGrids { theirs: config.grids.clone(), ours: ours.to_vec() };
                Err(MigrationError::Records { store, source: Box::new(source) })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn has_only(&self, wanted: &BTreeMap<String, Value>) -> bool {
        let found = self.values.iter().map(|(key, (value, _))| (key, value));
        self.unreadable.is_empty() && found.eq(wanted)
    }
}
