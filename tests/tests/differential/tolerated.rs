//! The differences there are. Each names its heading in docs/differences.md, which says why.

use gingham_net::Mac;
use serde_json::{Value, json};

use crate::case::{ASKED_FOR, Step};
use crate::compare::{Fact, Place};
use crate::seen::Answer;

/// One of them.
pub(crate) struct Tolerance {
    /// The heading in docs/differences.md.
    pub(crate) heading: &'static str,
    /// Whether the two nodes are different from here on.
    pub(crate) ends: bool,
    /// Whether it is this one.
    applies: fn(&Fact<'_>) -> bool,
}

/// The table. The first one that applies counts.
pub(crate) const TOLERATED: &[Tolerance] = &[
    goes_on("Codes of errors", |fact| fact.place == Place::Code),
    goes_on("Words of errors", |fact| is_sentence(fact, "OwnWords")),
    goes_on("Which fault is told first", |fact| is_sentence(fact, "OtherFault")),
    ends("An address rests before it is used again", rests),
    goes_on("Newer than the plugins compared with", newer),
    ends("Newer than the plugins compared with", newer_version),
    ends("A failed ADD leaves nothing behind", leaves_nothing),
    ends("A failed ADD takes nothing away", takes_nothing),
    ends("A second ADD for the same interface", is_second_add),
    ends("DEL works with what it gets", del_goes_on),
    goes_on("CHECK looks at what was made", check_looks),
    goes_on("CHECK looks at what was made", check_of_routes),
    goes_on("CHECK looks at what was made", check_of_gateway),
    goes_on("CHECK of a network without addresses", check_of_layer_2),
    goes_on("The bridge's hardware address", address_of_bridge),
    ends("What others have made stays", stays),
    goes_on("Routes have all their attributes", route_attributes),
    goes_on("A route of IPv6 is told as the kernel has it", route_prefix),
    ends("More is accepted", more_is_accepted),
    ends("A default route comes once", default_route_once),
    ends("What would not work is refused before anything is touched", refused_early),
];

const fn goes_on(heading: &'static str, applies: fn(&Fact<'_>) -> bool) -> Tolerance {
    Tolerance { heading, ends: false, applies }
}

const fn ends(heading: &'static str, applies: fn(&Fact<'_>) -> bool) -> Tolerance {
    Tolerance { heading, ends: true, applies }
}

fn is_sentence(fact: &Fact<'_>, verdict: &str) -> bool {
    fact.place == Place::Sentence(verdict.to_owned())
}

/// The reference's error, where that is what differs.
fn their_error(fact: &Fact<'_>) -> String {
    fact.reference.answer.sentence()
}

fn our_error(fact: &Fact<'_>) -> String {
    fact.gingham.answer.sentence()
}

fn says(text: &str, any_of: &[&str]) -> bool {
    any_of.iter().any(|words| text.contains(words))
}

/// Another address than the reference's, after one was freed.
fn rests(fact: &Fact<'_>) -> bool {
    let was_freed = fact.case.steps[..fact.number].iter().any(|step| ["ADD", "DEL"].contains(&step.verb.as_str()));
    let of_address = match &fact.place {
        Place::Turn | Place::Leases => true,
        Place::Result(path) => path.contains("ip"),
        Place::State(path) => path.contains("containers."),
        _ => false,
    };
    let both_gave = fact.reference.answer.is_success() && fact.gingham.answer.is_success();
    fact.step.verb == "ADD" && both_gave && of_address && was_freed && fact.network["ipam"].get("cooldown").is_none()
}

/// Name resolution comes from the IPAM plugin unless the configuration has its own; ports can be isolated.
fn newer(fact: &Fact<'_>) -> bool {
    match &fact.place {
        Place::Result(path) => {
            let nothing = fact.theirs.is_null() || fact.theirs == json!({});
            fact.case.program == "bridge" && path.starts_with("dns") && nothing
        }
        Place::State(path) => path.ends_with(".isolated") && fact.network["portIsolation"] == true,
        _ => false,
    }
}

