//! Who wants to be a member, and whether the name is its to have.

use std::net::IpAddr;

use crate::error::ClusterError;
use crate::local::LocalState;
use crate::observation::Observation;
use crate::record::{LifeRecord, MemberRecord, Membership, Seen};

/// What a node registers itself with. Its name and the id of its disk are in its [`LocalState`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Which machine it is: its machine id, and the firmware's product id if that can be read.
    pub machine: String,
    pub boot: String,
    pub address: Option<IpAddr>,
    /// The hardware address of its tunnel device. None leaves what is registered.
    pub mac: Option<String>,
    /// In Kubernetes: the uid of its Node object. None leaves what is registered.
    pub node_uid: Option<String>,
}

impl Identity {
    /// Refuses a name that another machine uses, as far as that can be known.
    ///
    /// A machine that was cloned with its ids has another address: then the registered one is watched for a sign of
    /// life. A clone of a node that has no agent, or with the same address, is found out only later, when the other
    /// one sees an incarnation that is not its own.
    pub(super) fn check_name(
        &self,
        local: &LocalState,
        seen: &Seen<MemberRecord>,
        life: Option<&Seen<LifeRecord>>,
        watched: Option<&Observation>,
    ) -> Result<(), ClusterError> {
        let node = local.node().to_owned();
        if seen.record.membership != Membership::Member {
            return Ok(());
        }
        if seen.record.machine != self.machine {
            return Err(ClusterError::NameTaken { node, machine: seen.record.machine.clone() });
        }
        let Some(address) = seen.record.address.filter(|address| Some(*address) != self.address) else { return Ok(()) };
        let Some(life) = life.filter(|_| seen.record.boot != self.boot && self.address.is_some()) else {
            return Ok(());
        };
        let now = Observation::of(&node, seen, Some(&life.record));
        match watched {
            None => {
                let observation = Box::new(now);
                Err(ClusterError::Suspicious { node, address: address.to_string(), observation })
            }
            Some(before) if *before != now => Err(ClusterError::Alive { node }),
            Some(_) => Ok(()),
        }
    }

    /// The record of this node in an incarnation, after the one there was.
    pub(super) fn record(
        &self,
        local: &LocalState,
        before: Option<&MemberRecord>,
        incarnation: u64,
        now: u64,
    ) -> MemberRecord {
        MemberRecord {
            machine: self.machine.clone(),
            disk: local.disk().to_owned(),
            boot: self.boot.clone(),
            incarnation,
            fenced: before.map_or(0, |before| before.fenced),
            membership: Membership::Member,
            address: self.address,
            mac: self.mac.clone().or_else(|| before.and_then(|before| before.mac.clone())),
            node_uid: self.node_uid.clone().or_else(|| before.and_then(|before| before.node_uid.clone())),
            closed: before.map_or(0, |before| before.closed),
            confirmed: before.map_or(0, |before| before.confirmed.saturating_add(1)),
            since: before.filter(|before| before.incarnation == incarnation).map_or(now, |before| before.since),
            rest: before.map(|before| before.rest.clone()).unwrap_or_default(),
        }
    }

    /// Whether others find in the record what they need.
    pub(super) fn agrees(&self, record: &MemberRecord) -> bool {
        record.address == self.address
            && (self.mac.is_none() || record.mac == self.mac)
            && (self.node_uid.is_none() || record.node_uid == self.node_uid)
    }
}
