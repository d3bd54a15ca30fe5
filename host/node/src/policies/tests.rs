//! Rollouts over many nodes, as pure functions of what nodes report.

use std::collections::BTreeMap;
use std::time::Duration;

use gingham_engine::library::{Digest, artefact_key};
use serde_json::json;

use super::comparison::Rise;
use super::object::{AllocationPolicy, SERVING};
use super::report::{Report, Reports, State};
use super::summary;
use super::turn::{Found, MOST_COMPILATIONS, STOPPED, Situation, Step, Tries};

const TIME: &str = "2026-01-01T00:00:00Z";

fn policy(digest: &Digest, rollout: &serde_json::Value) -> AllocationPolicy {
    let object = json!({
        "metadata": {"name": "teams", "uid": "u", "resourceVersion": "7", "generation": 1},
        "spec": {"digest": digest.to_string(), "source": {"inline": "AA=="}, "rollout": rollout},
    });
    AllocationPolicy::read(&object).unwrap()
}

/// What a node does when it installs.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Works,
    DoesNotCompile,
    Faults,
}

struct Cluster {
    policy: AllocationPolicy,
    nodes: BTreeMap<String, (Option<Found>, Fate)>,
    reports: Reports,
    now: u64,
    /// The most nodes that were changing at one moment.
    most: usize,
}

impl Cluster {
    /// All nodes have an old digest.
    fn new(count: usize, rollout: &serde_json::Value) -> Self {
        let old = Found { digest: Digest::of(b"old"), artefact: Some(Digest::of(b"old code")) };
        let nodes: BTreeMap<_, _> =
            (0..count).map(|n| (format!("node-{n}"), (Some(old.clone()), Fate::Works))).collect();
        let reports = nodes.keys().map(|name| (name.clone(), None)).collect();
        Self { policy: policy(&Digest::of(b"new"), rollout), nodes, reports, now: 1_000, most: 0 }
    }

    fn with(mut self, node: &str, fate: Fate) -> Self {
        self.nodes.get_mut(node).unwrap().1 = fate;
        self
    }

    fn step(&mut self, node: &str) -> bool {
        let (found, fate) = self.nodes[node].clone();
        let faults = Rise { reason: "FaultsRose", message: "it fails".to_owned() };
        let has_new = found.as_ref().is_some_and(|found| found.digest == self.policy.spec.digest);
        let situation = Situation {
            policy: &self.policy,
            node,
            is_member: true,
            is_selected: true,
            found: found.as_ref(),
            own: self.reports[node].as_ref(),
            reports: &self.reports,
            rise: (has_new && fate == Fate::Faults).then_some(&faults),
            tries: Tries::default(),
            observed: Duration::from_millis(self.now - self.reports[node].as_ref().map_or(self.now, |own| own.since)),
            now: self.now,
        };
        let report = match situation.next() {
            Step::Stay => return false,
            Step::Report(report) => report,
            Step::Halt(report) => {
                let old = Found { digest: Digest::of(b"old"), artefact: Some(Digest::of(b"old code")) };
                self.nodes.get_mut(node).unwrap().0 = Some(old);
                report
            }
            Step::Install => {
                let before = found.as_ref().map(|found| found.digest.to_string());
                let report = situation.report(State::Installing, before);
                if fate == Fate::DoesNotCompile {
                    Report {
                        state: State::Failed,
                        reason: "CompileFailed".to_owned(),
                        message: "no".to_owned(),
                        ..report
                    }
                } else {
                    let new = Found { digest: Digest::of(b"new"), artefact: Some(Digest::of(b"code")) };
                    self.nodes.get_mut(node).unwrap().0 = Some(new);
                    report
                }
            }
        };
        self.reports.insert(node.to_owned(), Some(report));
        true
    }

