//! Which facts of Kubernetes a component can read. A policy that imports none never asks, and no request of it has to be looked
//! up.

use std::ops::BitOr;

use super::imports::{Import, Imports};

/// By what they are about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is imported or not, whatever the others are")]
pub struct FactImports {
    /// Service account, owner and labels of the pod.
    pub pod: bool,
    /// Annotations of the pod, which a runtime may pass on.
    pub annotations: bool,
    /// Labels and annotations of the pod's namespace.
    pub namespace: bool,
    /// Labels of the node.
    pub node: bool,
}

impl FactImports {
    pub(super) fn of(imports: &Imports) -> Self {
        let interfaces = ["request", "context"].into_iter().filter_map(|name| imports.interface(name));
        interfaces.flat_map(Import::functions).fold(Self::default(), |all, item| all | Self::of_function(item))
    }

    fn of_function(name: &str) -> Self {
        let none = Self::default();
        match name.rsplit_once('.').map(|(_, method)| method) {
            Some("service-account" | "owner" | "pod-label" | "pod-labels") => Self { pod: true, ..none },
            Some("pod-annotation" | "pod-annotations") => Self { annotations: true, ..none },
            Some("namespace-label" | "namespace-labels" | "namespace-annotation" | "namespace-annotations") => {
                Self { namespace: true, ..none }
            }
            Some("node-label" | "node-labels") => Self { node: true, ..none },
            _ => none,
        }
    }

    pub fn any(self) -> bool {
        self != Self::default()
    }
}

impl BitOr for FactImports {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            pod: self.pod || other.pod,
            annotations: self.annotations || other.annotations,
            namespace: self.namespace || other.namespace,
            node: self.node || other.node,
        }
    }
}
