//! A policy's new digest goes from node to node. It stops by itself where it does worse than the one before, and serves only when
//! every member says so.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use gingham_engine::library::{Digest, Library};
use gingham_engine::store::Store;
use gingham_kubernetes_tests::programs;
use gingham_tests::cni::address;
use gingham_tests::guests::guest;
use gingham_tests::node::DATA;
use rustix::process::Signal;
use serde_json::json;

use crate::policies_are_installed::{component, inline, object};
use crate::testbed::{NODE, Testbed};

pub(crate) const SECOND: &str = "node-2";

pub(crate) fn change(testbed: &Testbed, name: &str, component: &[u8]) {
    testbed.change(name, &json!({"digest": Digest::of(component).to_string(), "source": inline(component)}));
}

/// What the policy's name stands for in a node's library.
pub(crate) fn installed(directory: &str, name: &str) -> Option<String> {
    let library = Library::open(&Path::new(directory).join("policies")).unwrap();
    library.find(name).unwrap().map(|found| found.digest.to_string())
}

fn until_fed(testbed: &Testbed) {
    testbed.until("the agent reads counters", || {
        let is_fed = crate::testbed::facts().feed.events;
        if is_fed { Ok(()) } else { Err("not yet".to_owned()) }
    });
}

#[test]
fn a_canary_that_faults_goes_back_and_stops_the_rollout() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[NODE, SECOND]);
    let (good, bad) = (guest("honest"), guest("answers_network_address"));
    let rollout = json!({"rollout": {"minReadySeconds": 600}});
    testbed.create(&object("teams", &Digest::of(&good.component), &inline(&good.component), &rollout));
    let _agents = [testbed.agent(), testbed.second_agent()];
    testbed.until_condition("teams", "Serving", "True", "AllNodes");
    let network = testbed.network("teams", &json!({}));
    until_fed(&testbed);
    for number in 0..2 {
        testbed.pod(&format!("web-{number}"), "ReplicaSet");
        testbed.add(&network, &format!("web-{number}"), &format!("c{number}")).result();
    }

    change(&testbed, "teams", &bad.component);
    testbed.until_report(NODE, "teams", "Observing");
    let waiting = testbed.until_report(SECOND, "teams", "Waiting");
    let old = Digest::of(&good.component).to_string();
    assert_eq!(waiting["digest"], json!(old), "one at a time");
    for number in 0..3 {
        testbed.pod(&format!("bad-{number}"), "ReplicaSet");
        testbed.add(&network, &format!("bad-{number}"), &format!("bad{number}")).fault();
    }
    let halted = testbed.until_condition("teams", "Halted", "True", "FaultsRose");
    let message = halted["message"].as_str().unwrap();
    assert!(message.contains("node node-1: the policy failed in 3 of 3 requests, before in 0 of 2"), "{message}");
    testbed.until_condition("teams", "Serving", "False", "Halted");
    assert_eq!(installed(DATA, "teams"), Some(old.clone()));
    testbed.pod("again", "ReplicaSet");
    assert_eq!(address(&testbed.add(&network, "again", "again").result()), "10.66.0.4");
    assert_eq!(testbed.report(SECOND, "teams")["state"], "Waiting", "nothing goes on");

    // A corrected digest is another rollout.
    let corrected = component("hashed");
    fs::remove_file("/run/net.d/teams.conf").unwrap();
    testbed
        .kubectl()
        .run(&["patch", "gpol", "teams", "--type=merge", "--patch", r#"{"spec":{"rollout":{"minReadySeconds":1}}}"#])
        .stdout();
    change(&testbed, "teams", &corrected);
    testbed.until_condition("teams", "Serving", "True", "AllNodes");
    let digest = Some(Digest::of(&corrected).to_string());
    assert_eq!((installed(DATA, "teams"), installed(testbed.second(), "teams")), (digest.clone(), digest));
}

#[test]
fn a_digest_that_refuses_what_is_granted_now_stops_before_any_pod_meets_it() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[NODE, SECOND]);
    let (good, bad) = (guest("honest"), guest("notes_and_refuses"));
    let rollout = json!({"rollout": {"minReadySeconds": 0}});
    testbed.create(&object("teams", &Digest::of(&good.component), &inline(&good.component), &rollout));
    testbed.network("teams", &json!({}));
    let _agents = [testbed.agent(), testbed.second_agent()];
    testbed.until_condition("teams", "Serving", "True", "AllNodes");

    change(&testbed, "teams", &bad.component);
    let halted = testbed.until_condition("teams", "Halted", "True", "RequestsRefused");
    let message = halted["message"].as_str().unwrap();
    assert!(
        message.starts_with("node node-1: network teams: a request of a pod of which nothing is known is granted now"),
        "{message}"
    );
    assert!(message.contains("after the note"), "{message}");
    testbed.until_condition("teams", "Serving", "False", "Halted");
    let old = Some(Digest::of(&good.component).to_string());
    assert_eq!((installed(DATA, "teams"), installed(testbed.second(), "teams")), (old.clone(), old));
    assert_eq!(
        testbed.until_report(SECOND, "teams", "Waiting")["digest"],
        json!(Digest::of(&good.component).to_string())
    );
}

