//! A node that was out of touch may have been taken over, also if it did not boot: it gives no new address until its agent has read
//! its record (rule R11). One that has merely lost the API server goes on.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use gingham_engine::ledger::{Ledger as _, LedgerQueries as _};
use gingham_engine::settings::Settings;
use gingham_engine::store::Store;
use gingham_engine::{boot_id, clock};
use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::programs;
use gingham_ownership::local::LocalState;
use gingham_tests::cni::{Outcome, addresses};
use ipnet::IpNet;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::kubernetes_is_the_store::{Cluster, until_ready};
use crate::testbed::{Agent, NETWORK, PATIENCE};

const UNCONFIRMED: &str = "another node may have taken over the blocks of this one";

/// The agent has looked, and the store did not answer.
fn is_out_of_touch(cluster: &Cluster, node: usize) {
    change(cluster, node, LocalState::doubt);
}

/// Stands for the minutes after which what an agent has read counts no more.
fn is_without_news(cluster: &Cluster, node: usize) {
    change(cluster, node, |local| local.confirm_until(1));
}

/// Of what the node itself knows of its membership.
fn change(cluster: &Cluster, node: usize, change: impl FnOnce(&mut LocalState) + Send) {
    let config = cluster.network(node)["ipam"].as_object().unwrap().clone();
    cluster.testbed.nodes.node(node).on(move |_| {
        let (settings, boot) = (Settings::parse(&config).unwrap(), boot_id::read().unwrap());
        let mut ledger = Store::open(&settings.data_dir, &boot, clock::now()).unwrap().into_ledger(NETWORK).unwrap();
        let mut local = LocalState::read(&ledger.cluster_state().unwrap().unwrap(), &boot).unwrap();
        change(&mut local);
        ledger.put_cluster_state(&local.to_bytes()).unwrap();
        ledger.commit().unwrap();
    });
}

/// Waits until the agent has looked since, and the API server did not answer.
fn until_lost(cluster: &Cluster, node: usize, agent: &mut Agent) {
    is_out_of_touch(cluster, node);
    let errors = agent.until("gingham_store_errors_total", |_| true);
    agent.until("gingham_store_errors_total", |now| now > errors);
}

#[track_caller]
fn is_refused(outcome: &Outcome, why: &str) {
    let fault = outcome.fault();
    assert_eq!(fault.code, 11, "{fault:?}");
    assert!(fault.msg.contains(UNCONFIRMED) && fault.msg.contains(why), "{fault:?}");
}

/// ADDs until one succeeds, as a kubelet does.
fn add_until(cluster: &Cluster, node: usize, id: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    for attempt in 0.. {
        let (_, outcome) = cluster.add(node, &format!("{id}-{attempt}"));
        if outcome.is_success() {
            return outcome.result();
        }
        assert!(Instant::now() < deadline, "{:?}", outcome.fault());
        std::thread::sleep(Duration::from_millis(300));
    }
    unreachable!("it counts without end")
}

/// The block that holds a result's address, as the API has it.
fn block_of(cluster: &Cluster, result: &Value) -> Value {
    let address: IpAddr = addresses(result)[0];
    let blocks = cluster.plane.kubectl().get(&["addressblocks"]);
    let holds = |block: &&Value| block["spec"]["cidr"].as_str().unwrap().parse::<IpNet>().unwrap().contains(&address);
    blocks["items"].as_array().unwrap().iter().find(holds).unwrap()["spec"].clone()
}

#[test]
fn a_node_that_was_taken_over_gives_no_address_before_its_agent_has_looked() {
    if !programs::has_control_plane() {
        return;
    }
    let mut cluster = Cluster::new();
    // Agents look for deleted nodes every 4 s, and wait for 25 s.
    let mut agents = [1, 2].map(|node| cluster.agent(node, &["--grace-period", "1"]));
    agents.iter_mut().for_each(until_ready);
    let [first, second] = agents;
    let (pod, outcome) = cluster.add(2, "before");
    outcome.result();
    second.end(Signal::KILL);
    cluster.add(2, "while-the-agent-restarts").1.result();
    is_without_news(&cluster, 2);
    cluster.add(2, "long-after-the-agent-was-deleted").1.result();

    // The agent is a pod, and goes with its Node. The kubelet is started again, and no agent yet.
    cluster.plane.kubectl().run(&["delete", "node", "node-2"]).stdout();
    cluster.until_taken("node-2", &first);
    is_out_of_touch(&cluster, 2);
    is_refused(&cluster.add(2, "without-an-agent").1, "gingham-node does not run on this node");
    cluster.status(2).succeeds();
    cluster.del(2, &pod);

    // An agent that cannot reach the API server knows no more than the node.
    cluster
        .plane
        .kubectl()
        .apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-2"}}).to_string());
    cluster.plane.api_server.end(Signal::KILL);
    let second = cluster.agent(2, &[]);
    let deadline = Instant::now() + PATIENCE;
    while second.ask("/healthz").is_empty() {
        assert!(Instant::now() < deadline, "{}", second.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    is_refused(&cluster.add(2, "without-the-api-server").1, "");
    cluster.plane.api_server.start();
    let result = add_until(&cluster, 2, "back");
    let (block, member) = (block_of(&cluster, &result), cluster.member("node-2"));
    assert_eq!((&block["owner"], &block["incarnation"]), (&json!("node-2"), &member["incarnation"]), "{block}");
    assert_eq!((&member["membership"], member["incarnation"].as_u64() > Some(1)), (&json!("member"), true), "{member}");
    drop(first);
}

#[test]
fn an_agent_that_has_lost_the_api_server_vouches_for_its_node() {
    if !programs::has_control_plane() {
        return;
    }
    let mut cluster = Cluster::new();
    let mut agent = cluster.agent(1, &["--interval", "1"]);
    until_ready(&mut agent);
    cluster.add(1, "before").1.result();
    cluster.plane.api_server.end(Signal::KILL);
    until_lost(&cluster, 1, &mut agent);
    cluster.add(1, "while-it-is-away").1.result();

    // One that is silent, and not closed.
    cluster.plane.api_server.start();
    // By a write: a takeover that was under way would end.
    until("the agent has confirmed its node", PATIENCE, || match cluster.member("node-1") {
        member if member["confirmed"].as_u64() >= Some(1) => Ok(()),
        member => Err(member.to_string()),
    });
    cluster.add(1, "while-it-is-there").1.result();
    cluster.plane.api_server.signal(Signal::STOP);
    until_lost(&cluster, 1, &mut agent);
    let begun = Instant::now();
    cluster.add(1, "while-it-is-silent").1.result();
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());

    // Another agent has not seen it.
    agent.end(Signal::KILL);
    let agent = cluster.agent(1, &["--interval", "1"]);
    let deadline = Instant::now() + PATIENCE;
    while agent.ask("/healthz").is_empty() {
        assert!(Instant::now() < deadline, "{}", agent.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    is_refused(&cluster.add(1, "of-another-agent").1, "");
    cluster.plane.api_server.signal(Signal::CONT);
    add_until(&cluster, 1, "afterwards");
}
