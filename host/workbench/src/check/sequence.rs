//! What a network goes through in a check: which containers come, and what happens to them.

use std::net::IpAddr;
use std::time::Duration;

use gingham_engine::attachment::{Fact, Labels, Owner, PodFacts, Request};

use crate::Scenario;
use crate::cases::request::request_of;
use crate::cases::{self, List, OwnerName, PodName};

/// Containers, and what happens to them, one after the other. Any part of it may be left out: a step that means nothing,
/// such as the DEL of a container that never came, does nothing.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    pub(crate) narrowing: Narrowing,
    /// The steps number them.
    pub(crate) containers: Vec<Identity>,
    pub(crate) steps: Vec<Step>,
}

/// Few free addresses, so that pools of any size are full after a few steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Narrowing {
    Nothing,
    /// All others are leased when it begins, by containers that the policy was never called for.
    Leased {
        free: Vec<IpAddr>,
    },
    /// `exclude` has all others.
    Excluded {
        free: Vec<IpAddr>,
    },
}

/// Who a container is. A runtime that knows nothing of pods leaves out the pod; a node that does not watch Kubernetes
/// knows no facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Namespace and name.
    pub(crate) pod: Option<(String, String)>,
    pub(crate) facts: PodFacts,
    pub(crate) args: Labels,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Add {
        container: usize,
        requested: Vec<IpAddr>,
    },
    Del {
        container: usize,
    },
    /// The runtime gives up on an ADD that was granted, and repeats it.
    Retry {
        container: usize,
    },
    /// An ADD fails after its addresses were leased.
    Withdraw {
        container: usize,
    },
    /// Garbage collection: several containers end in one transaction.
    Collect {
        containers: Vec<usize>,
    },
    /// Containers of which nothing is known come until one is refused.
    Fill,
    Reboot,
    Advance {
        by: Duration,
    },
    /// The clock is set back.
    SetBack {
        by: Duration,
    },
    /// Another of the configurations holds from now on.
    Reconfigure {
        to: usize,
    },
}

impl Identity {
    /// A container of the pod of this namespace and name.
    pub(crate) fn of_pod(namespace: &str, name: &str, facts: PodFacts) -> Self {
        Self { pod: Some((namespace.to_owned(), name.to_owned())), facts, args: Labels::new() }
    }

    /// What a container with this identity requests, as a step of a case.
    pub(crate) fn add(&self, container: &str, requested: &[IpAddr]) -> cases::Step {
        let known = |labels: &Option<Labels>| labels.clone();
        let (owner, account) = (&self.facts.owner, &self.facts.service_account);
        let absent = [("owner", *owner == Fact::Absent), ("service-account", *account == Fact::Absent)];
        let absent: Vec<String> = absent.iter().filter(|(_, is)| *is).map(|(name, _)| (*name).to_owned()).collect();
        let pod = self.pod.clone();
        cases::Step {
            add: Some(container.to_owned()),
            pod: pod.map(|(namespace, name)| PodName { namespace, name }),
            service_account: value(account).cloned(),
            owner: value(owner).cloned().map(OwnerName),
            absent: list(absent),
            labels: known(&self.facts.labels),
            annotations: known(&self.facts.annotations),
            namespace_labels: known(&self.facts.namespace_labels),
            namespace_annotations: known(&self.facts.namespace_annotations),
            args: Some(self.args.clone()).filter(|args| !args.is_empty()),
            ip: list(requested.to_vec()),
            ..cases::Step::default()
        }
    }

    /// The request of a container with this identity.
    pub(crate) fn request(&self, scenario: &mut Scenario, container: &str, requested: &[IpAddr]) -> Request {
        request_of(scenario, &self.add(container, requested), 1)
    }
}

fn value<T>(fact: &Fact<T>) -> Option<&T> {
    match fact {
        Fact::Known(value) => Some(value),
        Fact::Absent | Fact::Unknown => None,
    }
}

fn list<T>(items: Vec<T>) -> Option<List<T>> {
    if items.is_empty() { None } else { Some(List(items)) }
}

/// Facts of a pod: its owner by kind and name, or that it has none. The rest is unknown.
pub(crate) fn owned_by(owner: Option<(&str, &str)>) -> PodFacts {
    let owner = owner.map(|(kind, name)| Owner { kind: kind.to_owned(), name: name.to_owned(), uid: String::new() });
    PodFacts { owner: owner.map_or(Fact::Absent, Fact::Known), ..PodFacts::default() }
}