    /// Nodes take turns in this order and the other one, until nothing moves for longer than any observation.
    fn run(&mut self) {
        let mut quiet = 0;
        for round in 0..2_000 {
            let mut names: Vec<String> = self.nodes.keys().cloned().collect();
            if round % 2 == 0 {
                names.reverse();
            }
            let mut moved = false;
            for name in names {
                moved |= self.step(&name);
                let changing = |report: &Option<Report>| {
                    report.as_ref().is_some_and(|one| matches!(one.state, State::Installing | State::Observing))
                };
                self.most = self.most.max(self.reports.values().filter(|report| changing(report)).count());
            }
            self.policy.status = summary::of(&self.policy, &self.reports, TIME);
            self.now += 1_000;
            quiet = if moved { 0 } else { quiet + 1 };
            if quiet > 40 {
                return;
            }
        }
        panic!("it does not end: {:?}", self.reports);
    }

    fn condition(&self, kind: &str) -> (&str, &str) {
        let condition = self.policy.status.conditions.iter().find(|condition| condition.kind == kind).unwrap();
        (&condition.status, &condition.reason)
    }

    fn of(&self, state: State) -> usize {
        self.reports.values().flatten().filter(|report| report.state == state).count()
    }
}

#[test]
fn all_nodes_get_it_and_no_more_at_a_time_than_may() {
    for bound in [1, 2, 20] {
        let mut cluster = Cluster::new(9, &json!({"maxUnavailable": bound}));
        cluster.run();
        assert!(cluster.most <= bound && cluster.most >= 1, "{} of {bound}", cluster.most);
        assert_eq!((cluster.policy.status.ready, cluster.policy.status.total), (9, 9));
        assert_eq!(cluster.condition(SERVING), ("True", "AllNodes"));
        assert_eq!(cluster.condition("Compiled"), ("True", "ArtefactsAgree"));
        assert_eq!(cluster.condition("Halted"), ("False", "NotWorse"));
    }
}

#[test]
fn where_no_digest_is_replaced_no_turn_is_waited_for() {
    let mut cluster = Cluster::new(5, &json!({}));
    cluster.nodes.values_mut().for_each(|(found, _)| *found = None);
    for node in ["node-4", "node-3", "node-2"] {
        assert!(cluster.step(node));
        assert_eq!(cluster.reports[node].as_ref().unwrap().state, State::Installing);
    }
}

#[test]
fn a_node_where_it_fails_stops_the_rollout() {
    let mut cluster = Cluster::new(5, &json!({})).with("node-2", Fate::DoesNotCompile);
    cluster.run();
    assert_eq!((cluster.of(State::Serving), cluster.of(State::Failed), cluster.of(State::Waiting)), (2, 1, 2));
    assert_eq!(cluster.condition(SERVING), ("False", "NodeFailed"));
    assert_eq!(cluster.condition("Compiled").0, "False");
    assert_eq!(cluster.condition("Verified").0, "True");
}

#[test]
fn faults_stop_the_rollout_and_the_node_goes_back() {
    let mut cluster = Cluster::new(5, &json!({"maxUnavailable": 2})).with("node-1", Fate::Faults);
    cluster.run();
    assert_eq!(cluster.condition("Halted"), ("True", "FaultsRose"));
    assert_eq!(cluster.condition(SERVING), ("False", "Halted"));
    assert!(cluster.of(State::Waiting) >= 2, "{:?}", cluster.reports);
    assert_eq!(cluster.nodes["node-1"].0.as_ref().unwrap().digest, Digest::of(b"old"));
    // The object written again is another try.
    cluster.policy.metadata.generation = 2;
    cluster.nodes.get_mut("node-1").unwrap().1 = Fate::Works;
    cluster.run();
    assert_eq!(cluster.condition(SERVING), ("True", "AllNodes"));
}

