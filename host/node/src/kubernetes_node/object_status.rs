//! What `kubectl get gingham` shows: the status of this node's `NetworkMember`, and of all members together that of the
//! `AddressNetwork`. Nothing is decided by it. It changes with blocks and faults and never with a pod: each write is an event on
//! every node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gingham_kubernetes::{ApiError, Patch, Resource, Watched, member_name};
use serde_json::{Value, json};
use tracing::warn;

use super::node_conditions::now;
use super::{RETRY, deadline};
use crate::kubernetes::Kubernetes;
use crate::last_fault::LastFault;
use crate::publication::{Publication, Published};
use crate::reconcile::{Board, State, Status};

/// Between two looks at what the watches do not show.
const STEP: Duration = Duration::from_secs(5);
/// What comes together is looked at together.
const PAUSE: Duration = Duration::from_secs(1);

/// Between two writes of one object, and where only the number of a member's blocks has changed.
const NEWS: Duration = Duration::from_secs(10);
const NUMBERS: Duration = Duration::from_mins(1);

/// The first member by name writes the network's status, the others in case it does not.
const RANK: Duration = Duration::from_secs(15);
const LAST_RANK: u32 = 10;

const SERVING: &str = "Serving";
const READY: &str = "Ready";
const CONFLICT: &str = "OwnershipConflict";
const NO_MEMBER: &str = "NoMember";

pub(super) struct ObjectStatus {
    kubernetes: Kubernetes,
    network: String,
    board: Board,
    published: Published,
    watched: Arc<Watched>,
    member_written: Option<Instant>,
    network_written: Option<Instant>,
    /// A status of the network that is not as it should be, and since when it is there.
    outdated: Option<(Value, Instant)>,
}

/// A condition, without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    is_true: bool,
    reason: String,
    message: String,
}

/// A `NetworkMember` of the network.
struct Member<'a> {
    node: &'a str,
    is_member: bool,
    fenced: u64,
    object: &'a Value,
}

impl ObjectStatus {
    pub(super) fn new(
        kubernetes: Kubernetes,
        network: &str,
        (board, published): (Board, Published),
        watched: Arc<Watched>,
    ) -> Self {
        let network = network.to_owned();
        let (member_written, network_written, outdated) = (None, None, None);
        Self { kubernetes, network, board, published, watched, member_written, network_written, outdated }
    }

    pub(super) fn run(mut self) {
        let mut last = LastFault::default();
        loop {
            let seen = self.watched.signal().changes();
            match self.step() {
                Ok(()) => {
                    last.end();
                    self.watched.signal().wait(seen, STEP);
                    thread::sleep(PAUSE);
                }
                Err(error) => {
                    if let Some(text) = last.news(&error) {
                        warn!("{text}; retrying every {} s", RETRY.as_secs());
                    }
                    thread::sleep(RETRY);
                }
            }
        }
    }

    fn step(&mut self) -> Result<(), ApiError> {
        let objects = |resource| self.watched.objects(&resource);
        let (Some(members), Some(blocks), Some(networks)) =
            (objects(Resource::members()), objects(Resource::blocks()), objects(Resource::networks()))
        else {
            return Ok(());
        };
        let members = members_of(members.values().map(AsRef::as_ref), &self.network);
        let claimed = claimed(blocks.values().map(AsRef::as_ref), &self.network, &members);
        let publication = self.published.now();
        let statuses = self.board.statuses();
        let status = statuses.get(&self.network);
        let serving = serving(&publication, status);
        let conflict = status.and_then(|status| status.ownership_conflict.as_ref());
        let conflict = conflict.map(|text| Verdict::yes("OwnerEdited", text));
        let own = members.iter().find(|member| member.node == self.kubernetes.node && member.is_member);
        if let Some(own) = own {
            let blocks = claimed.get(own.node).copied().unwrap_or_default();
            self.report_member(own.object, blocks, (serving.as_ref(), conflict.as_ref()))?;
        }
        let Some(network) = networks.values().next() else { return Ok(()) };
        self.report_network(network, &members, claimed.values().sum(), &publication)
    }

    fn report_member(
        &mut self,
        object: &Value,
        blocks: u64,
        (serving, conflict): (Option<&Verdict>, Option<&Verdict>),
    ) -> Result<(), ApiError> {
        let present = &object["status"];
        let was_in_conflict = Verdict::of(present, CONFLICT);
        let conflict = serving.map_or(was_in_conflict.as_ref(), |_| conflict);
        let before = Verdict::of(present, SERVING);
        // An agent that starts reports what it knows, and that is nothing yet.
        let Some(serving) = serving.or(before.as_ref()) else { return Ok(()) };
        let version = env!("CARGO_PKG_VERSION");
        let is_other = before.as_ref() != Some(serving) || was_in_conflict.as_ref() != conflict;
        let is_news = is_other || present["agentVersion"] != version;
        if !is_news && present["blocks"] == blocks || !is_due(self.member_written, is_news) {
            return Ok(());
        }
        let conflict = conflict.map(|conflict| conflict.condition(CONFLICT, present, None));
        let conditions: Vec<Value> =
            std::iter::once(serving.condition(SERVING, present, None)).chain(conflict).collect();
        let status = json!({"agentVersion": version, "blocks": blocks, "conditions": conditions});
        self.patch(
            &Resource::members(),
            &member_name(&self.network, &self.kubernetes.node),
            &json!({"status": status}),
        )?;
        self.member_written = Some(Instant::now());
        Ok(())
    }

