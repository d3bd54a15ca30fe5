//! Conditions of this Node, and Events about it: whether pods can get addresses, and whether the runtime uses Gingham's
//! configuration. They are written when they change, so that neither the steady state nor a restart writes anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gingham_kubernetes::{Api, ApiError, Patch, Resource, Signal};
use serde_json::{Value, json};
use tracing::warn;

use super::{RETRY, deadline};
use crate::last_fault::LastFault;
use crate::publication::{FILE, Publication, Published};
use crate::reconcile::{Board, State, Status, stray};

const STEP: Duration = Duration::from_secs(5);
const ADDRESSES: &str = "gingham.dev/AddressesAvailable";
const CONFIGURED: &str = "gingham.dev/NetworkConfigured";
const NETWORK_UNAVAILABLE: &str = "NetworkUnavailable";
/// Events about Nodes are in this namespace, as the kubelet's are.
const EVENTS_NAMESPACE: &str = "default";

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    kind: &'static str,
    is_true: bool,
    reason: String,
    message: String,
}

pub(super) struct NodeConditions {
    api: Api,
    node: String,
    board: Board,
    published: Published,
    changed: Arc<Signal>,
    /// As the Node object has them; none until it was read.
    written: Option<BTreeMap<&'static str, Condition>>,
    /// Those with an Event.
    conflicts: BTreeMap<ConflictKey, String>,
    /// Whether a cloud's `NetworkUnavailable` has been looked for since the configuration was published.
    network_available: bool,
}

impl NodeConditions {
    pub(super) fn new(api: Api, node: String, board: Board, published: Published) -> Self {
        let changed = Arc::clone(board.changed());
        Self {
            api,
            node,
            board,
            published,
            changed,
            written: None,
            conflicts: BTreeMap::new(),
            network_available: false,
        }
    }

    pub(super) fn run(mut self) {
        let mut last = LastFault::default();
        loop {
            let seen = self.changed.changes();
            match self.step() {
                Ok(()) => {
                    last.end();
                    // Clouds keep pods away until the condition NetworkUnavailable is gone.
                    self.changed.wait(seen, STEP);
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
        let publication = self.published.now();
        let conditions = [configured(&publication)].into_iter().chain(addresses(&self.board.statuses()));
        let mut written = match self.written.take() {
            Some(written) => written,
            None => self.read()?,
        };
        let step = || -> Result<(), ApiError> {
            for condition in conditions {
                let before = written.get(condition.kind);
                if before != Some(&condition) {
                    self.write(&condition, before)?;
                    written.insert(condition.kind, condition);
                }
            }
            Ok(())
        };
        let done = step();
        self.written = Some(written);
        done?;
        self.report_conflicts(conflicts(&self.board.statuses()))?;
        if publication.waiting.is_none() && !self.network_available {
            self.end_network_unavailable()?;
            self.network_available = true;
        }
        Ok(())
    }

    /// The conditions that an earlier agent wrote.
    fn read(&self) -> Result<BTreeMap<&'static str, Condition>, ApiError> {
        let node = self.api.get(&Resource::nodes(), &self.node, deadline())?.unwrap_or_default();
        Ok([CONFIGURED, ADDRESSES].into_iter().filter_map(|kind| Some((kind, of_node(&node, kind)?))).collect())
    }

    fn write(&self, condition: &Condition, before: Option<&Condition>) -> Result<(), ApiError> {
        self.patch(condition, before.is_some_and(|before| before.is_true == condition.is_true))?;
        // The start of an agent is no news; that something is wrong is.
        let was_wrong = before.is_some_and(|before| !before.is_true);
        if condition.reason != STARTING && (!condition.is_true || was_wrong) {
            self.event(&condition.reason, condition.is_true, &condition.message)?;
        }
        Ok(())
    }

    fn patch(&self, condition: &Condition, keeps_status: bool) -> Result<(), ApiError> {
        let patch = json!({"status": {"conditions": [patch(condition, keeps_status, &now())]}});
        let place = (self.node.as_str(), Some("status"));
        self.api.patch(&Resource::nodes(), place, (Patch::Strategic, &patch), deadline()).map(drop)
    }

    /// Clouds set it, and taint the node with it, until the network reports that it works.
    fn end_network_unavailable(&self) -> Result<(), ApiError> {
        let Some(node) = self.api.get(&Resource::nodes(), &self.node, deadline())? else { return Ok(()) };
        if of_node(&node, NETWORK_UNAVAILABLE).is_none_or(|condition| !condition.is_true) {
            return Ok(());
        }
        let message = "Gingham serves the network of this node".to_owned();
        let reason = "GinghamIsUp".to_owned();
        self.patch(&Condition { kind: NETWORK_UNAVAILABLE, is_true: false, reason, message }, false)
    }

    /// An Event for each that is new, or another than before.
    fn report_conflicts(&mut self, conflicts: BTreeMap<ConflictKey, String>) -> Result<(), ApiError> {
        self.conflicts.retain(|key, _| conflicts.contains_key(key));
        for (key, message) in conflicts {
            if self.conflicts.get(&key) != Some(&message) {
                self.event(key.1, false, &message)?;
                self.conflicts.insert(key, message);
            }
        }
        Ok(())
    }

    fn event(&self, reason: &str, is_good: bool, message: &str) -> Result<(), ApiError> {
        let (now, nanoseconds) = (now(), jiff::Timestamp::now().as_nanosecond());
        let event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": format!("{}.{nanoseconds:x}", self.node), "namespace": EVENTS_NAMESPACE},
            "involvedObject": {"kind": "Node", "name": self.node, "uid": self.node},
            "reason": reason, "message": message,
            "type": if is_good { "Normal" } else { "Warning" },
            "source": {"component": "gingham-node", "host": self.node},
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        });
        self.api.create(&Resource::events().within(EVENTS_NAMESPACE), &event, deadline()).map(drop)
    }
}

