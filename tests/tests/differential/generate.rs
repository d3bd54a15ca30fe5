//! Cases out of random: a network that is as it should be, calls for it, and in a third of the cases one fault.

use std::sync::LazyLock;

use gingham_net::link;
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use serde_json::{Value, json};

use gingham_tests::networks::with;

use crate::case::{ASKED_FOR, Bridge, Case, Ground, RESOLV_CONF, Step};
use crate::faults;
use crate::random::Random;
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
pub(crate) fn addresses(random: &mut Random, index: usize) -> Case {
    let mut ranges = Ranges::new();
    let sets = sets_for(&mut ranges, random);
    let version = version_for(random, &sets);
    let mut network = json!({"cniVersion": version, "name": format!("net{index}"), "type": "bridge"});
    network["ipam"] = ipam(random, &sets);
    let mut case = Case { program: "host-local".to_owned(), network, ground: ground(random), steps: Vec::new() };
    case.steps = steps(random, &sets, &version);
    if random.percent(35) {
        faults::in_addresses(random, &mut case, &sets);
    }
    spell(random, &mut case.network);
    case
}

/// Calls of `bridge` with `host-local`, or without addresses.
pub(crate) fn bridges(random: &mut Random, index: usize) -> Case {
    let mut ranges = Ranges::new();
    let sets = sets_for(&mut ranges, random);
    let version = version_for(random, &sets);
    let mut network = json!({"cniVersion": version, "name": format!("br{index}"), "type": "bridge"});
    let layer2 = random.percent(12) && version.as_str() >= "0.3.0";
    match layer2 {
        true if random.percent(50) => network["ipam"] = json!({}),
        true => {}
        false => network["ipam"] = ipam(random, &sets),
    }
    bridge_keys(random, &mut network);
    let mut case = Case { program: "bridge".to_owned(), network, ground: ground(random), steps: Vec::new() };
    case.steps = steps(random, if layer2 { &[] } else { &sets }, &version);
    case.steps.truncate(5);
    before(random, &mut case, &sets);
    hardware_address(random, &mut case);
    if random.percent(30) {
        faults::in_bridge(random, &mut case, &sets);
    } else if random.percent(12) {
        // Where no bridge filters VLANs, this is a fault of its own.
        let number = random.pick(&[0, 1, 7, 4094]);
        case.network["vlan"] = json!(if *FILTERS_VLANS { 0 } else { number });
    }
    spell(random, &mut case.network);
    masquerade(random, &mut case);
    case
}

/// Also switched off while containers run. Last of all, so that the rest of a case is what it was without.
fn masquerade(random: &mut Random, case: &mut Case) {
    if random.percent(20) && !case.has_masquerade() {
        case.network["ipMasq"] = json!(true);
    }
    if random.percent(20) && case.network["ipMasq"] == json!(true) {
        for step in case.steps.iter_mut().skip(1) {
            let change = if step.change.is_null() { json!({}) } else { step.change.take() };
            step.change = with(change, json!({"ipMasq": false}));
        }
    }
}

fn sets_for(ranges: &mut Ranges, random: &mut Random) -> Vec<Vec<Range>> {
    ranges.sets(random)
}

/// The oldest versions have room for one address of each family; that they refuse more is a fault of its own.
fn version_for(random: &mut Random, sets: &[Vec<Range>]) -> String {
    let families = |v4: bool| sets.iter().filter(|set| set[0].subnet.addr().is_ipv4() == v4).count();
    let fits = families(true) < 2 && families(false) < 2;
    let known: Vec<&str> = VERSIONS.into_iter().filter(|version| fits || *version >= "0.3.0").collect();
    random.pick(&known).to_owned()
}

fn ipam(random: &mut Random, sets: &[Vec<Range>]) -> Value {
    // Where nothing rests, the order of addresses is the reference's in every detail.
    let rests = random.percent(15);
    let mut ipam = if rests { json!({"type": "host-local"}) } else { json!({"type": "host-local", "cooldown": "0"}) };
    let written = |set: &Vec<Range>| set.iter().map(|range| range.written.clone()).collect::<Value>();
    if sets[0].len() == 1 && random.percent(60) {
        ipam = with(ipam, sets[0][0].written.clone());
        if sets.len() > 1 {
            ipam["ranges"] = sets[1..].iter().map(written).collect();
        }
    } else {
        ipam["ranges"] = sets.iter().map(written).collect();
    }
    if random.percent(40) {
        ipam["routes"] = routes(random, &sets[0][0]);
    }
    if random.percent(15) {
        ipam["resolvConf"] = json!(RESOLV_CONF);
    }
    if random.percent(8) {
        ipam["dataDir"] = json!("/var/lib/elsewhere");
    }
    ipam
}

