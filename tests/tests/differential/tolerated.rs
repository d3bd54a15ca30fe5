//! The differences there are. Each names its heading in docs/differences.md, which says why.

use gingham_net::Mac;
use serde_json::{Value, json};

use crate::case::{ASKED_FOR, Step};
use crate::compare::{Fact, Place};
use crate::node::Side;
use crate::observation::{Answer, Observation};

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
    goes_on("Error codes", |fact| fact.place == Place::Code),
    goes_on("Error texts", |fact| is_sentence(fact, "OwnWords")),
    goes_on("Which error is reported first", |fact| is_sentence(fact, "OtherFault")),
    ends("An address cools before it is used again", rests),
    goes_on("Newer than the plugins compared with", newer),
    ends("Newer than the plugins compared with", newer_key),
    ends("Newer than the plugins compared with", newer_version),
    ends("A failed ADD leaves nothing behind", leaves_nothing),
    ends("A failed ADD takes nothing away", takes_nothing),
    ends("A second ADD for the same interface", is_second_add),
    ends("DEL works with what it gets", del_goes_on),
    goes_on("CHECK looks at what was made", check_looks),
    goes_on("CHECK looks at what was made", check_of_routes),
    goes_on("CHECK looks at what was made", check_of_gateway),
    goes_on("CHECK looks at what was made", check_without_ranges),
    goes_on("CHECK of a network without addresses", check_of_layer_2),
    ends("Masquerade", masquerade_stays),
    ends("The gateways of all pools share the bridge", gateways_share),
    goes_on("The bridge's hardware address", address_of_bridge),
    ends("What others have made stays", stays),
    goes_on("Routes have all their attributes", route_attributes),
    goes_on("An IPv6 route is reported as the kernel has it", route_prefix),
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

/// The state before this step.
fn before<'f>(fact: &Fact<'f>) -> &'f Observation {
    fact.earlier.last().unwrap()
}

/// Whether we record an attachment of the step's container and interface.
fn is_leased(fact: &Fact<'_>) -> bool {
    let owner = format!(" {} {}", fact.step.container, fact.step.interface);
    fact.gingham.leases.iter().any(|lease| lease.ends_with(&owner))
}

/// The address of "10.1.0.2 c1 eth0".
fn address_of(lease: &str) -> &str {
    lease.split(' ').next().unwrap()
}

/// Another address than the reference's, because the reference gave one that somebody had before: by the leases of an
/// earlier step, or in an ADD that failed later on.
fn rests(fact: &Fact<'_>) -> bool {
    let had_before = &fact.earlier_reference.last().unwrap().leases;
    let mut given =
        fact.reference.leases.iter().filter(|lease| !had_before.contains(lease)).map(|lease| address_of(lease));
    let any_failed = fact.earlier.iter().skip(1).zip(&fact.case.steps);
    let any_failed = any_failed.into_iter().any(|(seen, step)| step.verb == "ADD" && !seen.answer.is_success());
    let was_freed = given.any(|address| {
        any_failed || fact.earlier.iter().flat_map(|seen| &seen.leases).any(|l| address_of(l) == address)
    });
    let of_address = match &fact.place {
        Place::Turn | Place::Leases => true,
        Place::Result(path) => path.starts_with("ip"),
        Place::State(path) => path.starts_with(&format!("containers.{}.", fact.step.container)),
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
            let of_ipam = fact.network["ipam"].get("resolvConf").is_some() && fact.network.get("dns").is_none();
            fact.case.program == "bridge" && path.starts_with("dns") && nothing && of_ipam
        }
        Place::State(path) => path.ends_with(".isolated") && fact.network["portIsolation"] == true,
        _ => false,
    }
}

/// Version 1.1.0 of the specification.
fn newer_version(fact: &Fact<'_>) -> bool {
    fact.network["cniVersion"] == "1.1.0" && their_error(fact).contains("incompatible CNI versions")
}

