//! The differences there are. Each names its heading in docs/differences.md, which says why.

use gingham_net::Mac;
use serde_json::Value;

use crate::case::Step;
use crate::compare::{Fact, Place};

/// One of them.
pub(crate) struct Tolerance {
    /// The heading in docs/differences.md.
    pub(crate) heading: &'static str,
    /// Whether the two nodes are different from here on.
    pub(crate) ends: bool,
    /// Whether it is this one.
    applies: fn(&Fact<'_>) -> bool,
}

/// The table.
pub(crate) const TOLERATED: &[Tolerance] = &[
    Tolerance { heading: "Codes of errors", ends: false, applies: |fact| fact.place == Place::Code },
    Tolerance {
        heading: "Words of errors",
        ends: false,
        applies: |fact| fact.place == Place::Sentence("OwnWords".to_owned()),
    },
];

/// The first that covers a fact.
pub(crate) fn find(fact: &Fact<'_>) -> Option<&'static Tolerance> {
    TOLERATED.iter().find(|tolerance| (tolerance.applies)(fact))
}

/// A result without what is another one on every run: hardware addresses that nobody asked for, names of links.
pub(crate) fn rewrite(result: &Value, step: &Step, network: &Value) -> Value {
    let mut result = result.clone();
    let asked = step.change.to_string().contains("\"mac\"") || step.args.as_ref().is_some_and(|args| args.contains("MAC="));
    for (index, interface) in result["interfaces"].as_array_mut().into_iter().flatten().enumerate() {
        if interface["mac"].as_str().is_some_and(|mac| mac.parse::<Mac>().is_ok()) && !(asked && index == 2) {
            interface["mac"] = "a hardware address".into();
        }
        if interface["name"].as_str().is_some_and(|name| name.starts_with("veth")) {
            interface["name"] = "a link of the node".into();
        }
    }
    let _ = network;
    result
}