    fn report_network(
        &mut self,
        object: &Value,
        members: &[Member<'_>],
        claimed: u64,
        publication: &Publication,
    ) -> Result<(), ApiError> {
        let (present, generation) = (&object["status"], &object["metadata"]["generation"]);
        let members: Vec<&Member<'_>> = members.iter().filter(|member| member.is_member).collect();
        let rank = members.iter().position(|member| member.node == self.kubernetes.node);
        let ready = match rank {
            Some(_) => ready(&members),
            None if members.is_empty() => match self.refused(present, generation, publication) {
                Some(refused) => refused,
                None => return Ok(()),
            },
            None => return Ok(()),
        };
        let condition = ready.condition(READY, present, Some(generation));
        let wanted = json!({"claimed": claimed, "members": members.len(), "conditions": [condition]});
        if *present == wanted {
            self.outdated = None;
            return Ok(());
        }
        let since = match &self.outdated {
            Some((outdated, since)) if outdated == present => *since,
            _ => Instant::now(),
        };
        self.outdated = Some((present.clone(), since));
        let rank = u32::try_from(rank.unwrap_or_default()).unwrap_or(LAST_RANK).min(LAST_RANK);
        if since.elapsed() < RANK * rank || !is_due(self.network_written, true) {
            return Ok(());
        }
        let patch = json!({"metadata": {"resourceVersion": object["metadata"]["resourceVersion"]}, "status": wanted});
        self.patch(&Resource::networks(), &self.network, &patch)?;
        self.network_written = Some(Instant::now());
        Ok(())
    }

    /// Of a network that no node could join yet: the first node that writes why keeps the word.
    fn refused(&self, present: &Value, generation: &Value, publication: &Publication) -> Option<Verdict> {
        let reason = publication.waiting.as_ref().filter(|_| publication.refused.is_some())?;
        let own = format!("node {}: ", self.kubernetes.node);
        let before = Verdict::of(present, READY).filter(|before| before.reason == NO_MEMBER);
        let is_current = condition_of(present, READY).is_some_and(|ready| ready["observedGeneration"] == *generation);
        match before.filter(|before| is_current && !before.message.starts_with(&own)) {
            Some(_) => None,
            None => Some(Verdict::no(NO_MEMBER, format!("{own}{reason}"))),
        }
    }

    fn patch(&self, resource: &Resource, name: &str, patch: &Value) -> Result<(), ApiError> {
        match self.kubernetes.api.patch(resource, (name, Some("status")), (Patch::Merge, patch), deadline()) {
            // Another agent was faster, or the object is gone: the watch shows it.
            Err(ApiError::Refused { status, .. }) if matches!(status.code, 404 | 409) => Ok(()),
            patched => patched.map(drop),
        }
    }
}

impl Verdict {
    fn no(reason: &str, message: impl Into<String>) -> Self {
        Self { is_true: false, reason: reason.to_owned(), message: message.into() }
    }

    fn yes(reason: &str, message: &str) -> Self {
        Self { is_true: true, reason: reason.to_owned(), message: message.to_owned() }
    }

    fn of(status: &Value, kind: &str) -> Option<Self> {
        let condition = condition_of(status, kind)?;
        let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
        Some(Self { is_true: condition["status"] == "True", reason: text("reason"), message: text("message") })
    }

    /// The time of the transition is that of the status alone.
    fn condition(&self, kind: &str, present: &Value, generation: Option<&Value>) -> Value {
        let before = condition_of(present, kind);
        let status = if self.is_true { "True" } else { "False" };
        let kept =
            before.filter(|before| before["status"] == status).map(|before| before["lastTransitionTime"].clone());
        let mut condition = json!({
            "type": kind, "status": status, "reason": self.reason, "message": self.message,
            "lastTransitionTime": kept.unwrap_or_else(|| now().into()),
        });
        if let Some(generation) = generation {
            condition["observedGeneration"] = generation.clone();
        }
        condition
    }
}

fn condition_of<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

fn is_due(written: Option<Instant>, is_news: bool) -> bool {
    written.is_none_or(|written| written.elapsed() >= if is_news { NEWS } else { NUMBERS })
}

/// In the order of the nodes' names.
fn members_of<'a>(objects: impl Iterator<Item = &'a Value>, network: &str) -> Vec<Member<'a>> {
    let of = |object: &'a Value| {
        let spec = &object["spec"];
        Some(Member {
            node: spec["node"].as_str()?,
            is_member: spec["membership"] == "member",
            fenced: spec["fenced"].as_u64().unwrap_or_default(),
            object,
        })
    };
    let mut members: Vec<_> = objects.filter(|object| object["spec"]["network"] == network).filter_map(of).collect();
    members.sort_by_key(|member| member.node);
    members
}

