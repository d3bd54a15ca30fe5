//! What the command line states of a pod, as the node agent would keep it.

use gingham_engine::attachment::Labels;
use gingham_engine::facts::KnownPod;

use crate::clock;

/// None where it states nothing. Labels are known from the first one on, and so are annotations.
pub(crate) fn known_pod(labels: &[(String, String)], annotations: &[(String, String)]) -> Option<KnownPod> {
    let known = |pairs: &[(String, String)]| (!pairs.is_empty()).then(|| pairs.iter().cloned().collect::<Labels>());
    let (labels, annotations) = (known(labels), known(annotations));
    let is_known = labels.is_some() || annotations.is_some();
    is_known.then(|| KnownPod { observed_at: clock::now(), labels, annotations, ..KnownPod::default() })
}
