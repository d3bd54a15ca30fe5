//! Cases out of dice: a network that is as it should be, calls for it, and in a third of the cases one fault.

use std::sync::LazyLock;

use gingham_net::link;
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use serde_json::{Value, json};

use gingham_tests::networks::with;

use crate::case::{ASKED_FOR, Bridge, Case, Ground, RESOLV_CONF, Step};
use crate::dice::Dice;
use crate::faults;
use crate::ranges::{Range, Ranges};

/// The versions that both sides speak; `null` is none at all.
const VERSIONS: [&str; 8] = ["", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.0.0"];

/// Whether bridges of this kernel filter VLANs. Then nobody refuses VLANs, and what is made of them other tests look at.
static FILTERS_VLANS: LazyLock<bool> = LazyLock::new(|| {
    let probe = || {
        let mut kernel = Socket::<Route>::open().unwrap();
        gingham_net::bridge::ensure(&mut kernel, "probe", None, false).unwrap();
        link::by_name(&mut kernel, "probe").unwrap().unwrap().vlans.is_some()
    };
    NetNs::create().unwrap().enter(probe).unwrap()
});

/// Calls of `host-local` alone.
pub(crate) fn addresses(dice: &mut Dice, index: usize) -> Case {
    let mut ranges = Ranges::new();
    let sets = sets_for(&mut ranges, dice);
    let version = version_for(dice, &sets);
    let mut network = json!({"cniVersion": version, "name": format!("net{index}"), "type": "bridge"});
    network["ipam"] = ipam(dice, &sets);
    let mut case = Case { program: "host-local".to_owned(), network, ground: ground(dice), steps: Vec::new() };
    case.steps = steps(dice, &sets, &version);
    if dice.percent(35) {
        faults::in_addresses(dice, &mut case, &sets);
    }
    spell(dice, &mut case.network);
    case
}

/// Calls of `bridge` with `host-local`, or without addresses.
pub(crate) fn bridges(dice: &mut Dice, index: usize) -> Case {
    let mut ranges = Ranges::new();
    let sets = sets_for(&mut ranges, dice);
    let version = version_for(dice, &sets);
    let mut network = json!({"cniVersion": version, "name": format!("br{index}"), "type": "bridge"});
    let layer2 = dice.percent(12) && version.as_str() >= "0.3.0";
    match layer2 {
        true if dice.percent(50) => network["ipam"] = json!({}),
        true => {}
        false => network["ipam"] = ipam(dice, &sets),
    }
    bridge_keys(dice, &mut network);
    let mut case = Case { program: "bridge".to_owned(), network, ground: ground(dice), steps: Vec::new() };
    case.steps = steps(dice, if layer2 { &[] } else { &sets }, &version);
    case.steps.truncate(5);
    before(dice, &mut case, &sets);
    hardware_address(dice, &mut case);
    if dice.percent(30) {
        faults::in_bridge(dice, &mut case, &sets);
    } else if dice.percent(12) {
        // Where no bridge filters VLANs, this is a fault of its own.
        let number = dice.pick(&[0, 1, 7, 4094]);
        case.network["vlan"] = json!(if *FILTERS_VLANS { 0 } else { number });
    }
    spell(dice, &mut case.network);
    masquerade(dice, &mut case);
    case
}

/// Also switched off while containers run. Last of all, so that the rest of a case is what it was without.
fn masquerade(dice: &mut Dice, case: &mut Case) {
    if dice.percent(20) && !case.has_masquerade() {
        case.network["ipMasq"] = json!(true);
    }
    if dice.percent(20) && case.network["ipMasq"] == json!(true) {
        for step in case.steps.iter_mut().skip(1) {
            let change = if step.change.is_null() { json!({}) } else { step.change.take() };
            step.change = with(change, json!({"ipMasq": false}));
        }
    }
}

fn sets_for(ranges: &mut Ranges, dice: &mut Dice) -> Vec<Vec<Range>> {
    ranges.sets(dice)
}

/// The oldest versions have room for one address of each family; that they refuse more is a fault of its own.
fn version_for(dice: &mut Dice, sets: &[Vec<Range>]) -> String {
    let families = |v4: bool| sets.iter().filter(|set| set[0].subnet.addr().is_ipv4() == v4).count();
    let fits = families(true) < 2 && families(false) < 2;
    let known: Vec<&str> = VERSIONS.into_iter().filter(|version| fits || *version >= "0.3.0").collect();
    dice.pick(&known).to_owned()
}

fn ipam(dice: &mut Dice, sets: &[Vec<Range>]) -> Value {
    // Where nothing rests, the order of addresses is the reference's in every detail.
    let rests = dice.percent(15);
    let mut ipam = if rests { json!({"type": "host-local"}) } else { json!({"type": "host-local", "cooldown": "0"}) };
    let written = |set: &Vec<Range>| set.iter().map(|range| range.written.clone()).collect::<Value>();
    if sets[0].len() == 1 && dice.percent(60) {
        ipam = with(ipam, sets[0][0].written.clone());
        if sets.len() > 1 {
            ipam["ranges"] = sets[1..].iter().map(written).collect();
        }
    } else {
        ipam["ranges"] = sets.iter().map(written).collect();
    }
    if dice.percent(40) {
        ipam["routes"] = routes(dice, &sets[0][0]);
    }
    if dice.percent(15) {
        ipam["resolvConf"] = json!(RESOLV_CONF);
    }
    if dice.percent(8) {
        ipam["dataDir"] = json!("/var/lib/elsewhere");
    }
    ipam
}

fn routes(dice: &mut Dice, range: &Range) -> Value {
    let mut routes = Vec::new();
    let v4 = range.subnet.addr().is_ipv4();
    if dice.percent(70) {
        let mut route = json!({"dst": if v4 { "0.0.0.0/0" } else { "::/0" }});
        if dice.percent(25) {
            route["gw"] = json!(range.at(1).to_string());
        }
        routes.push(route);
    }
    if dice.percent(40) {
        let mut route = json!({"dst": if v4 { "192.168.0.0/16" } else { "2001:db8::/32" }});
        match dice.below(6) {
            0 => route["priority"] = json!(7),
            1 => route["mtu"] = json!(1400),
            2 => route["advmss"] = json!(1300),
            3 => route["table"] = json!(100),
            _ => {}
        }
        routes.push(route);
    }
    routes.into()
}

fn ground(dice: &mut Dice) -> Ground {
    let files = [
        "nameserver 10.0.0.1\nnameserver 10.0.0.2\ndomain a.example\nsearch b.example c.example\noptions ndots:5\n",
        "# nothing\n\n; at all\nnameserver\n",
        "search a\nsearch b c\ndomain x\ndomain y\n  nameserver   fd00::1  extra\noptions a b\noptions c\nsortlist 1\n",
    ];
    Ground { resolv_conf: Some(dice.pick(&files).to_owned()), ..Ground::default() }
}

/// ADDs, DELs and CHECKs of a few containers.
fn steps(dice: &mut Dice, sets: &[Vec<Range>], version: &str) -> Vec<Step> {
    let count = 3 + dice.below(5);
    let mut steps = vec![add(dice, sets, "c1")];
    for _ in 0..count {
        let container = format!("c{}", 1 + dice.below(4));
        let interface = if dice.percent(92) { "eth0" } else { "eth1" };
        let mut step = match dice.below(20) {
            0..=9 => add(dice, sets, &container),
            10..=15 => Step::of("DEL", &container, interface),
            16 => Step::of("VERSION", &container, interface),
            _ if version >= "0.4.0" || dice.percent(15) => Step::of("CHECK", &container, interface),
            _ => Step::of("DEL", &container, interface),
        };
        interface.clone_into(&mut step.interface);
        steps.push(step);
    }
    steps
}

fn add(dice: &mut Dice, sets: &[Vec<Range>], container: &str) -> Step {
    let mut step = Step::of("ADD", container, "eth0");
    if dice.percent(3) {
        // A plugin before us in a chain; neither side has to do with it.
        step.change =
            json!({"prevResult": {"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.250.0.9/24"}]}});
        return step;
    }
    if sets.is_empty() || dice.percent(70) {
        return step;
    }
    let set = dice.pick(sets);
    let address = dice.pick(&set).any(dice).to_string();
    match dice.below(6) {
        0 => step.args = Some(format!("IP={address}")),
        1 => step.args = Some(format!("IgnoreUnknown=1;IP={address};K8S_POD_NAME=web;K8S_POD_NAMESPACE=shop")),
        2 => step.change = json!({"args": {"cni": {"ips": [address]}}}),
        3 => step.change = json!({"runtimeConfig": {"ips": [format!("{address}/24")]}}),
        4 => step.change = json!({"runtimeConfig": {"ips": [address]}}),
        _ => step.change = json!({"runtimeConfig": {"ipRanges": [[{"subnet": "10.200.0.0/29"}]]}}),
    }
    step
}

