//! Members whose Node object was deleted, or has the taint `out-of-service`: an operator's order to take them over (rule
//! R8). Silence alone never is one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gingham_cluster::Fault;
use gingham_ownership::beat::LEASE_WATCH;
use gingham_ownership::error::ClusterError;
use gingham_ownership::record::{MemberRecord, Membership};
use gingham_ownership::snapshot::Snapshot;
use gingham_ownership::takeover::Observation;
use serde_json::Value;
use tracing::{debug, info, warn};

use super::{Member, deadline};
use crate::cluster_calls::AgentError;

const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// Two minutes between two looks. Each is at one other member, so that each member is looked at as often in a cluster of any size.
const PERIOD: u32 = 4;
/// Five minutes from the look that found a Node object deleted.
const WAIT: u32 = 10;

pub(super) struct Departures {
    /// 30 s, unless a test says otherwise.
    grace_period: Duration,
    looked: Option<Instant>,
    /// Whose turn it is.
    number: usize,
    departed: BTreeMap<String, Departed>,
}

struct Departed {
    observation: Observation,
    since: Instant,
    order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Deleted,
    OutOfService,
}

impl Departures {
    pub(super) fn new(grace_period: Duration) -> Self {
        Self { grace_period, looked: None, number: 0, departed: BTreeMap::new() }
    }

    /// The next member to look at, if it is time.
    fn turn(&mut self, me: &str, records: &Snapshot) -> Option<(String, MemberRecord)> {
        if self.looked.is_some_and(|looked| looked.elapsed() < self.grace_period * PERIOD) {
            return None;
        }
        let members = records.members.iter().filter(|(name, seen)| {
            *name != me && seen.record.membership == Membership::Member && seen.record.is_alive()
        });
        let members: Vec<_> = members.collect();
        // The first turn is of the next one by name: then no two agents look at the same.
        let first = members.iter().position(|(name, _)| name.as_str() > me).unwrap_or_default();
        let (name, seen) = members.get((first + self.number) % members.len().max(1))?;
        self.looked = Some(Instant::now());
        self.number += 1;
        Some(((*name).clone(), seen.record.clone()))
    }

    fn is_ripe(&self, departed: &Departed) -> bool {
        let wait = match departed.order {
            Order::Deleted => (self.grace_period * WAIT).max(Duration::from_millis(LEASE_WATCH)),
            Order::OutOfService => Duration::from_millis(LEASE_WATCH),
        };
        departed.since.elapsed() >= wait
    }
}

/// What the Node object of a member orders.
fn order(node: Option<&Value>, member: &MemberRecord) -> Option<Order> {
    // Without a uid it is not known which Node object the member's is.
    let uid = member.node_uid.as_deref()?;
    let Some(node) = node.filter(|node| node["metadata"]["uid"] == uid) else { return Some(Order::Deleted) };
    let taints = node["spec"]["taints"].as_array();
    let is_out = taints.into_iter().flatten().any(|taint| taint["key"] == OUT_OF_SERVICE);
    is_out.then_some(Order::OutOfService)
}

impl Member {
    /// Looks at one member at a time, and takes over those that have departed. A failure is tried again.
    pub(super) fn follow_departures(&mut self, records: &Snapshot) {
        if self.node_object.is_none() {
            return;
        }
        let network = self.settled().network.clone();
        let me = self.with(|_, parts| parts.cluster.node().to_owned());
        if let Some((node, member)) = self.departures.turn(&me, records)
            && let Err(error) = self.look_at(&node, &member)
        {
            debug!(network, "cannot see whether {node} has departed: {error}");
        }
        let ripe = self.departures.departed.iter().filter(|(_, departed)| self.departures.is_ripe(departed));
        let ripe: Vec<String> = ripe.map(|(node, _)| node.clone()).collect();
        for node in ripe {
            let Some(departed) = self.departures.departed.remove(&node) else { continue };
            if let Err(error) = self.end(&node, departed) {
                warn!(network, "cannot take over {node}, whose Node object is gone: {error}");
            }
        }
    }

    fn ordered(&self, node: &str, member: &MemberRecord) -> Result<Option<Order>, AgentError> {
        let Some(object) = &self.node_object else { return Ok(None) };
        Ok(order(object.kubernetes.node_object(node, deadline())?.as_ref(), member))
    }

    fn look_at(&mut self, node: &str, member: &MemberRecord) -> Result<(), AgentError> {
        let Some(order) = self.ordered(node, member)? else {
            self.departures.departed.remove(node);
            return Ok(());
        };
        if self.departures.departed.contains_key(node) {
            return Ok(());
        }
        let observation = self.with(|_, parts| parts.cluster.observe(node, deadline()));
        let observation = observation.map_err(super::cluster_error)?;
        warn!(network = self.settled().network, "the Node object of {node} {}", found(order));
        let departed = Departed { observation, since: Instant::now(), order };
        self.departures.departed.insert(node.to_owned(), departed);
        Ok(())
    }

    fn end(&mut self, node: &str, departed: Departed) -> Result<(), AgentError> {
        if self.ordered(node, &departed.observation.member)?.is_none() {
            info!(
                network = self.settled().network,
                "{node} is not taken over: its Node object is there again, or without the taint"
            );
            return Ok(());
        }
        let taken = self.with(|_, parts| parts.cluster.take_over_deleted(departed.observation, deadline()));
        match taken {
            Ok(_) => warn!(network = self.settled().network, "took over {node}: its blocks are free"),
            Err(Fault::Protocol(error @ (ClusterError::Alive { .. } | ClusterError::CameBack { .. }))) => {
                info!(network = self.settled().network, "{error}");
            }
            Err(error) => return Err(super::cluster_error(error)),
        }
        Ok(())
    }
}

fn found(order: Order) -> &'static str {
    match order {
        Order::Deleted => "was deleted: its blocks become free in some minutes, unless it shows life",
        Order::OutOfService => "has the taint out-of-service: its blocks become free, unless it shows life",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn member(uid: Option<&str>) -> MemberRecord {
        MemberRecord {
            machine: "m".to_owned(),
            disk: "d".to_owned(),
            boot: "b".to_owned(),
            incarnation: 1,
            fenced: 0,
            membership: Membership::Member,
            address: None,
            mac: None,
            node_uid: uid.map(str::to_owned),
            closed: 0,
            confirmed: 0,
            since: 0,
            rest: Map::new(),
        }
    }

    #[test]
    fn only_a_deletion_or_the_taint_is_an_order() {
        let node = json!({"metadata": {"uid": "u"}, "spec": {"taints": [{"key": "node.kubernetes.io/unreachable"}]}});
        assert_eq!(order(Some(&node), &member(Some("u"))), None, "unreachable is not dead");
        assert_eq!(order(Some(&node), &member(Some("v"))), Some(Order::Deleted), "created again under its name");
        assert_eq!(order(None, &member(Some("u"))), Some(Order::Deleted));
        assert_eq!(order(None, &member(None)), None, "which Node object it was is not known");
        let out =
            json!({"metadata": {"uid": "u"}, "spec": {"taints": [{"key": OUT_OF_SERVICE, "value": "nodeshutdown"}]}});
        assert_eq!(order(Some(&out), &member(Some("u"))), Some(Order::OutOfService));
    }
}
