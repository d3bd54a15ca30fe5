//! What a program may ask an API server for: data that every request is checked against before it leaves. The role of the agent
//! in `deploy/kubernetes` grants the same, which a test compares.

use std::fmt;

use gingham_ownership::shared_store::StoreFault;

use crate::request::CallError;
use crate::resource::{GROUP, Resource};

/// As Kubernetes' roles have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
}

impl fmt::Display for Verb {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        })
    }
}

/// For a kind of objects, or a part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// Empty for the core group.
    pub group: &'static str,
    /// `nodes`, or `nodes/status`.
    pub resource: &'static str,
    pub verbs: &'static [Verb],
}

const fn permission(group: &'static str, resource: &'static str, verbs: &'static [Verb]) -> Permission {
    Permission { group, resource, verbs }
}

/// All that `gingham-node` and `ginghamctl cluster` ask for. No secrets, no tokens, no configuration maps.
pub const AGENT: &[Permission] = {
    use Verb::{Create, Delete, Get, List, Patch, Update, Watch};
    &[
        permission(GROUP, "addressnetworks", &[Get, List, Watch, Create, Update]),
        permission(GROUP, "networkmembers", &[Get, List, Watch, Create, Update]),
        permission(GROUP, "addressblocks", &[Get, List, Watch, Create, Update, Delete]),
        permission(GROUP, "allocationpolicies", &[Get, List, Watch]),
        permission(GROUP, "allocationpolicies/status", &[Patch]),
        permission(GROUP, "networkmembers/status", &[Patch]),
        permission(GROUP, "addressnetworks/status", &[Patch]),
        permission("", "nodes", &[Get, List, Watch]),
        permission("", "nodes/status", &[Patch]),
        permission("", "pods", &[List, Watch]),
        permission("", "namespaces", &[List, Watch]),
        permission("", "events", &[Create, Patch]),
        permission("coordination.k8s.io", "leases", &[Get]),
    ]
};

/// What an [`crate::Api`] sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permissions {
    Only(&'static [Permission]),
    /// For tests, which do what people and controllers do.
    Everything,
}

impl Permissions {
    pub(crate) fn require(self, verb: Verb, resource: &Resource, part: Option<&str>) -> Result<(), CallError> {
        let Self::Only(permissions) = self else { return Ok(()) };
        let name = part.map_or_else(|| resource.plural.to_string(), |part| format!("{}/{part}", resource.plural));
        let is_it = |one: &&Permission| one.group == resource.group && one.resource == name;
        if permissions.iter().find(is_it).is_some_and(|one| one.verbs.contains(&verb)) {
            return Ok(());
        }
        let text = format!(
            "verb {verb} on {name} is not among the calls of this program: add it to permissions.rs and to the role gingham-node"
        );
        Err(CallError::NotSent(StoreFault::Denied(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_is_sent() {
        let of = |verb, resource: &Resource, part| Permissions::Only(AGENT).require(verb, resource, part);
        assert_eq!(of(Verb::Patch, &Resource::nodes(), Some("status")), Ok(()));
        assert!(of(Verb::Patch, &Resource::nodes(), None).is_err());
        assert!(of(Verb::Delete, &Resource::members(), None).is_err());
        assert!(of(Verb::Get, &Resource::cluster("", "v1", "secrets"), None).is_err());
        assert!(of(Verb::Get, &Resource::cluster("other.dev", "v1", "nodes"), None).is_err());
        assert_eq!(Permissions::Everything.require(Verb::Delete, &Resource::nodes(), None), Ok(()));
    }
}