fn bridge_keys(dice: &mut Dice, network: &mut Value) {
    network["bridge"] = json!(dice.pick(&["br0", "br0", "cni0", ""]));
    let mut flag = |dice: &mut Dice, key: &str, share: u32| {
        if dice.percent(share) {
            network[key] = json!(dice.percent(90));
        }
    };
    flag(dice, "isGateway", 65);
    flag(dice, "isDefaultGateway", 20);
    flag(dice, "ipMasq", 8);
    flag(dice, "forceAddress", 15);
    flag(dice, "hairpinMode", 20);
    flag(dice, "portIsolation", 8);
    flag(dice, "macspoofchk", 12);
    flag(dice, "enabledad", 4);
    flag(dice, "disableContainerInterface", 4);
    if dice.percent(40) {
        network["mtu"] = json!(dice.pick(&[0, 1280, 1400, 1500, 9000]));
    }
    if network["hairpinMode"] != json!(true) && dice.percent(15) {
        network["promiscMode"] = json!(true);
    }
    if dice.percent(12) {
        network["dns"] = json!({"nameservers": ["10.0.0.53"], "search": ["example"]});
    }
}

/// What somebody else has made on the node.
fn before(dice: &mut Dice, case: &mut Case, sets: &[Vec<Range>]) {
    if dice.percent(25) {
        let set = dice.pick(sets);
        let range = dice.pick(&set);
        let length = range.subnet.prefix_len();
        let addresses = match dice.below(4) {
            0 => vec![format!("{}/{length}", range.at(1))],
            1 => vec!["192.0.2.1/24".to_owned()],
            2 => vec!["fd99::1/64".to_owned()],
            _ => Vec::new(),
        };
        case.ground.bridge = Some(Bridge { name: case.bridge().to_owned(), addresses });
    }
}

