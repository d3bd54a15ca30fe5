//! A case: a network, what the node is like before, and calls one after the other. It is written as JSON, so that one
//! that failed can be run again alone.

use std::collections::BTreeMap;

use gingham_tests::networks::with;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where the resolver's file lies that configurations name.
pub(crate) const RESOLV_CONF: &str = "/run/resolv.conf";

/// The hardware address that some calls ask for.
pub(crate) const ASKED_FOR: &str = "02:11:22:33:44:55";

/// One case.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Case {
    /// What is called: `host-local` or `bridge`.
    pub(crate) program: String,
    /// The network's configuration; each step may change it.
    pub(crate) network: Value,
    /// What is there before the first step.
    #[serde(default)]
    pub(crate) ground: Ground,
    /// The calls.
    pub(crate) steps: Vec<Step>,
}

/// What somebody else has made before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ground {
    /// A bridge with these addresses.
    pub(crate) bridge: Option<Bridge>,
    /// An interface of this name that is no bridge.
    pub(crate) veth: Option<String>,
    /// A container that has an `eth0` already.
    pub(crate) occupied: Option<String>,
    /// The content of [`RESOLV_CONF`].
    pub(crate) resolv_conf: Option<String>,
}

/// A bridge that somebody else has made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bridge {
    /// Its name.
    pub(crate) name: String,
    /// Its addresses with prefix lengths.
    pub(crate) addresses: Vec<String>,
}

/// One call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Step {
    /// `CNI_COMMAND`.
    pub(crate) verb: String,
    /// `CNI_CONTAINERID`.
    pub(crate) container: String,
    /// `CNI_IFNAME`.
    pub(crate) interface: String,
    /// `CNI_ARGS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) args: Option<String>,
    /// Merged into the network's configuration, for this call alone.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(crate) change: Value,
    /// Variables with another value than the call would have, or without one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) variables: BTreeMap<String, Option<String>>,
    /// Standard input, instead of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<String>,
}

impl Step {
    /// A call for an attachment.
    pub(crate) fn of(verb: &str, container: &str, interface: &str) -> Self {
        let (verb, container, interface) = (verb.to_owned(), container.to_owned(), interface.to_owned());
        Self { verb, container, interface, ..Self::default() }
    }
}

impl Case {
    /// The containers of its calls.
    pub(crate) fn containers(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.steps.iter().map(|step| step.container.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The configuration of one step.
    pub(crate) fn network_of(&self, step: &Step) -> Value {
        match &step.change {
            Value::Null => self.network.clone(),
            change => with(self.network.clone(), change.clone()),
        }
    }

    /// Whether guards against spoofed addresses are asked for somewhere.
    pub(crate) fn has_guards(&self) -> bool {
        self.network.get("macspoofchk").is_some()
    }

    /// Whether masquerade is spoken of somewhere.
    pub(crate) fn has_masquerade(&self) -> bool {
        let speaks = |object: &Value| {
            object.as_object().is_some_and(|object| object.keys().any(|key| key.eq_ignore_ascii_case("ipMasq")))
        };
        speaks(&self.network) || self.steps.iter().any(|step| speaks(&step.change))
    }

    /// The bridge's name.
    pub(crate) fn bridge(&self) -> &str {
        self.network["bridge"].as_str().filter(|name| !name.is_empty()).unwrap_or("cni0")
    }
}
