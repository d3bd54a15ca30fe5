//! Agents are killed at every moment of a rollout. The policy's name stands for the digest before or for the next one, ADD goes on,
//! and all nodes end on the next one.

use std::thread::sleep;
use std::time::Duration;

use gingham_engine::library::Digest;
use gingham_kubernetes_tests::programs;
use gingham_tests::cni::Cni;
use gingham_tests::guests::guest;
use gingham_tests::node::DATA;
use serde_json::json;

use crate::policies_are_installed::{inline, object};
use crate::policies_roll_out::{SECOND, change, installed};
use crate::testbed::{NODE, Testbed};

/// Later than an installation takes.
const LAST_KILL: Duration = Duration::from_secs(2);
const ROUNDS: u8 = 12;

/// The same policy with another digest each time: a custom section has the number.
fn component(number: u8) -> Vec<u8> {
    [&guest("honest").component[..], &[0, 3, 1, b'x', number]].concat()
}

fn digest(number: u8) -> String {
    Digest::of(&component(number)).to_string()
}

#[test]
fn both_agents_at_once_twelve_times() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[NODE, SECOND]);
    let network = testbed.network("teams", &json!({}));
    let rollout = json!({"rollout": {"minReadySeconds": 0}});
    testbed.create(&object("teams", &Digest::of(&component(0)), &inline(&component(0)), &rollout));
    let mut agents = [testbed.agent(), testbed.second_agent()];
    testbed.until_condition("teams", "Serving", "True", "AllNodes");
    for round in 1..=ROUNDS {
        change(&testbed, "teams", &component(round));
        sleep(LAST_KILL * u32::from(round) / u32::from(ROUNDS));
        drop(agents);
        let known = [Some(digest(round - 1)), Some(digest(round))];
        for directory in [DATA, testbed.second()] {
            let found = installed(directory, "teams");
            assert!(known.contains(&found), "round {round}, {directory}: {found:?}");
        }
        Cni::add(&network, &testbed.node.container(&format!("c{round}"))).run().result();
        agents = [testbed.agent(), testbed.second_agent()];
        testbed.until_condition("teams", "Serving", "True", "AllNodes");
        let wanted = Some(digest(round));
        let both = [DATA, testbed.second()].map(|directory| installed(directory, "teams"));
        assert_eq!(both, [wanted.clone(), wanted], "round {round}");
    }
}
