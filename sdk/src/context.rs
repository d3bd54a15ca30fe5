//! The network and the node.

use std::collections::BTreeMap;

use crate::bindings::policy::gingham::ipam::context as wit;

/// A fact that the host learns from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The host knows this value.
    Known(String),
    /// The host knows that there is none.
    Absent,
    /// The host does not know: there may be a value or not.
    Unknown,
}

impl Fact {
    /// The value, if it is known.
    pub fn known(self) -> Option<String> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unknown => None,
        }
    }

    /// Whether the host does not know.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    pub(crate) fn of(fact: wit::Fact) -> Self {
        match fact {
            wit::Fact::Known(value) => Self::Known(value),
            wit::Fact::Absent => Self::Absent,
            wit::Fact::Unknown => Self::Unknown,
        }
    }
}

/// What is the same for every request here. Reading it gives the same values every time.
pub struct Context<'a> {
    inner: &'a wit::Context,
}

impl<'a> Context<'a> {
    pub(crate) fn new(inner: &'a wit::Context) -> Self {
        Self { inner }
    }

    /// The network's name.
    pub fn network_name(&self) -> String {
        self.inner.network_name()
    }

    /// The node's one name: `cluster.node` of the configuration, otherwise the host name.
    pub fn node_name(&self) -> String {
        self.inner.node_name()
    }

    /// A label of the node: `topology.kubernetes.io/zone`.
    pub fn node_label(&self, key: &str) -> Fact {
        Fact::of(self.inner.node_label(key))
    }

    /// All labels of the node. None where they are unknown.
    pub fn node_labels(&self) -> Option<BTreeMap<String, String>> {
        self.inner.node_labels().map(|labels| labels.into_iter().collect())
    }
}
