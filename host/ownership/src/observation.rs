//! A node as it was observed: a later observation that differs shows that it is alive.

use super::record::{LifeRecord, MemberRecord, Seen};
use super::shared_store::Version;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observation {
    pub node: String,
    pub member: MemberRecord,
    pub version: Version,
    /// Its sign of life; none from a node without an agent.
    pub life: Option<LifeRecord>,
}

impl Observation {
    /// From records of one moment.
    pub fn of(node: &str, member: &Seen<MemberRecord>, life: Option<&LifeRecord>) -> Self {
        Self { node: node.to_owned(), member: member.record.clone(), version: member.version, life: life.cloned() }
    }
}