fn routes(random: &mut Random, range: &Range) -> Value {
    let mut routes = Vec::new();
    let v4 = range.subnet.addr().is_ipv4();
    if random.percent(70) {
        let mut route = json!({"dst": if v4 { "0.0.0.0/0" } else { "::/0" }});
        if random.percent(25) {
            route["gw"] = json!(range.at(1).to_string());
        }
        routes.push(route);
    }
    if random.percent(40) {
        let mut route = json!({"dst": if v4 { "192.168.0.0/16" } else { "2001:db8::/32" }});
        match random.below(6) {
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

fn ground(random: &mut Random) -> Ground {
    let files = [
        "nameserver 10.0.0.1\nnameserver 10.0.0.2\ndomain a.example\nsearch b.example c.example\noptions ndots:5\n",
        "# nothing\n\n; at all\nnameserver\n",
        "search a\nsearch b c\ndomain x\ndomain y\n  nameserver   fd00::1  extra\noptions a b\noptions c\nsortlist 1\n",
    ];
    Ground { resolv_conf: Some(random.pick(&files).to_owned()), ..Ground::default() }
}

/// ADDs, DELs and CHECKs of a few containers.
fn steps(random: &mut Random, sets: &[Vec<Range>], version: &str) -> Vec<Step> {
    let count = 3 + random.below(5);
    let mut steps = vec![add(random, sets, "c1")];
    for _ in 0..count {
        let container = format!("c{}", 1 + random.below(4));
        let interface = if random.percent(92) { "eth0" } else { "eth1" };
        let mut step = match random.below(20) {
            0..=9 => add(random, sets, &container),
            10..=15 => Step::of("DEL", &container, interface),
            16 => Step::of("VERSION", &container, interface),
            _ if version >= "0.4.0" || random.percent(15) => Step::of("CHECK", &container, interface),
            _ => Step::of("DEL", &container, interface),
        };
        interface.clone_into(&mut step.interface);
        steps.push(step);
    }
    steps
}

fn add(random: &mut Random, sets: &[Vec<Range>], container: &str) -> Step {
    let mut step = Step::of("ADD", container, "eth0");
    if random.percent(3) {
        // A plugin before us in a chain; neither side has to do with it.
        step.change =
            json!({"prevResult": {"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.250.0.9/24"}]}});
        return step;
    }
    if sets.is_empty() || random.percent(70) {
        return step;
    }
    let set = random.pick(sets);
    let address = random.pick(&set).any(random).to_string();
    match random.below(6) {
        0 => step.args = Some(format!("IP={address}")),
        1 => step.args = Some(format!("IgnoreUnknown=1;IP={address};K8S_POD_NAME=web;K8S_POD_NAMESPACE=shop")),
        2 => step.change = json!({"args": {"cni": {"ips": [address]}}}),
        3 => step.change = json!({"runtimeConfig": {"ips": [format!("{address}/24")]}}),
        4 => step.change = json!({"runtimeConfig": {"ips": [address]}}),
        _ => step.change = json!({"runtimeConfig": {"ipRanges": [[{"subnet": "10.200.0.0/29"}]]}}),
    }
    step
}

fn bridge_keys(random: &mut Random, network: &mut Value) {
    network["bridge"] = json!(random.pick(&["br0", "br0", "cni0", ""]));
    let mut flag = |random: &mut Random, key: &str, share: u32| {
        if random.percent(share) {
            network[key] = json!(random.percent(90));
        }
    };
    flag(random, "isGateway", 65);
    flag(random, "isDefaultGateway", 20);
    flag(random, "ipMasq", 8);
    flag(random, "forceAddress", 15);
    flag(random, "hairpinMode", 20);
    flag(random, "portIsolation", 8);
    flag(random, "macspoofchk", 12);
    flag(random, "enabledad", 4);
    flag(random, "disableContainerInterface", 4);
    if random.percent(40) {
        network["mtu"] = json!(random.pick(&[0, 1280, 1400, 1500, 9000]));
    }
    if network["hairpinMode"] != json!(true) && random.percent(15) {
        network["promiscMode"] = json!(true);
    }
    if random.percent(12) {
        network["dns"] = json!({"nameservers": ["10.0.0.53"], "search": ["example"]});
    }
}

/// What somebody else has made on the node.
fn before(random: &mut Random, case: &mut Case, sets: &[Vec<Range>]) {
    if random.percent(25) {
        let set = random.pick(sets);
        let range = random.pick(&set);
        let length = range.subnet.prefix_len();
        let addresses = match random.below(4) {
            0 => vec![format!("{}/{length}", range.at(1))],
            1 => vec!["192.0.2.1/24".to_owned()],
            2 => vec!["fd99::1/64".to_owned()],
            _ => Vec::new(),
        };
        case.ground.bridge = Some(Bridge { name: case.bridge().to_owned(), addresses });
    }
}

fn hardware_address(random: &mut Random, case: &mut Case) {
    if random.percent(80) {
        return;
    }
    let mac = ASKED_FOR;
    match random.below(4) {
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
fn spell(random: &mut Random, network: &mut Value) {
    let Some(object) = network.as_object_mut() else { return };
    if random.percent(12) {
        let key = random.pick(&["isGateway", "mtu", "ipMasq", "hairpinMode"]);
        if let Some(value) = object.remove(key) {
            let other = random.pick(&[key.to_uppercase(), key.to_lowercase()]);
            object.insert(other, value);
        }
    }
    let Some(ipam) = object.get_mut("ipam").and_then(Value::as_object_mut).filter(|ipam| !ipam.is_empty()) else {
        return;
    };
    if random.percent(12) {
        let key = random.pick(&["subnet", "rangeStart", "rangeEnd", "routes", "ranges", "gateway"]);
        match ipam.remove(key) {
            Some(value) => ipam.insert(random.pick(&[key.to_uppercase(), key.to_lowercase()]), value),
            None => ipam.insert(key.to_owned(), Value::Null),
        };
    }
    if random.percent(10) {
        ipam.insert("Unheard".to_owned(), json!([1, {"of": null}]));
    }
    if random.percent(4) {
        // The runtime's, and only in `runtimeConfig`.
        ipam.insert("ipRanges".to_owned(), json!([[{"subnet": "10.201.0.0/24"}]]));
    }
}
