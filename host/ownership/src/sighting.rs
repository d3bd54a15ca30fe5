//! A node as it was seen: what is compared later to know whether it shows life.

use super::record::{LifeRecord, MemberRecord, Seen};
use super::shared_store::Version;

/// A node as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sighting {
    /// Its name.
    pub node: String,
    /// Its record.
    pub member: MemberRecord,
    /// When that was written.
    pub version: Version,
    /// Its sign of life; none from a node without companion.
    pub life: Option<LifeRecord>,
}

impl Sighting {
    /// From records of one moment.
    pub fn of(node: &str, member: &Seen<MemberRecord>, life: Option<&LifeRecord>) -> Self {
        Self { node: node.to_owned(), member: member.record.clone(), version: member.version, life: life.cloned() }
    }
}
