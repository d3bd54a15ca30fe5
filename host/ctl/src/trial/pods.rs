//! As which pods the containers of a trial run.

use gingham_workbench::cases::PodName;

use super::steps::CONTAINERS;
use crate::cli::TryArguments;

/// Both are of one namespace.
pub(super) struct TrialPods<'a> {
    pub(super) namespace: &'a str,
    first: &'a str,
}

impl<'a> TrialPods<'a> {
    pub(super) fn of(arguments: &'a TryArguments) -> Self {
        match &arguments.pod {
            Some(PodName { namespace, name }) => Self { namespace, first: name },
            None => Self { namespace: &arguments.pod_namespace, first: CONTAINERS[0] },
        }
    }

    /// The name of a container's pod.
    pub(super) fn name<'n>(&'n self, container: &'n str) -> &'n str {
        if container == CONTAINERS[0] { self.first } else { container }
    }
}