const STARTING: &str = "Starting";

/// A condition that a Node object has.
fn of_node(node: &Value, kind: &'static str) -> Option<Condition> {
    let conditions = node.pointer("/status/conditions")?.as_array()?;
    let condition = conditions.iter().find(|condition| condition["type"] == kind)?;
    let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    Some(Condition { kind, is_true: condition["status"] == "True", reason: text("reason"), message: text("message") })
}

/// The time of the transition is that of the status alone: without it in the patch, the one that is there stays.
fn patch(condition: &Condition, keeps_status: bool, now: &str) -> Value {
    let Condition { kind, is_true, reason, message } = condition;
    let mut patch = json!({
        "type": kind, "status": if *is_true { "True" } else { "False" }, "reason": reason, "message": message,
        "lastHeartbeatTime": now,
    });
    if !keeps_status {
        patch["lastTransitionTime"] = now.into();
    }
    patch
}

/// Network and reason.
type ConflictKey = (String, &'static str);

/// What no condition of a Node stands for, and an operator has to see to.
fn conflicts(networks: &BTreeMap<String, Status>) -> BTreeMap<ConflictKey, String> {
    let mut found = BTreeMap::new();
    for (network, status) in networks {
        let mut add = |reason, text: String| {
            found.insert((network.clone(), reason), format!("network {network}: {text}"));
        };
        if let Some(text) = stray(&status.usage) {
            add("StrayAddresses", text);
        }
        if status.ownership_conflicts > 0 {
            let text = "other nodes own blocks that this node held: it was taken over, or came back with old data; stop containers \
                        with addresses of them (ginghamctl leases lists them)";
            add("OwnershipConflict", text.to_owned());
        }
        if status.route_conflicts > 0 {
            let text = "routes of another program lead packets for other nodes' pods elsewhere: remove them, the agent's log names \
                        them";
            add("RouteConflict", text.to_owned());
        }
    }
    found
}

fn configured(publication: &Publication) -> Condition {
    let condition =
        |is_true, reason: &str, message| Condition { kind: CONFIGURED, is_true, reason: reason.to_owned(), message };
    if let Some(reason) = &publication.refused {
        let kept =
            if publication.has_earlier { "; the container runtime keeps the configuration that it has" } else { "" };
        return condition(false, "ConfigurationRefused", format!("{reason}{kept}"));
    }
    match (&publication.waiting, &publication.foreign) {
        (Some(reason), _) => condition(false, STARTING, reason.clone()),
        (None, Some(file)) => {
            let file = file.display();
            let message = format!(
                "the container runtime uses {file} instead of {FILE}, because it sorts first: pods get no network of \
                 Gingham; remove that file or rename it"
            );
            condition(false, "ForeignConfiguration", message)
        }
        (None, None) => condition(true, "Published", format!("the container runtime has {FILE}")),
    }
}

/// None until the first reconcile: nothing is known.
fn addresses(networks: &BTreeMap<String, Status>) -> Option<Condition> {
    let condition = |is_true, reason: &str, message| {
        Some(Condition { kind: ADDRESSES, is_true, reason: reason.to_owned(), message })
    };
    let known: Vec<_> = networks.iter().filter(|(_, status)| status.state != State::Starting).collect();
    if known.is_empty() {
        return None;
    }
    let full = known.iter().find(|(_, status)| status.usage.free + status.usage.cooling == 0);
    match full {
        None => condition(true, "Available", "this node has free addresses".to_owned()),
        Some((network, status)) => match &status.state {
            State::StoreUnreachable(reason) => {
                let text =
                    format!("network {network}: no address is free on this node, and it can claim no block: {reason}");
                condition(false, "StoreUnreachable", text)
            }
            State::Failed(reason) => condition(false, "Failed", format!("network {network}: {reason}")),
            State::Reconciled | State::Starting => {
                let text = format!(
                    "network {network}: no address is free on this node, and no block of the range is unclaimed; delete \
                     pods, or move them to a network with a larger range"
                );
                condition(false, "Exhausted", text)
            }
        },
    }
}

pub(super) fn now() -> String {
    let now = jiff::Timestamp::now();
    // Seconds: an API server refuses fractions in these fields.
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: State, free: u64, cooling: u64) -> Status {
        let mut status = Status { state, ..Status::new(Duration::from_secs(5)) };
        (status.usage.free, status.usage.cooling) = (free, cooling);
        status
    }

    #[test]
    fn a_node_that_can_give_no_address_says_why() {
        let of = |state, free, cooling| addresses(&BTreeMap::from([("pods".to_owned(), status(state, free, cooling))]));
        assert_eq!(of(State::Starting, 0, 0), None);
        assert_eq!(of(State::Reconciled, 1, 0).unwrap().reason, "Available");
        // A cooling address is given where there is no other.
        assert!(of(State::Reconciled, 0, 3).unwrap().is_true);
        let exhausted = of(State::Reconciled, 0, 0).unwrap();
        assert_eq!((exhausted.is_true, &*exhausted.reason), (false, "Exhausted"));
        let away = of(State::StoreUnreachable("no answer".to_owned()), 0, 0).unwrap();
        assert!(!away.is_true && away.message.ends_with("it can claim no block: no answer"), "{}", away.message);
        assert!(of(State::StoreUnreachable("no answer".to_owned()), 5, 0).unwrap().is_true);
    }

    #[test]
    fn conflicts_have_an_event_each() {
        let of = |status| conflicts(&BTreeMap::from([("pods".to_owned(), status)]));
        let mut status = status(State::Reconciled, 5, 0);
        assert!(of(status.clone()).is_empty());
        status.usage.outside = vec!["10.32.0.9".parse().unwrap()];
        (status.ownership_conflicts, status.route_conflicts) = (1, 2);
        let found = of(status);
        let reasons: Vec<&str> = found.keys().map(|(_, reason)| *reason).collect();
        assert_eq!(reasons, ["OwnershipConflict", "RouteConflict", "StrayAddresses"]);
        let stray = &found[&("pods".to_owned(), "StrayAddresses")];
        assert!(stray.starts_with("network pods: a container on this node has the address 10.32.0.9"), "{stray}");
    }

    fn waiting(reason: &str) -> Publication {
        Publication { waiting: Some(reason.to_owned()), ..Publication::default() }
    }

    #[test]
    fn an_object_that_is_refused_is_shown_with_what_the_runtime_has() {
        let refused = Publication { refused: Some("bridge: no name".to_owned()), ..waiting("bridge: no name") };
        let shown = configured(&refused);
        assert_eq!((&*shown.reason, &*shown.message), ("ConfigurationRefused", "bridge: no name"));
        let shown = configured(&Publication { has_earlier: true, ..refused });
        assert!(shown.message.ends_with("keeps the configuration that it has"), "{}", shown.message);
    }

    #[test]
    fn a_foreign_configuration_is_named() {
        assert!(configured(&Publication::default()).is_true);
        assert_eq!(configured(&waiting("starting")).reason, STARTING);
        let file = Some("/etc/cni/net.d/05-other.conflist".into());
        let foreign = configured(&Publication { foreign: file, ..Publication::default() });
        assert!(
            !foreign.is_true && foreign.message.contains("/etc/cni/net.d/05-other.conflist"),
            "{}",
            foreign.message
        );
    }

    #[test]
    fn the_time_of_the_transition_changes_with_the_status_alone() {
        let starting = configured(&waiting("network pods is starting"));
        let first = patch(&starting, false, "2026-01-01T00:00:00Z");
        assert_eq!(first["lastTransitionTime"], "2026-01-01T00:00:00Z");
        let node = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}, first]}});
        assert_eq!(of_node(&node, CONFIGURED), Some(starting));
        let later = patch(&configured(&waiting("this node has no free address")), true, "2026-01-01T00:00:09Z");
        assert_eq!((later["lastTransitionTime"].is_null(), &later["status"]), (true, &"False".into()));
        assert_eq!(later["lastHeartbeatTime"], "2026-01-01T00:00:09Z");
    }

    #[test]
    fn times_are_whole_seconds() {
        assert!(!now().contains('.') && now().ends_with('Z'), "{}", now());
    }
}