/// How many blocks each node holds: those that it claimed since its membership was ended last.
fn claimed<'a>(
    blocks: impl Iterator<Item = &'a Value>,
    network: &str,
    members: &[Member<'a>],
) -> BTreeMap<&'a str, u64> {
    let mut held: BTreeMap<&str, (u64, u64)> = members.iter().map(|member| (member.node, (member.fenced, 0))).collect();
    for spec in blocks.map(|block| &block["spec"]).filter(|spec| spec["network"] == network) {
        let owner = spec["owner"].as_str().and_then(|owner| held.get_mut(owner));
        if let Some((fenced, count)) = owner
            && spec["incarnation"].as_u64().is_some_and(|incarnation| incarnation > *fenced)
        {
            *count += 1;
        }
    }
    held.into_iter().map(|(node, (_, count))| (node, count)).collect()
}

/// Whether pods of this node get addresses by the network's present configuration; none while that is not known.
fn serving(publication: &Publication, status: Option<&Status>) -> Option<Verdict> {
    if let Some(reason) = &publication.waiting {
        return publication.refused.is_some().then(|| Verdict::no("ConfigurationRefused", reason));
    }
    let status = status?;
    if let Some(file) = &publication.foreign {
        let message = format!("the container runtime uses {}, which sorts first", file.display());
        return Some(Verdict::no("ForeignConfiguration", message));
    }
    match &status.state {
        State::Starting | State::StoreUnreachable(_) => None,
        State::Failed(reason) => Some(Verdict::no("Failed", reason)),
        State::Reconciled if status.usage.free + status.usage.cooling == 0 => {
            Some(Verdict::no("Exhausted", "no address is free on the node, and no block of the range is unclaimed"))
        }
        State::Reconciled => Some(Verdict::yes(SERVING, "pods get addresses")),
    }
}

/// Of at least one member.
fn ready(members: &[&Member<'_>]) -> Verdict {
    let problem = |member: &&Member<'_>| match Verdict::of(&member.object["status"], SERVING) {
        None => Some(format!("node {} has not reported yet", member.node)),
        Some(serving) if serving.is_true => None,
        Some(serving) => Some(format!("node {}: {}", member.node, serving.message)),
    };
    let mut problems = members.iter().filter_map(problem);
    match (problems.next(), problems.count()) {
        (None, _) => Verdict::yes("AllMembersServe", "every member serves it"),
        (Some(first), 0) => Verdict::no("MemberNotServing", first),
        (Some(first), more) => Verdict::no("MemberNotServing", format!("{first} (and {more} more)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(node: &str, membership: &str, fenced: u64, serving: &str) -> Value {
        let conditions = json!([{"type": SERVING, "status": serving, "reason": "r", "message": "full"}]);
        let conditions = if serving.is_empty() { json!([]) } else { conditions };
        json!({"spec": {"network": "pods", "node": node, "membership": membership, "fenced": fenced},
            "status": {"conditions": conditions}})
    }

    fn block(network: &str, owner: &str, incarnation: u64) -> Value {
        json!({"spec": {"network": network, "owner": owner, "incarnation": incarnation}})
    }

    #[test]
    fn blocks_count_for_the_members_that_hold_them() {
        let objects = [member("b", "member", 1, "True"), member("a", "taken", 4, "True")];
        let members = members_of(objects.iter(), "pods");
        let blocks = [("pods", "b", 2), ("pods", "b", 1), ("pods", "a", 4), ("other", "b", 2), ("pods", "c", 9)];
        let blocks = blocks.map(|(network, owner, incarnation)| block(network, owner, incarnation));
        let claimed = claimed(blocks.iter(), "pods", &members);
        assert_eq!(claimed, BTreeMap::from([("a", 0), ("b", 1)]));
    }

    #[test]
    fn a_network_is_ready_when_every_member_serves() {
        let of = |objects: &[Value]| {
            let members = members_of(objects.iter(), "pods");
            let verdict = ready(&members.iter().collect::<Vec<_>>());
            (verdict.is_true, verdict.message)
        };
        let (a, silent, full) =
            (member("a", "member", 0, "True"), member("b", "member", 0, ""), member("c", "member", 0, "False"));
        assert_eq!(of(std::slice::from_ref(&a)), (true, "every member serves it".to_owned()));
        assert_eq!(of(&[a.clone(), full.clone()]), (false, "node c: full".to_owned()));
        assert_eq!(of(&[full, silent, a]), (false, "node b has not reported yet (and 1 more)".to_owned()));
    }

    #[test]
    fn the_time_of_a_transition_stays_while_the_status_does() {
        let present = json!({"conditions": [{"type": READY, "status": "False", "lastTransitionTime": "t"}]});
        assert_eq!(Verdict::no("a", "b").condition(READY, &present, None)["lastTransitionTime"], "t");
        assert_ne!(Verdict::yes("a", "b").condition(READY, &present, None)["lastTransitionTime"], "t");
    }
}
