//! What Kubernetes knows of a request's pod, from the facts that the node agent keeps in this node's store.
//!
//! They are read before the transaction of the ADD: nobody may wait for the agent while the store is locked. Policies in
//! some languages import every fact and read few, so that an import is no reason to wait: a policy that reads a fact which
//! may come yet is stopped, its transaction is dropped, and it is asked again when the fact has come.

use std::thread;
use std::time::{Duration, Instant};

use gingham_engine::attachment::{AwaitedFacts, Labels, Pod, PodFacts};
use gingham_engine::facts::{KnownPod, NamespaceFacts, NodeFacts};
use gingham_engine::runtime::FactImports;
use gingham_net::node_routes::is_agent_running;

use crate::records::{Records, RecordsError};

/// How long an ADD waits for the agent to hear of a pod: the kubelet often hears of it first.
pub(crate) const FACT_TIMEOUT: Duration = Duration::from_secs(1);

/// Between two looks into the store.
const PAUSE: Duration = Duration::from_millis(20);

/// What is known at one moment.
#[derive(Debug, Default)]
struct Known {
    /// Whether the agent writes facts here.
    is_fed: bool,
    pod: Option<KnownPod>,
    namespace: Option<NamespaceFacts>,
    node: Option<NodeFacts>,
}

/// What a policy gets to know.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    pub(crate) pod: PodFacts,
    pub(crate) node_labels: Option<Labels>,
    /// What may be known soon.
    pub(crate) awaited: AwaitedFacts,
}

/// What to wait for, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    pub(crate) facts: AwaitedFacts,
    /// Labels of the node: policies check their configuration with them.
    pub(crate) node: bool,
    pub(crate) deadline: Instant,
}

impl Wait {
    pub(crate) fn none() -> Self {
        Self { facts: AwaitedFacts::default(), node: false, deadline: Instant::now() }
    }
}

/// The facts that are imported. `annotations` are those that the runtime passed on. Waits for those that are named, if they
/// are missing and the agent runs.
pub(crate) fn learn(
    imports: FactImports,
    pod: &Pod,
    annotations: Option<Labels>,
    records: &Records<'_>,
    wait: Wait,
) -> Learned {
    let wanted = wanted(imports, pod, annotations.is_some());
    let known = if wanted.any() { look(wanted, pod, records, wait) } else { Known::default() };
    let missing = known.missing(wanted);
    let awaited = if missing.any() && known.may_change(records) { missing } else { AwaitedFacts::default() };
    let namespace = known.namespace.unwrap_or_default();
    let of_kubernetes = known.pod.unwrap_or_default();
    let pod = PodFacts {
        service_account: of_kubernetes.service_account,
        owner: of_kubernetes.owner,
        labels: of_kubernetes.labels,
        annotations: annotations.or(of_kubernetes.annotations),
        namespace_labels: namespace.labels,
        namespace_annotations: namespace.annotations,
    };
    Learned { pod, node_labels: known.node.and_then(|node| node.labels), awaited }
}

/// Without a pod there are no facts of one, and a runtime's annotations need no others.
fn wanted(imports: FactImports, pod: &Pod, has_annotations: bool) -> FactImports {
    let is_pod = pod.namespace.is_some() && pod.name.is_some();
    FactImports {
        pod: imports.pod && is_pod,
        annotations: imports.annotations && is_pod && !has_annotations,
        namespace: imports.namespace && is_pod,
        node: imports.node,
    }
}

fn look(wanted: FactImports, pod: &Pod, records: &Records<'_>, wait: Wait) -> Known {
    loop {
        // No fact is worth a failed ADD: without it the policy decides, and a store that cannot be read is reported by the
        // allocation itself.
        let known = read(wanted, pod, records).unwrap_or_default();
        let is_missing =
            known.missing(wanted).and(wait.facts).any() || (wait.node && wanted.node && known.node.is_none());
        if !is_missing {
            return known;
        }
        if Instant::now() + PAUSE > wait.deadline || !known.may_change(records) {
            tracing::debug!(is_fed = known.is_fed, "some facts are unknown");
            return known;
        }
        thread::sleep(PAUSE);
    }
}

fn read(wanted: FactImports, pod: &Pod, records: &Records<'_>) -> Result<Known, RecordsError> {
    let Some(store) = records.reader_of_any_boot()? else { return Ok(Known::default()) };
    let (namespace, name) = (pod.namespace.as_deref().unwrap_or_default(), pod.name.as_deref().unwrap_or_default());
    let of_pod = if wanted.pod || wanted.annotations { store.pod_facts(namespace, name)? } else { None };
    Ok(Known {
        is_fed: store.feed()?.facts,
        pod: of_pod.filter(|known| known.is(pod.uid.as_deref())),
        namespace: if wanted.namespace { store.namespace_facts(namespace)? } else { None },
        node: if wanted.node { store.node_facts()? } else { None },
    })
}

impl Known {
    fn missing(&self, wanted: FactImports) -> AwaitedFacts {
        AwaitedFacts {
            pod: wanted.pod && self.pod.is_none(),
            annotations: wanted.annotations && self.pod.is_none(),
            namespace: wanted.namespace && self.namespace.is_none(),
        }
    }

    /// Whether the agent is there to write what is missing.
    fn may_change(&self, records: &Records<'_>) -> bool {
        self.is_fed && is_agent_running(records.directory())
    }
}
