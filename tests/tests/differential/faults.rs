//! One fault in a case that was as it should be: the more of them at once, the less their order says.

use serde_json::{Value, json};

use gingham_tests::networks::with;

use crate::case::{Case, RESOLV_CONF, Step};
use crate::random::Random;
use crate::ranges::Range;

/// A fault in what `host-local` reads.
pub(crate) fn in_addresses(random: &mut Random, case: &mut Case, sets: &[Vec<Range>]) {
    match random.below(10) {
        0..=3 => one_range(random, case, sets),
        4 | 5 => several_ranges(random, case, sets),
        6 => shape(random, case),
        7 => in_network(random, case),
        8 => in_wishes(random, case),
        _ => in_environment(random, case),
    }
}

/// A fault in what `bridge` reads or finds.
pub(crate) fn in_bridge(random: &mut Random, case: &mut Case, sets: &[Vec<Range>]) {
    match random.below(16) {
        0..=3 => bridge_key(random, case),
        4 => case.ground.veth = Some(case.bridge().to_owned()).filter(|_| case.ground.bridge.is_none()),
        5 => case.ground.occupied = Some("c1".to_owned()),
        6 => variable(random, case, "CNI_NETNS", Some("/run/netns/nobody")),
        7 => variable(random, case, "CNI_NETNS", Some(RESOLV_CONF)),
        8 => {
            let change = json!({"runtimeConfig": {"mac": random.pick(&["x", "02:11", "", "01:00:00:00:00:01"])}});
            case.steps[0].change = change;
        }
        9 => case.network["ipam"] = json!({"type": random.pick(&["nobody", "a/b", ""]), "subnet": "10.1.0.0/24"}),
        10 => in_network(random, case),
        11 => in_environment(random, case),
        12 => in_wishes(random, case),
        _ if case.network["ipam"].get("type").is_some() => one_range(random, case, sets),
        _ => bridge_key(random, case),
    }
}

fn bridge_key(random: &mut Random, case: &mut Case) {
    let faults = [
        json!({"hairpinMode": true, "promiscMode": true}),
        json!({"isGateway": "yes"}),
        json!({"mtu": -1}),
        json!({"mtu": 40}),
        json!({"mtu": "1400"}),
        json!({"bridge": 7}),
        json!({"bridge": "a-name-of-20-letters"}),
        json!({"dns": {"nameservers": "10.0.0.1"}}),
        json!({"ipMasq": 1}),
        json!({"vlan": "7"}),
        json!({"vlan": -1}),
        json!({"vlan": 4095}),
        json!({"macspoofchk": "yes"}),
    ];
    let fault = random.pick(&faults);
    case.network = with(case.network.clone(), fault);
}

/// The written form of the first range, with other keys.
fn one_range(random: &mut Random, case: &mut Case, sets: &[Vec<Range>]) {
    let range = &sets[0][0];
    let (v4, length) = (range.subnet.addr().is_ipv4(), range.subnet.prefix_len());
    let strange = if v4 { "fd77::7" } else { "10.77.0.7" };
    let outside = if v4 { "10.77.0.7" } else { "fd77::7" };
    let changes = [
        json!({"subnet": random.pick(&["10.1.0.0", "10.1.0.0/33", "ten", "fd00::/129", "10.1.0/24", "010.1.0.0/24"])}),
        json!({"subnet": random.pick(&["10.1.0.0/31", "10.1.0.0/32", "fd00::/127", "fd00::/128"]), "rangeStart": null, "rangeEnd": null}),
        json!({"subnet": format!("{}/{length}", range.at(1)), "rangeStart": null, "rangeEnd": null}),
        json!({"rangeStart": random.pick(&[outside, strange, "x", "10.1.0"])}),
        json!({"rangeEnd": random.pick(&[outside, strange, "x", "10.1.0"])}),
        json!({"rangeStart": range.at(3).to_string(), "rangeEnd": range.at(2).to_string()}),
        json!({"gateway": random.pick(&[strange, "x", "10.1.0"])}),
        json!({"subnet": 7}),
        json!({"rangeStart": ["10.1.0.1"]}),
    ];
    let change = random.pick(&changes);
    let ipam = &mut case.network["ipam"];
    if ipam.get("subnet").is_some() {
        *ipam = with(ipam.clone(), change);
    } else {
        let written = with(range.written.clone(), change);
        ipam["ranges"][0][0] = written;
    }
}

fn several_ranges(random: &mut Random, case: &mut Case, sets: &[Vec<Range>]) {
    let (one, subnet) = (sets[0][0].written.clone(), sets[0][0].subnet.to_string());
    let whole = json!({"subnet": subnet});
    let other = if sets[0][0].subnet.addr().is_ipv4() { "fd77::/64" } else { "10.77.0.0/24" };
    let written = |sets: &[&[&Value]]| -> Value {
        sets.iter().map(|set| set.iter().map(|range| (*range).clone()).collect::<Value>()).collect()
    };
    let lists = [
        written(&[&[&one, &json!({"subnet": other})]]),
        written(&[&[&one, &whole]]),
        written(&[&[&one], &[&whole]]),
        written(&[&[&one], &[]]),
        written(&[&[]]),
        written(&[]),
        written(&[&[&one, &json!({})]]),
        json!({}),
        json!([one]),
        json!("10.1.0.0/24"),
    ];
    let ranges = random.pick(&lists);
    case.network["ipam"] = json!({"type": "host-local", "cooldown": "0", "ranges": ranges});
    if random.percent(20) {
        // Two addresses of a family in a version that has no room for them.
        case.network["cniVersion"] = json!(random.pick(&["0.1.0", "0.2.0", ""]));
        case.network["ipam"]["ranges"] = json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}]]);
    }
}

