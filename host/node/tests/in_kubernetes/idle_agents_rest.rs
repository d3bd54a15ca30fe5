//! Where nothing changes, an agent loads no machine code, parses no object and writes nothing: it acts on what the watches show and
//! on what changes on disk.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use gingham_engine::library::Digest;
use gingham_kubernetes_tests::programs;
use gingham_tests::ctl::ctl;
use serde_json::json;

use crate::policies_are_installed::{component, inline, object};
use crate::testbed::{NODE, Testbed, log};

/// Longer than the longest time between two looks: policies 2 s, wanted facts 10 s.
const IDLE: Duration = Duration::from_secs(15);

/// How often the agent did what costs.
fn work() -> (usize, usize) {
    let log = log();
    (log.matches("loading machine code").count(), log.matches("parsed objects").count())
}

/// What a process has used so far.
fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name of the program may have spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
}

#[test]
fn an_agent_with_policies_rests_until_something_changes() {
    if !programs::has_control_plane() {
        return;
    }
    let others = ["node-2", "node-3", "node-4", "node-5"];
    let testbed = Testbed::new(&[]).with_members(&[&[NODE], &others[..]].concat());
    let quota = component("quota");
    let canary = json!({"rollout": {"nodeSelector": {"canary": "yes"}, "minReadySeconds": 0}});
    testbed.create(&object("teams", &Digest::of(&quota), &inline(&quota), &canary));
    testbed.kubectl().run(&["label", "node", NODE, "canary=yes"]).stdout();
    testbed.network("teams", &json!({"subnet": "10.8.0.0/24", "quota": 5}));
    let agent = testbed.agent();
    testbed.until_report(NODE, "teams", "Serving");
    // Nothing is compared any more, the retries of reports are over, and the times of files are old enough.
    sleep(IDLE);

    let (before, used) = (work(), processor_time(agent.pid()));
    let written = testbed.kubectl().get(&["networkmembers"])["metadata"]["resourceVersion"].clone();
    sleep(IDLE);
    assert_eq!(work(), before, "{}", log());
    assert_eq!(testbed.kubectl().get(&["networkmembers"])["metadata"]["resourceVersion"], written);
    let used = processor_time(agent.pid()).saturating_sub(used);
    // Three times what it takes with the debug profile on a busy machine.
    assert!(used < Duration::from_millis(600), "{used:?} of {IDLE:?}");

    // One of five members changes: one is parsed.
    let label = |value: &str| {
        testbed.kubectl().run(&["label", "--overwrite", "networkmember", "pods.node-5", value]).stdout();
    };
    label("rack=a");
    testbed.until("the change is seen", || if work().1 > before.1 { Ok(()) } else { Err(format!("{:?}", work())) });
    assert_eq!(work(), (before.0, before.1 + 1));
    let log = log();
    let last = log.lines().rfind(|line| line.contains("parsed objects")).unwrap();
    assert!(last.contains("NetworkMember") && last.contains("count=\"1\""), "{last}");

    // A policy that disappears from the disk comes back without an event of the API.
    fs::remove_file("/run/net.d/teams.conf").unwrap();
    ctl(&["policy", "remove", "teams"]).done();
    assert!(!ctl(&["policy", "list"]).done().contains("teams"));
    testbed.until("the agent installs it again", || {
        let list = ctl(&["policy", "list"]).done();
        if list.contains("teams") { Ok(()) } else { Err(list) }
    });
    assert!(Path::new("/var/lib/gingham/policies/names/teams.json").exists());
}