/// Version 1.1.0 of the specification.
fn newer_version(fact: &Fact<'_>) -> bool {
    fact.network["cniVersion"] == "1.1.0" && their_error(fact).contains("incompatible CNI versions")
}

/// The reference keeps what it had done before the fault: the turn of its range sets, links, addresses.
fn leaves_nothing(fact: &Fact<'_>) -> bool {
    let failed = !fact.reference.answer.is_success() && !fact.gingham.answer.is_success();
    fact.step.verb == "ADD" && failed && matches!(fact.place, Place::Turn | Place::State(_))
}

/// The reference frees everything the interface has, when a later range set cannot give an address.
fn takes_nothing(fact: &Fact<'_>) -> bool {
    let failed = !fact.reference.answer.is_success() && !fact.gingham.answer.is_success();
    let kept = |lease: &String| fact.gingham.leases.contains(lease);
    fact.step.verb == "ADD" && failed && fact.place == Place::Leases && fact.reference.leases.iter().all(kept)
}

/// With an address asked for by name, the reference gives a second one.
fn is_second_add(fact: &Fact<'_>) -> bool {
    fact.place == Place::Outcome && our_error(fact).contains("duplicate allocation is not allowed")
}

/// And it finds the link without the runtime's word on where it is.
fn del_goes_on(fact: &Fact<'_>) -> bool {
    let link_is_gone = matches!(fact.place, Place::State(_)) && fact.step.variables.contains_key("CNI_NETNS");
    let done = fact.gingham.answer == Answer::Silence;
    fact.step.verb == "DEL" && done && (fact.place == Place::Outcome || link_is_gone)
}

/// The reference reads the whole configuration first, and complains of that.
fn check_looks(fact: &Fact<'_>) -> bool {
    let ours = our_error(fact);
    fact.step.verb == "CHECK"
        && matches!(fact.place, Place::Sentence(_))
        && ours.contains("Failed to find address added by container")
}

/// The reference looks for a route without gateway, where it has made one through the network's.
fn check_of_routes(fact: &Fact<'_>) -> bool {
    let theirs = their_error(fact);
    let without_gateway = theirs.contains("Expected Route") && theirs.contains("GW:<nil>");
    fact.step.verb == "CHECK" && without_gateway && fact.gingham.answer == Answer::Silence
}

/// Another call with `forceAddress` has taken the gateway's address away: the container talks to nobody beyond.
fn check_of_gateway(fact: &Fact<'_>) -> bool {
    let replaced = fact.case.network["forceAddress"] == true;
    let missed = our_error(fact).contains("lacks the gateway's address");
    fact.step.verb == "CHECK" && fact.place == Place::Outcome && replaced && missed
}

fn check_of_layer_2(fact: &Fact<'_>) -> bool {
    fact.step.verb == "CHECK" && fact.place == Place::Outcome && their_error(fact) == "no plugin name provided"
}

fn address_of_bridge(fact: &Fact<'_>) -> bool {
    let theirs = their_error(fact);
    fact.step.verb == "CHECK" && theirs.contains("Bridge interface") && theirs.contains("Mac doesn't match")
}

/// The reference's DEL deletes whatever has the interface's name.
fn stays(fact: &Fact<'_>) -> bool {
    let Place::State(path) = &fact.place else { return false };
    let anothers = fact.case.ground.occupied.as_ref() == Some(&fact.step.container);
    fact.step.verb == "DEL" && anothers && (path.starts_with("containers.") || path == "ports")
}

/// The plugins compared with know a route's `dst` and `gw`; newer ones pass on the rest, and serve a part of it.
fn route_attributes(fact: &Fact<'_>) -> bool {
    let Place::State(path) = &fact.place else { return false };
    let keys = ["mtu", "advmss", "priority", "table", "scope"];
    let routes =
        fact.network["ipam"].as_object().into_iter().flatten().filter(|(key, _)| key.eq_ignore_ascii_case("routes"));
    let mut routes = routes.flat_map(|(_, routes)| routes.as_array().into_iter().flatten());
    path.contains(".routes") && routes.any(|route| keys.iter().any(|key| route.get(key).is_some()))
}

