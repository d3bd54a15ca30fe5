//! `ipam.record`: all that happens on a network is recorded, within a bound, and whatever is wrong with the history, no
//! lease is lost.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gingham_engine::history::{Event, History, Outcome, RefusedKind, Requested};
use gingham_engine::ipam::Comparison;
use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use gingham_tests::networks::{addresses_only_with, bridged_with};
use gingham_tests::node::{Container, Node, mount_tmpfs};
use serde_json::{Value, json};

const DIRECTORY: &str = "/var/lib/gingham/history";
const FILE: &str = "/var/lib/gingham/history/mynet.history";

fn recorded(record: &Value) -> Value {
    addresses_only_with(json!({"ipam": {"record": record, "cooldown": "0"}}))
}

fn history() -> History {
    let text = ctl(&["policy", "record", "mynet"]).done();
    History::read(text.as_bytes()).unwrap()
}

fn requests(history: &History) -> Vec<&Requested> {
    history
        .lines
        .iter()
        .filter_map(|line| match &line.event {
            Event::Request(request) => Some(&**request),
            _ => None,
        })
        .collect()
}

fn kinds(history: &History) -> Vec<&'static str> {
    let kind = |event: &Event| match event {
        Event::Start(_) => "start",
        Event::Snapshot(_) => "snapshot",
        Event::Request(request) if matches!(request.outcome, Outcome::Granted(_)) => "granted",
        Event::Request(_) => "refused",
        Event::End(_) => "end",
        Event::EndReservations(_) => "reservations",
    };
    history.lines.iter().map(|line| kind(&line.event)).collect()
}

fn add(network: &Value, container: &Container) -> String {
    address(&Cni::add(network, container).run().result())
}

#[test]
fn nothing_is_recorded_by_default() {
    let node = Node::new();
    add(&addresses_only_with(json!({})), &node.container("c1"));
    assert!(!Path::new(DIRECTORY).exists());
    let said = ctl(&["policy", "record", "mynet"]).failed();
    assert!(said.contains("network mynet has no history") && said.contains("\"record\": true"), "{said}");
}

#[test]
fn requests_answers_refusals_and_ends_are_recorded_with_all_that_a_policy_sees() {
    let node = Node::new();
    let one = json!({"ipam": {"record": true, "cooldown": "0", "rangeStart": "10.7.0.9", "rangeEnd": "10.7.0.9"}});
    let network = addresses_only_with(one);
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0";
    Cni::add(&network, &c1).args(args).run().result();
    Cni::add(&network, &c2).run().fault();
    Cni::del(&network, &c1).run().succeeds();
    let history = history();
    assert_eq!(kinds(&history), ["start", "snapshot", "granted", "refused", "end"]);
    let start = history.start(&history.lines[0].config).unwrap();
    assert_eq!((start.network.as_str(), start.policy.name.as_str()), ("mynet", "host-local"));
    assert!(start.policy.digest.as_ref().is_some_and(|digest| digest.starts_with("sha256:")), "{start:?}");
    assert_eq!(start.ipam["rangeStart"], "10.7.0.9");
    let requests = requests(&history);
    let Outcome::Granted(answer) = &requests[0].outcome else { panic!("{requests:?}") };
    assert_eq!(answer.addresses[0].address.to_string(), "10.7.0.9/24");
    assert_eq!(requests[0].request.pod.name.as_deref(), Some("web-0"));
    assert!(requests[0].request.cni_args.contains(&("K8S_POD_NAMESPACE".to_owned(), "shop".to_owned())));
    assert!(requests[0].usage.is_some_and(|usage| usage.fuel > 0));
    let Outcome::Refused(refused) = &requests[1].outcome else { panic!("{requests:?}") };
    assert_eq!(refused.kind, RefusedKind::Exhausted);
    let Event::End(ended) = &history.lines[4].event else { panic!("{history:?}") };
    assert_eq!((ended.container_id.as_str(), ended.by.as_str(), ended.was_used), ("c1", "DEL", true));
    assert_eq!(ended.pod.name.as_deref(), Some("web-0"));
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(FILE), mode(DIRECTORY)), (0o600, 0o700));
}