/// Values of the wrong kind, beside the ranges.
fn shape(random: &mut Random, case: &mut Case) {
    let faults = [
        json!({"routes": "0.0.0.0/0"}),
        json!({"routes": [{"gw": "10.0.0.1"}]}),
        json!({"routes": [{"dst": "ten"}]}),
        json!({"routes": [{"dst": "10.0.0.1/8"}]}),
        json!({"routes": [{"dst": "fd00::1/64"}]}),
        json!({"routes": [{"dst": "0.0.0.0/0", "gw": "x"}]}),
        json!({"routes": [{"dst": "0.0.0.0/0", "gw": "fd00::1"}]}),
        json!({"resolvConf": "/run/no-such-file"}),
        json!({"resolvConf": 7}),
        json!({"dataDir": 7}),
    ];
    let fault = random.pick(&faults);
    case.network["ipam"] = with(case.network["ipam"].clone(), fault);
}

/// The keys of every network.
fn in_network(random: &mut Random, case: &mut Case) {
    let name = case.network["name"].clone();
    let faults = [
        json!({"name": null}),
        json!({"name": "a/b"}),
        json!({"name": "-a"}),
        json!({"name": 7}),
        json!({"cniVersion": "9.9.9"}),
        json!({"cniVersion": "0.4.1"}),
        json!({"cniVersion": 1}),
        json!({"cniVersion": "1.1.0"}),
        json!({"ipam": "host-local"}),
        json!({"ipam": null}),
    ];
    let fault = random.pick(&faults);
    let index = random.below(12);
    let inputs = ["", "{", "[]", "null", "{\"name\":\"n\"} x", "\"text\""];
    if let Some(input) = inputs.get(index as usize) {
        any_step(random, case).input = Some((*input).to_owned());
        return;
    }
    case.network = with(case.network.clone(), fault);
    if case.network.get("ipam").is_none() && case.program == "host-local" {
        case.network["name"] = name;
    }
}

/// What the runtime asks for.
fn in_wishes(random: &mut Random, case: &mut Case) {
    let step = case.steps.iter_mut().find(|step| step.verb == "ADD").unwrap();
    match random.below(10) {
        0 => step.args = Some("FOO=bar".to_owned()),
        1 => step.args = Some("IgnoreUnknown=1;FOO=a=b".to_owned()),
        2 => step.args = Some("IP=ten".to_owned()),
        3 => step.args = Some("IgnoreUnknown=perhaps".to_owned()),
        4 => step.args = Some("ip=10.1.0.2".to_owned()),
        5 => step.args = Some("IgnoreUnknown=1;".to_owned()),
        6 => step.args = Some("IP=203.0.113.7;IgnoreUnknown=1".to_owned()),
        7 => step.change = json!({"runtimeConfig": {"ips": ["ten"]}}),
        8 => step.change = json!({"args": {"cni": {"ips": ["203.0.113.7", "203.0.113.7"]}}}),
        _ => step.change = json!({"runtimeConfig": {"ipRanges": [[{"subnet": "10.200.0.1/24"}]]}}),
    }
}

/// What the runtime says in the environment.
fn in_environment(random: &mut Random, case: &mut Case) {
    let long = "interface-name-16";
    match random.below(10) {
        0 => variable(random, case, "CNI_CONTAINERID", None),
        1 => variable(random, case, "CNI_CONTAINERID", Some("-a b")),
        2 => variable(random, case, "CNI_IFNAME", Some(long)),
        3 => variable(random, case, "CNI_IFNAME", Some("a/b")),
        4 => variable(random, case, "CNI_IFNAME", Some("..")),
        5 => variable(random, case, "CNI_IFNAME", None),
        6 => variable(random, case, "CNI_PATH", None),
        7 => variable(random, case, "CNI_COMMAND", Some("LEAVE")),
        8 => variable(random, case, "CNI_COMMAND", None),
        _ => variable(random, case, "CNI_NETNS", None),
    }
}

/// In one of the steps.
fn variable(random: &mut Random, case: &mut Case, name: &str, value: Option<&str>) {
    let step: &mut Step = any_step(random, case);
    step.variables.insert(name.to_owned(), value.map(str::to_owned));
}

fn any_step<'c>(random: &mut Random, case: &'c mut Case) -> &'c mut Step {
    let at = random.below(u32::try_from(case.steps.len()).unwrap()) as usize;
    &mut case.steps[at]
}