/// The reference knows no `disableContainerInterface`, and no `enabledad`: an address may be somebody's already, such as
/// the first one of a network of IPv6, which every router has.
fn newer_key(fact: &Fact<'_>) -> bool {
    if fact.network["enabledad"] == true && our_error(fact).contains("(duplicate address detection)") {
        return fact.step.verb == "ADD" && fact.place == Place::Outcome && fact.gingham.leases == before(fact).leases;
    }
    if fact.network["disableContainerInterface"] != true {
        return false;
    }
    match &fact.place {
        // With addresses, it is refused.
        Place::Outcome | Place::Sentence(_) => {
            our_error(fact).contains("cannot use IPAM when DisableContainerInterface flag is set")
        }
        Place::State(path) => {
            path.starts_with("containers.") && path.rsplit('.').next() == Some("up") && fact.ours == false
        }
        _ => false,
    }
}

/// The reference keeps what it had done before the fault: the turn of its range sets, links, addresses. With us everything
/// is as it was before, but for the bridge and what makes it a gateway, and the turn where an address had been given.
fn leaves_nothing(fact: &Fact<'_>) -> bool {
    let failed = !fact.reference.answer.is_success() && !fact.gingham.answer.is_success();
    let as_before = match &fact.place {
        Place::Turn => fact.gingham.turn == before(fact).turn || gave_before_it_failed(fact),
        Place::State(path) => {
            let part = path.split(['.', '[']).next().unwrap();
            part == "bridge" || part == "forwarding" || fact.gingham.state[part] == before(fact).state[part]
        }
        _ => false,
    };
    fact.step.verb == "ADD" && failed && as_before
}

/// The reference takes away what the configuration asks for by now.
fn masquerade_stays(fact: &Fact<'_>) -> bool {
    let is_masquerade = matches!(&fact.place, Place::State(path) if path.starts_with("masqueraded"));
    let is_off = fact.network.get("ipMasq") == Some(&json!(false));
    is_masquerade && is_off && fact.step.verb == "DEL" && fact.gingham.answer.is_success()
}

/// The reference refuses the gateway of another range, or replaces it. Of an address that is in no range both do the same.
fn gateways_share(fact: &Fact<'_>) -> bool {
    let is_refused = fact.place == Place::Outcome
        && their_error(fact).contains("already has an IP address different from")
        && fact.gingham.answer.is_success();
    let is_replaced = fact.network["forceAddress"] == true
        && matches!(&fact.place, Place::State(path) if path.starts_with("bridge"))
        && fact.gingham.answer.is_success();
    let ours = fact.gingham.state["bridge"]["addresses"].as_array().map_or(0, Vec::len);
    fact.step.verb == "ADD" && ours > 1 && (is_refused || is_replaced)
}

/// What comes after the addresses failed: the kernel's work, or to tell so many of them in an old version.
fn gave_before_it_failed(fact: &Fact<'_>) -> bool {
    let Answer::Error { code, msg, .. } = &fact.gingham.answer else { return false };
    *code == 100 || msg.contains("does not support more than 1 address per family")
}

/// The reference frees everything the interface has, when a later range set cannot give an address.
fn takes_nothing(fact: &Fact<'_>) -> bool {
    let failed = !fact.reference.answer.is_success() && !fact.gingham.answer.is_success();
    let as_before = fact.gingham.leases == before(fact).leases;
    let kept = |lease: &String| fact.gingham.leases.contains(lease);
    let takes_away = fact.reference.leases.iter().all(kept);
    fact.step.verb == "ADD" && failed && fact.place == Place::Leases && as_before && takes_away
}

/// With an address asked for by name, the reference gives a second one.
fn is_second_add(fact: &Fact<'_>) -> bool {
    let as_before = fact.gingham.leases == before(fact).leases && fact.gingham.state == before(fact).state;
    let refused = our_error(fact).contains("duplicate allocation is not allowed");
    fact.step.verb == "ADD" && fact.place == Place::Outcome && refused && as_before
}