#[test]
fn the_answer_of_a_shadow_is_recorded() {
    let node = Node::new();
    let other = json!({"policy": "host-local", "config": {"subnet": "10.7.0.0/24", "rangeStart": "10.7.0.50"}});
    let network = addresses_only_with(json!({"ipam": {"record": true, "shadow": other}}));
    assert_eq!(add(&network, &node.container("c1")), "10.7.0.2");
    let history = history();
    let shadow = requests(&history)[0].shadow.clone().unwrap();
    assert!(shadow.policy.starts_with("host-local"), "{shadow:?}");
    let Comparison::Differed(answer) = shadow.comparison else { panic!("{shadow:?}") };
    assert_eq!(answer.addresses[0].address.to_string(), "10.7.0.50/24");
}

#[test]
fn each_request_has_its_seed() {
    let node = Node::new();
    for id in ["c1", "c2", "c3"] {
        add(&recorded(&json!(true)), &node.container(id));
    }
    let history = history();
    let seeds: BTreeSet<u64> = requests(&history).iter().map(|request| request.request.seed).collect();
    assert_eq!(seeds.len(), 3);
}

#[test]
fn a_failed_add_is_recorded_as_an_end_without_use() {
    let node = Node::new();
    let c1 = node.container("c1");
    let network = bridged_with(json!({"ipam": {"record": true}}));
    Cni::add(&network, &c1).failpoint("add.allocated=error").run().fault();
    let history = history();
    let Some(Event::End(ended)) = history.lines.last().map(|line| &line.event) else { panic!("{history:?}") };
    assert_eq!((ended.by.as_str(), ended.was_used), ("ADD", false));
}

#[test]
fn a_change_of_the_configuration_and_a_reboot_begin_again() {
    let node = Node::new();
    add(&recorded(&json!(true)), &node.container("c1"));
    let other = addresses_only_with(json!({"ipam": {"record": true, "exclude": ["10.7.0.3"], "cooldown": "0"}}));
    assert_eq!(add(&other, &node.container("c2")), "10.7.0.4");
    node.pretend_reboot("11111111-2222-4333-8444-555555555555");
    add(&other, &node.container("c3"));
    let history = history();
    assert_eq!(kinds(&history), ["start", "snapshot", "granted", "start", "granted", "start", "granted"]);
    let boots: BTreeSet<_> =
        history.lines.iter().map(|line| history.start(&line.config).unwrap().boot.clone()).collect();
    assert_eq!(boots.len(), 2);
}

#[test]
fn the_bound_is_kept_and_what_is_left_begins_with_what_was_held() {
    let node = Node::new();
    let network = recorded(&json!({"maxSize": "64KiB"}));
    let long = format!("IgnoreUnknown=1;PADDING={}", "x".repeat(3000));
    let kept = node.container("kept");
    add(&network, &kept);
    for number in 0..30 {
        let container = node.container(&format!("c{number}"));
        Cni::add(&network, &container).args(&long).run().result();
        Cni::del(&network, &container).run().succeeds();
    }
    let sizes = ["", ".old"].map(|end| fs::metadata(format!("{FILE}{end}")).unwrap().len());
    assert!(sizes.iter().all(|size| *size <= 32 << 10), "{sizes:?}");
    let history = history();
    let Event::Snapshot(snapshot) = &history.lines[1].event else { panic!("{:?}", kinds(&history)) };
    assert!(snapshot.complete && snapshot.leases.iter().any(|lease| lease.container_id == "kept"), "{snapshot:?}");
}