#[test]
fn serving_waits_for_every_member_and_no_agent_is_left_in_the_middle() {
    if !programs::has_control_plane() {
        return;
    }
    let mut testbed = Testbed::new(&[]).with_members(&[NODE, SECOND]);
    let (first, second) = (component("quota"), component("hashed"));
    let rollout = json!({"rollout": {"minReadySeconds": 0}});
    testbed.create(&object("teams", &Digest::of(&first), &inline(&first), &rollout));
    let agent = testbed.agent();
    testbed.until_report(NODE, "teams", "Serving");
    let silent = testbed.until_condition("teams", "Serving", "False", "RollingOut");
    assert!(silent["message"].as_str().unwrap().contains("node node-2 has not reported"), "{silent}");
    let other = testbed.second_agent();
    testbed.until_condition("teams", "Serving", "True", "AllNodes");
    let both = [testbed.report(NODE, "teams"), testbed.report(SECOND, "teams")];
    assert_eq!(both[0]["artefact"], both[1]["artefact"]);

    // Killed while it installs, and the object changed meanwhile: it ends on the last digest.
    change(&testbed, "teams", &second);
    testbed.until("the first node is at it", || {
        let report = testbed.report(NODE, "teams");
        if report["wanted"] == Digest::of(&second).to_string() { Ok(()) } else { Err(report.to_string()) }
    });
    drop(agent);
    let before = installed(DATA, "teams").unwrap();
    assert!([&first, &second].iter().any(|one| Digest::of(one).to_string() == before));
    change(&testbed, "teams", &first);
    change(&testbed, "teams", &second);
    let agent = testbed.agent();
    testbed.until_condition("teams", "Serving", "True", "AllNodes");
    let wanted = Some(Digest::of(&second).to_string());
    assert_eq!((installed(DATA, "teams"), installed(testbed.second(), "teams")), (wanted.clone(), wanted.clone()));

    // While the API server is away nothing changes, and afterwards it goes on.
    testbed.plane.api_server.end(Signal::KILL);
    sleep(Duration::from_secs(3));
    assert_eq!(installed(DATA, "teams"), wanted);
    testbed.plane.api_server.start();
    change(&testbed, "teams", &first);
    testbed.until("both have it", || {
        let wanted = Some(Digest::of(&first).to_string());
        let found = (installed(DATA, "teams"), installed(testbed.second(), "teams"));
        if found == (wanted.clone(), wanted) { Ok(()) } else { Err(format!("{found:?}")) }
    });
    testbed.until_condition("teams", "Serving", "True", "AllNodes");
    drop((agent, other));
}

#[test]
fn a_shadow_decides_nothing_and_its_faults_stop_it() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[NODE]);
    let (good, bad) = (guest("honest"), guest("answers_network_address"));
    testbed.create(&object("teams", &Digest::of(&good.component), &inline(&good.component), &json!({})));
    let shadow = json!({"mode": "shadow", "rollout": {"minReadySeconds": 600}});
    testbed.create(&object("next", &Digest::of(&bad.component), &inline(&bad.component), &shadow));
    let _agent = testbed.agent();
    testbed.until_condition("teams", "Serving", "True", "AllNodes");
    testbed.until_report(NODE, "next", "Observing");
    let network = testbed.network("teams", &json!({"shadow": "next-shadow"}));
    until_fed(&testbed);
    for number in 0..3 {
        testbed.pod(&format!("web-{number}"), "ReplicaSet");
        let given = address(&testbed.add(&network, &format!("web-{number}"), &format!("c{number}")).result());
        assert_eq!(given, format!("10.66.0.{}", number + 2));
    }
    let halted = testbed.until_condition("next", "Halted", "True", "FaultsRose");
    assert!(halted["message"].as_str().unwrap().contains("failed in 3 of 3 requests"), "{halted}");
    let counters = Store::open_read_only(Path::new(DATA)).unwrap().unwrap().policy_counters("teams").unwrap();
    let of_good = counters[&format!("teams@{}", Digest::of(&good.component))];
    assert_eq!((of_good.granted, of_good.failed), (3, 0));
    assert!(of_good.fuel > 0);
    let table = testbed.kubectl().run(&["get", "gpol", "--output=wide"]).stdout();
    let row = table.lines().find(|line| line.starts_with("next")).unwrap();
    assert!(row.contains("shadow") && row.contains("False") && row.contains("Halted"), "{table}");
}