/// And it finds the link without the runtime's word on where it is.
fn del_goes_on(fact: &Fact<'_>) -> bool {
    let link_is_gone =
        matches!(&fact.place, Place::State(path) if path != "bridge") && fact.step.variables.contains_key("CNI_NETNS");
    let done = fact.gingham.answer == Answer::Silence && !is_leased(fact);
    fact.step.verb == "DEL" && done && (fact.place == Place::Outcome || link_is_gone)
}

/// The reference reads the whole configuration first, and complains of that.
fn check_looks(fact: &Fact<'_>) -> bool {
    let ours = our_error(fact);
    fact.step.verb == "CHECK"
        && matches!(fact.place, Place::Sentence(_))
        && ours.contains("Failed to find address added by container")
        && !is_leased(fact)
}

/// The reference looks for a route without gateway, where it has made one through the network's.
fn check_of_routes(fact: &Fact<'_>) -> bool {
    let theirs = their_error(fact);
    let without_gateway = theirs.contains("Expected Route") && theirs.contains("GW:<nil>");
    let only_they_fail = fact.place == Place::Outcome && fact.gingham.answer == Answer::Silence;
    fact.step.verb == "CHECK" && without_gateway && only_they_fail
}

/// Another call with `forceAddress` has taken the gateway's address away: the container talks to nobody beyond.
fn check_of_gateway(fact: &Fact<'_>) -> bool {
    let replaced = fact.case.network["forceAddress"] == true;
    let missed = our_error(fact).contains("lacks the gateway's address");
    fact.step.verb == "CHECK" && fact.place == Place::Outcome && replaced && missed
}

/// The runtime sent ranges with ADD and none with CHECK, and the configuration has none: nothing is missing.
fn check_without_ranges(fact: &Fact<'_>) -> bool {
    let only_they_fail = fact.place == Place::Outcome && fact.gingham.answer == Answer::Silence;
    let theirs = their_error(fact) == "no IP ranges specified";
    fact.step.verb == "CHECK" && theirs && only_they_fail && is_leased(fact)
}

fn check_of_layer_2(fact: &Fact<'_>) -> bool {
    fact.step.verb == "CHECK" && fact.place == Place::Outcome && their_error(fact) == "no plugin name provided"
}

fn address_of_bridge(fact: &Fact<'_>) -> bool {
    let theirs = their_error(fact);
    let only_they_fail = fact.place == Place::Outcome && fact.gingham.answer == Answer::Silence;
    let has_changed = theirs.contains("Bridge interface") && theirs.contains("Mac doesn't match");
    fact.step.verb == "CHECK" && has_changed && only_they_fail
}

/// The reference's DEL deletes whatever has the interface's name.
fn stays(fact: &Fact<'_>) -> bool {
    let Place::State(path) = &fact.place else { return false };
    let anothers = fact.case.ground.occupied.as_ref() == Some(&fact.step.container);
    fact.step.verb == "DEL" && anothers && (path.starts_with("containers.") || path == "ports")
}

/// The attributes of a route that the plugins compared with do not know.
const ATTRIBUTES: [&str; 5] = ["mtu", "advmss", "priority", "table", "scope"];

/// The routes of a configuration.
fn routes_of(network: &Value) -> impl Iterator<Item = &Value> {
    let ipam = network["ipam"].as_object().into_iter().flatten();
    let routes = ipam.filter(|(key, _)| key.eq_ignore_ascii_case("routes"));
    routes.flat_map(|(_, routes)| routes.as_array().into_iter().flatten())
}