#[test]
fn personal_data_is_not_in_it_if_that_is_wanted() {
    let node = Node::new();
    let network = recorded(&json!({"hashPersonalData": true}));
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=clinic;K8S_POD_NAME=alice-0;MAC=52:54:00:12:34:56";
    let labelled = json!({"args": {"cni": {"labels": {"patient": "alice"}}}});
    let c1 = node.container("c1");
    let network = gingham_tests::networks::with(network, labelled);
    Cni::add(&network, &c1).args(args).run().result();
    Cni::del(&network, &c1).args(args).run().succeeds();
    let text = fs::read_to_string(FILE).unwrap();
    for personal in ["alice", "clinic", "82,84,0,18,52,86", "52:54:00:12:34:56"] {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
    let history = history();
    let Some(Event::End(ended)) = history.lines.last().map(|line| &line.event) else { panic!("{history:?}") };
    assert_eq!(requests(&history)[0].request.pod, ended.pod, "the same pseudonyms");
}

#[test]
fn whatever_is_in_its_place_is_a_warning() {
    let node = Node::new();
    let network = recorded(&json!(true));
    let warned = |id: &str, words: &str| {
        let container = node.container(id);
        let add = Cni::add(&network, &container).run();
        add.result();
        assert!(add.stderr.contains(words) && add.stderr.contains("leases are not affected"), "{}", add.stderr);
        let del = Cni::del(&network, &container).run();
        del.succeeds();
        assert!(del.stderr.contains(words), "{}", del.stderr);
    };
    fs::create_dir_all("/var/lib/gingham").unwrap();
    fs::set_permissions("/var/lib/gingham", fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(DIRECTORY, "a file").unwrap();
    warned("c1", "Not a directory");
    fs::remove_file(DIRECTORY).unwrap();
    fs::create_dir_all(FILE).unwrap();
    warned("c2", "Is a directory");
    fs::remove_dir(FILE).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, FILE, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    warned("c3", "not a regular file");
    fs::remove_file(FILE).unwrap();
    mount_tmpfs(Path::new(DIRECTORY), "size=4k,mode=0700");
    fs::write(format!("{DIRECTORY}/full"), [0; 4096]).unwrap();
    warned("c4", "No space left");
    mount_tmpfs(Path::new(DIRECTORY), "ro,mode=0700");
    warned("c5", "Read-only file system");
}

#[test]
fn half_a_line_is_mended() {
    let node = Node::new();
    add(&recorded(&json!(true)), &node.container("c1"));
    let mut file = fs::OpenOptions::new().append(true).open(FILE).unwrap();
    file.write_all(b"{\"at\":17,\"order\":9,\"event\":{\"requ").unwrap();
    assert_eq!(kinds(&history()), ["start", "snapshot", "granted"]);
    add(&recorded(&json!(true)), &node.container("c2"));
    assert_eq!(kinds(&history()), ["start", "snapshot", "granted", "granted"]);
}

#[test]
fn lines_of_a_crowd_are_whole_and_in_the_order_of_the_leases() {
    let node = Node::new();
    let network = recorded(&json!(true));
    let containers: Vec<Container> = (0..24).map(|number| node.container(&format!("c{number}"))).collect();
    let running: Vec<_> = containers.iter().map(|container| Cni::add(&network, container).start()).collect();
    running.into_iter().for_each(|add| drop(add.end().result()));
    let history = history();
    let requests = requests(&history);
    assert_eq!(requests.len(), 24);
    let orders: Vec<u64> = history.lines.iter().map(|line| line.order).collect();
    assert!(orders.is_sorted());
    let given = requests.iter().map(|request| {
        let Outcome::Granted(answer) = &request.outcome else { panic!("{request:?}") };
        answer.addresses[0].address.addr()
    });
    // host-local gives them one after the other.
    assert!(given.collect::<Vec<_>>().is_sorted());
}

#[test]
fn an_add_that_writes_late_is_in_the_history_that_others_began() {
    let node = Node::new();
    let network = recorded(&json!(true));
    let late = Cni::add(&network, &node.container("late")).failpoint("add.unrecorded=stop").start();
    late.await_halt();
    add(&network, &node.container("early"));
    late.go_on();
    late.end().result();
    let history = history();
    let of_requests = requests(&history);
    let containers: Vec<_> = of_requests.iter().map(|requested| requested.request.container_id.as_str()).collect();
    assert_eq!(containers, ["late", "early"], "in the order of the leases");
}

#[test]
fn what_a_node_recorded_is_replayed() {
    let node = Node::new();
    let ipam = json!({"record": true, "rangeStart": "10.7.0.9", "rangeEnd": "10.7.0.11", "exclude": ["10.7.0.10"]});
    let network = addresses_only_with(json!({"ipam": ipam}));
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|id| node.container(id));
    assert_eq!((add(&network, &c1).as_str(), add(&network, &c2).as_str()), ("10.7.0.9", "10.7.0.11"));
    Cni::add(&network, &c3).run().fault();
    Cni::del(&network, &c1).run().succeeds();
    assert_eq!(add(&network, &c3), "10.7.0.9", "it was the one that cooled");
    let file = "/run/mynet.history";
    fs::write(file, ctl(&["policy", "record", "mynet"]).done()).unwrap();
    let replayed: Value =
        serde_json::from_str(&ctl(&["policy", "replay", file, "host-local", "--json"]).done()).unwrap();
    assert_eq!((&replayed["requests"], &replayed["ends"]), (&json!(4), &json!(1)), "{replayed}");
    assert_eq!(replayed["differences"], json!([]));
    gingham_tests::guests::guest("honest").install();
    let other = ctl(&["policy", "replay", file, "honest"]).failed();
    assert!(other.contains("of 4 requests are answered differently"), "{other}");
}

/// The network's history, put to a policy: what is printed as JSON.
fn replayed(network: &str, policy: &str) -> Value {
    let file = format!("/run/{network}.history");
    fs::write(&file, ctl(&["policy", "record", network]).done()).unwrap();
    serde_json::from_str(&ctl(&["policy", "replay", &file, policy, "--json"]).done()).unwrap()
}

#[test]
fn what_a_node_recorded_of_a_divided_range_is_replayed() {
    let node = Node::new();
    let members = json!({"store": "local", "members": ["a", "b"], "node": "a"});
    for (name, cluster) in [("alone", Value::Null), ("divided", members)] {
        let ipam = json!({"policy": "weave-split", "range": "10.53.0.0/24", "subnet": null, "record": true, "cluster": cluster});
        let network = bridged_with(json!({"name": name, "bridge": name, "ipam": ipam}));
        for container in ["c1", "c2"] {
            Cni::add(&network, &node.container(&format!("{name}-{container}"))).run().result();
        }
        let replayed = replayed(name, "weave-split");
        assert_eq!(replayed["requests"], json!(3), "the node's own address is one: {replayed}");
        assert_eq!(replayed["differences"], json!([]), "{name}");
    }
}

#[test]
fn an_end_that_was_not_recorded_is_found_by_what_came_after_it() {
    let node = Node::new();
    let ipam =
        |record: Value| json!({"record": record, "cooldown": "0", "rangeStart": "10.7.0.9", "rangeEnd": "10.7.0.10"});
    let [records, does_not] =
        [json!(true), Value::Null].map(|record| addresses_only_with(json!({"ipam": ipam(record)})));
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|id| node.container(id));
    add(&records, &c1);
    add(&records, &c2);
    for container in [&c1, &c2] {
        Cni::del(&does_not, container).run().succeeds();
    }
    assert_eq!(add(&records, &c1), "10.7.0.9");
    assert_eq!(add(&records, &c3), "10.7.0.10");
    let replayed = replayed("mynet", "host-local");
    assert_eq!((&replayed["requests"], &replayed["differences"]), (&json!(4), &json!([])), "{replayed}");
    let note = replayed["notes"].to_string();
    assert!(note.contains("the ends of 2 attachments are not in the history"), "{note}");
}