fn hardware_address(dice: &mut Dice, case: &mut Case) {
    if dice.percent(80) {
        return;
    }
    let mac = ASKED_FOR;
    match dice.below(4) {
        0 => case.steps[0].args = Some(format!("IgnoreUnknown=1;MAC={mac}")),
        1 => case.steps[0].change = json!({"runtimeConfig": {"mac": mac}}),
        2 => case.steps[0].change = json!({"args": {"cni": {"mac": mac}}}),
        _ => {
            case.steps[0].change =
                json!({"runtimeConfig": {"mac": mac}, "args": {"cni": {"mac": "02:00:00:00:00:01"}}});
        }
    }
}

/// Keys in other cases, `null`s, and keys that nobody knows: they change nothing.
fn spell(dice: &mut Dice, network: &mut Value) {
    let Some(object) = network.as_object_mut() else { return };
    if dice.percent(12) {
        let key = dice.pick(&["isGateway", "mtu", "ipMasq", "hairpinMode"]);
        if let Some(value) = object.remove(key) {
            let other = dice.pick(&[key.to_uppercase(), key.to_lowercase()]);
            object.insert(other, value);
        }
    }
    let Some(ipam) = object.get_mut("ipam").and_then(Value::as_object_mut).filter(|ipam| !ipam.is_empty()) else {
        return;
    };
    if dice.percent(12) {
        let key = dice.pick(&["subnet", "rangeStart", "rangeEnd", "routes", "ranges", "gateway"]);
        match ipam.remove(key) {
            Some(value) => ipam.insert(dice.pick(&[key.to_uppercase(), key.to_lowercase()]), value),
            None => ipam.insert(key.to_owned(), Value::Null),
        };
    }
    if dice.percent(10) {
        ipam.insert("Unheard".to_owned(), json!([1, {"of": null}]));
    }
    if dice.percent(4) {
        // The runtime's, and only in `runtimeConfig`.
        ipam.insert("ipRanges".to_owned(), json!([[{"subnet": "10.201.0.0/24"}]]));
    }
}