#[test]
fn serving_is_true_only_when_every_member_reports_it() {
    let digest = Digest::of(b"new");
    let policy = policy(&digest, &json!({}));
    let report = |state, artefact: &[u8], generation| {
        Some(Report {
            name: "teams".to_owned(),
            observed_generation: generation,
            wanted: digest.to_string(),
            digest: Some(digest.to_string()),
            artefact: Some(Digest::of(artefact).to_string()),
            compiler: artefact_key(),
            state,
            ..Report::default()
        })
    };
    let verdict = |others: [Option<Report>; 2], kind: &str| {
        let reports = ["node-0", "node-1"].map(str::to_owned).into_iter().zip(others).collect::<Reports>();
        let status = summary::of(&policy, &reports, TIME);
        let found = status.conditions.into_iter().find(|condition| condition.kind == kind).unwrap();
        (found.status, found.reason)
    };
    let is = |status: &str, reason: &str| (status.to_owned(), reason.to_owned());
    let good = report(State::Serving, b"code", 1);
    assert_eq!(verdict([good.clone(), None], SERVING), is("False", "RollingOut"));
    assert_eq!(verdict([good.clone(), report(State::Serving, b"code", 0)], SERVING), is("False", "RollingOut"));
    assert_eq!(verdict([good.clone(), report(State::Observing, b"code", 1)], SERVING), is("False", "RollingOut"));
    assert_eq!(verdict([good.clone(), good.clone()], SERVING), is("True", "AllNodes"));
    assert_eq!(verdict([good.clone(), report(State::NotSelected, b"code", 1)], SERVING), is("True", "AllNodes"));
    assert_eq!(
        verdict([good.clone(), report(State::Serving, b"other", 1)], "Compiled"),
        is("False", "ArtefactsDiffer")
    );
    let none = report(State::NotSelected, b"code", 1);
    assert_eq!(verdict([none.clone(), none], SERVING), is("False", "NoNodeSelected"));
}

#[test]
fn an_object_that_cannot_be_read_says_what_to_do() {
    let object = json!({"metadata": {"name": "teams", "generation": 3}, "spec": {"digest": "sha256:12", "source": {}}});
    let invalid = AllocationPolicy::read(&object).unwrap_err();
    let status = summary::of_invalid(&invalid, TIME);
    let serving = &status.conditions[0];
    assert_eq!(
        (&*serving.kind, &*serving.status, &*serving.reason, serving.observed_generation),
        (SERVING, "False", "Invalid", 3)
    );
    assert!(serving.message.contains("use the digest that ginghamctl policy inspect prints"), "{}", serving.message);
}

#[test]
fn a_compiler_that_failed_is_tried_some_times_and_a_component_that_does_not_compile_is_not() {
    let policy = policy(&Digest::of(b"new"), &json!({}));
    let old = Found { digest: Digest::of(b"old"), artefact: Some(Digest::of(b"old code")) };
    let next = |reason: &str, count: u32, minutes: Option<u64>| {
        let own = Report {
            name: "teams".to_owned(),
            observed_generation: 1,
            wanted: policy.spec.digest.to_string(),
            state: State::Failed,
            reason: reason.to_owned(),
            ..Report::default()
        };
        let reports = Reports::from([("node-1".to_owned(), Some(own.clone()))]);
        let situation = Situation {
            policy: &policy,
            node: "node-1",
            is_member: true,
            is_selected: true,
            found: Some(&old),
            own: Some(&own),
            reports: &reports,
            rise: None,
            tries: Tries { count, last: minutes.map(Duration::from_mins) },
            observed: Duration::ZERO,
            now: 1_000,
        };
        situation.next()
    };
    for (count, minutes) in [(1, 1), (2, 2), (3, 4)] {
        assert_eq!(next(STOPPED, count, Some(minutes - 1)), Step::Stay);
        assert_eq!(next(STOPPED, count, Some(minutes)), Step::Install);
    }
    assert_eq!(next(STOPPED, MOST_COMPILATIONS, Some(1_000_000)), Step::Stay, "four times");
    assert_eq!(next(STOPPED, 0, None), Step::Install, "of an earlier agent");
    assert_eq!(next("CompilerFailed", 1_000, Some(1)), Step::Install, "it may be missing");
    assert_eq!(next("FetchFailed", 1_000, Some(1)), Step::Install, "a registry comes back");
    assert_eq!(next("CompileFailed", 1, Some(60)), Step::Stay);
}