/// The kernel, and so ours, has no bits below the prefix.
fn route_prefix(fact: &Fact<'_>) -> bool {
    let Place::Result(path) = &fact.place else { return false };
    let is_destination = path.rsplit('.').next() == Some("dst");
    let net = |value: &Value| value.as_str().and_then(|text| text.parse::<ipnet::Ipv6Net>().ok());
    is_destination && net(&fact.theirs).is_some() && net(&fact.theirs).map(|net| net.trunc()) == net(&fact.ours)
}

fn more_is_accepted(fact: &Fact<'_>) -> bool {
    let null_subnet = their_error(fact) == "invalid CIDR address: ";
    let blank_bridge = their_error(fact).contains("LinkAttrs.Name cannot be empty");
    let shared_args = fact.case.program == "bridge" && their_error(fact).contains("ARGS: unknown args");
    matches!(fact.place, Place::Outcome | Place::Sentence(_)) && (null_subnet || blank_bridge || shared_args)
}

/// `isDefaultGateway` beside a default route without gateway.
fn default_route_once(fact: &Fact<'_>) -> bool {
    fact.place == Place::Outcome
        && fact.step.verb == "ADD"
        && says(&their_error(fact), &["failed to add route"])
        && their_error(fact).contains("file exists")
}

fn refused_early(fact: &Fact<'_>) -> bool {
    let refused = [
        "is of another family than",
        "has host bits set",
        "dst: found nothing, but this key is required",
        "it lies behind rangeend",
        "expected 0 (the kernel's default) or 68 to 65535",
        "mtu: found the number -1",
        "ipam.type: found nothing",
    ];
    matches!(fact.place, Place::Outcome | Place::Sentence(_)) && says(&our_error(fact).to_lowercase(), &refused)
}

/// The first that covers a fact.
pub(crate) fn find(fact: &Fact<'_>) -> Option<&'static Tolerance> {
    TOLERATED.iter().find(|tolerance| (tolerance.applies)(fact))
}

/// A result without what is another one on every run: hardware addresses that nobody asked for, names of links. And
/// without what each plugin newer than those compared with has another way ("Newer than the plugins compared with"):
/// no empty `dns` since 1.0.0, the newest version in the answer to VERSION, all keys of routes.
pub(crate) fn rewrite(result: &Value, step: &Step, network: &Value) -> Value {
    let mut result = result.clone();
    let asked =
        step.change.to_string().contains(ASKED_FOR) || step.args.as_ref().is_some_and(|args| args.contains("MAC="));
    for (index, interface) in result["interfaces"].as_array_mut().into_iter().flatten().enumerate() {
        if interface["mac"].as_str().is_some_and(|mac| mac.parse::<Mac>().is_ok()) && !(asked && index == 2) {
            interface["mac"] = "a hardware address".into();
        }
        if interface["name"].as_str().is_some_and(|name| name.starts_with("veth")) {
            interface["name"] = "a link of the node".into();
        }
    }
    let object = result.as_object_mut().unwrap();
    if network["cniVersion"] == "1.0.0" && object.get("dns") == Some(&json!({})) {
        object.remove("dns");
    }
    if let Some(versions) = object.get_mut("supportedVersions").and_then(Value::as_array_mut) {
        versions.retain(|version| *version != "1.1.0");
        object.insert("cniVersion".to_owned(), "1.0.0".into());
    }
    for route in object.get_mut("routes").and_then(Value::as_array_mut).into_iter().flatten() {
        route.as_object_mut().unwrap().retain(|key, _| ["dst", "gw"].contains(&key.as_str()));
    }
    result
}
