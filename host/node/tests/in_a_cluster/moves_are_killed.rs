//! `ginghamctl cluster migrate` is killed in the middle of each of its steps, and run again in either direction: containers come and go
//! all the time, no address is in use twice, and each run goes on from what the one before has left.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use gingham_kubernetes_tests::programs;
use gingham_tests::node::{CTL, PLUGINS};

use crate::clusters_move_under_agents::{
    Load, arguments_of_move, in_etcd, is_consistent, migrate, switch, until_joined_after, until_reconciled,
};
use crate::kubernetes_is_the_store::{Cluster, until_ready};
use crate::testbed::Agent;

/// Kills the command when it begins a step.
#[track_caller]
fn kill_at(cluster: &Cluster, to: &str, step: &str) {
    let mut command = Command::new(CTL);
    command.args(arguments_of_move(cluster, &["--to", to])).env("NO_COLOR", "1").env("CNI_PATH", PLUGINS);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = cluster.testbed.nodes.node(1).on(move |_| command.spawn().unwrap());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let is_there = lines.any(|line| line.starts_with(step));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_there, "no step {step:?}");
}

fn there(load: &Load<'_>, cluster: &Cluster, agents: &mut [Agent; 2]) {
    kill_at(cluster, "kubernetes", "reserving the network in kubernetes");
    load.until_served();
    kill_at(cluster, "kubernetes", "closing the network in etcd");
    load.until_served();
    // Neither store gives a block now. An operator goes back, and is interrupted as well.
    kill_at(cluster, "etcd", "ending the reservation in kubernetes");
    let back = migrate(cluster, &["--to", "etcd"]).done();
    assert!(back.contains("nodes go on with etcd") || back.contains("etcd is its store already"), "{back}");
    load.until_served();
    for step in ["waiting until claims", "copying members and blocks", "opening the network in kubernetes"] {
        kill_at(cluster, "kubernetes", step);
        load.until_served();
    }
    let moved = migrate(cluster, &["--to", "kubernetes"]).done();
    assert!(moved.contains("done; ") || moved.contains("kubernetes is its store already"), "{moved}");
    let again = migrate(cluster, &["--to", "kubernetes"]).done();
    assert!(again.contains("network net: kubernetes is its store already"), "{again}");
    for node in [1, 2] {
        let incarnation = cluster.member(&format!("node-{node}"))["incarnation"].as_u64();
        switch(load, node, &mut agents[node - 1], cluster.network(node));
        until_joined_after(cluster, node, incarnation, &agents[node - 1]);
        until_reconciled(&agents[node - 1]);
    }
    load.until_served();
    is_consistent(load);
}

fn and_back(load: &Load<'_>, cluster: &Cluster, agents: &mut [Agent; 2]) {
    for step in ["closing the network in kubernetes", "opening the network in etcd"] {
        kill_at(cluster, "etcd", step);
        load.until_served();
    }
    let moved = migrate(cluster, &["--to", "etcd"]).done();
    assert!(moved.contains("done; ") || moved.contains("etcd is its store already"), "{moved}");
    for node in [1, 2] {
        switch(load, node, &mut agents[node - 1], in_etcd(cluster, node));
        until_reconciled(&agents[node - 1]);
    }
    load.until_served();
}

#[test]
fn each_run_goes_on_from_what_a_killed_one_has_left() {
    if !programs::has_control_plane() {
        return;
    }
    let cluster = Cluster::new();
    let configs = [1, 2].map(|node| in_etcd(&cluster, node));
    let mut agents = [1, 2].map(|node| cluster.agent_with(node, &configs[node - 1], &["--interval", "1"]));
    agents.iter_mut().for_each(until_ready);
    let load = Load::new(&cluster, configs);
    load.beside(|| {
        load.until_served();
        there(&load, &cluster, &mut agents);
        and_back(&load, &cluster, &mut agents);
    });
}