/// The plugins compared with know a route's `dst` and `gw`; newer ones pass on the rest, and serve a part of it. So ours
/// has what the configuration says, or a route in another place than the first table.
fn route_attributes(fact: &Fact<'_>) -> bool {
    let Place::State(path) = &fact.place else { return false };
    let plain = |text: &str| {
        let at = ATTRIBUTES.iter().filter_map(|key| text.find(&format!(" {key} "))).min();
        text[..at.unwrap_or(text.len())].to_owned()
    };
    let attributes = |text: &str| -> Vec<(String, String)> {
        let words: Vec<&str> = text[plain(text).len()..].split_whitespace().collect();
        words.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
    };
    let is_configured = |(key, value): &(String, String)| {
        routes_of(fact.network).any(|route| route.get(key).and_then(Value::as_u64) == value.parse().ok())
    };
    let list = |value: &Value| -> Vec<String> {
        let one = value.as_str().into_iter();
        let many = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        one.chain(many).map(str::to_owned).collect()
    };
    let (theirs, ours) = (list(&fact.theirs), list(&fact.ours));
    let (mut their_plain, mut our_plain): (Vec<_>, Vec<_>) =
        (theirs.iter().map(|text| plain(text)).collect(), ours.iter().map(|text| plain(text)).collect());
    their_plain.sort();
    our_plain.sort();
    let as_configured = |ours: &String| {
        let their = theirs.iter().filter(|their| plain(their) == plain(ours));
        let their: Vec<_> = their.flat_map(|their| attributes(their)).collect();
        attributes(ours).iter().all(|attribute| their.contains(attribute) || is_configured(attribute))
    };
    path.contains(".routes") && their_plain == our_plain && ours.iter().all(as_configured)
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
    let args = fact.step.args.as_deref().unwrap_or_default();
    let is_shared = |pair: &str| ["IP=", "MAC=", "K8S_POD_", "IgnoreUnknown="].iter().any(|key| pair.starts_with(key));
    let shared_args = fact.case.program == "bridge"
        && their_error(fact).contains("ARGS: unknown args")
        && args.split(';').all(is_shared);
    matches!(fact.place, Place::Outcome | Place::Sentence(_)) && (null_subnet || blank_bridge || shared_args)
}

/// `isDefaultGateway` beside a default route without gateway.
fn default_route_once(fact: &Fact<'_>) -> bool {
    fact.place == Place::Outcome
        && fact.step.verb == "ADD"
        && fact.network["isDefaultGateway"] == true
        && says(&their_error(fact), &["failed to add route"])
        && their_error(fact).contains("file exists")
}

fn refused_early(fact: &Fact<'_>) -> bool {
    let refused = [
        "must be of the same address family as",
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
/// no empty `dns` since 1.0.0, the newest version in the answer to VERSION, and those keys of routes that are configured.
pub(crate) fn rewrite(result: &Value, step: &Step, network: &Value, side: Side) -> Value {
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
    match side {
        Side::Reference => without_empty_dns(&mut result, network),
        Side::Gingham => without_what_is_newer(&mut result, network),
    }
    result
}

fn without_empty_dns(theirs: &mut Value, network: &Value) {
    let object = theirs.as_object_mut().unwrap();
    if network["cniVersion"] == "1.0.0" && object.get("dns") == Some(&json!({})) {
        object.remove("dns");
    }
}

fn without_what_is_newer(ours: &mut Value, network: &Value) {
    let object = ours.as_object_mut().unwrap();
    if let Some(versions) = object.get_mut("supportedVersions").and_then(Value::as_array_mut) {
        assert_eq!(versions.pop(), Some("1.1.0".into()));
        assert_eq!(object.insert("cniVersion".to_owned(), "1.0.0".into()), Some("1.1.0".into()));
    }
    for route in object.get_mut("routes").and_then(Value::as_array_mut).into_iter().flatten() {
        let is_configured = |key: &str, value: &Value| routes_of(network).any(|route| route.get(key) == Some(value));
        let route = route.as_object_mut().unwrap();
        route.retain(|key, value| !ATTRIBUTES.contains(&key.as_str()) || !is_configured(key, value));
    }
}
