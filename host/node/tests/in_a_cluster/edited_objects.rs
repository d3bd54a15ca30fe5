//! What people edit or delete by hand: no address is given twice, and it is said where it is seen.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::programs;
use gingham_tests::cni::addresses;
use gingham_tests::node::DATA;
use ipnet::IpNet;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::kubernetes_is_the_store::{CRDS, Cluster, until_ready};
use crate::testbed::{Agent, PATIENCE};

impl Cluster {
    /// The owners of all blocks.
    fn owner_of_each(&self) -> BTreeMap<IpNet, String> {
        let blocks = self.plane.kubectl().get(&["addressblocks"]);
        let of = |block: &Value| {
            let text = |key: &str| block["spec"][key].as_str().unwrap().to_owned();
            (text("cidr").parse().unwrap(), text("owner"))
        };
        blocks["items"].as_array().unwrap().iter().map(of).collect()
    }

    fn edit(&self, kind: &str, name: &str, spec: &Value) {
        let patch = json!({"spec": spec}).to_string();
        self.plane.kubectl().run(&["patch", kind, name, "--type=merge", "--patch", &patch]).stdout();
    }

    fn address(&self, node: usize, pod: &str) -> IpAddr {
        addresses(&self.add(node, pod).1.result())[0]
    }
}

/// The block of the address, among those of a node.
fn block_of(owners: &BTreeMap<IpNet, String>, node: &str, address: IpAddr) -> Option<IpNet> {
    let is_it = |(block, owner): &(&IpNet, &String)| *owner == node && block.contains(&address);
    owners.iter().find(is_it).map(|(block, _)| *block)
}

#[track_caller]
fn until_logged(agent: &Agent, words: &str) {
    until(words, PATIENCE, || if agent.log().contains(words) { Ok(()) } else { Err(agent.log()) });
}

#[test]
fn no_node_gives_addresses_of_a_block_whose_owner_was_edited() {
    if !programs::has_control_plane() {
        return;
    }
    let cluster = Cluster::new();
    let mut agents = [1, 2].map(|node| cluster.agent(node, &["--interval", "1"]));
    agents.iter_mut().for_each(until_ready);
    let block = block_of(&cluster.owner_of_each(), "node-1", cluster.address(1, "before")).unwrap();
    let name = format!("net.{}", block.to_string().replace('/', "-"));
    cluster.edit("addressblock", &name, &json!({"owner": "node-2"}));
    for agent in &agents {
        until_logged(
            agent,
            &format!("AddressBlock {block} was claimed by node-1, and its spec.owner was edited to node-2"),
        );
    }
    for pod in 0..16 {
        for node in [1, 2] {
            let address = cluster.address(node, &format!("pod-{pod}-of-{node}"));
            assert!(!block.contains(&address), "node-{node} gives {address}");
        }
    }
    cluster.edit("addressblock", &name, &json!({"owner": "node-1"}));
    for agent in &agents {
        until_logged(agent, &format!("resolved: AddressBlock {block}"));
    }
    until_logged(
        &agents[0],
        &format!("the record of the block {block} has this node, which claimed it, as its owner again"),
    );
    assert!(!agents[0].log().contains("a claim did not come to its end"), "{}", agents[0].log());
    let mut after = (0..16).map(|pod| cluster.address(1, &format!("after-{pod}")));
    assert!(after.any(|address| block.contains(&address)));
}

#[test]
fn a_member_that_was_edited_is_a_member_again() {
    if !programs::has_control_plane() {
        return;
    }
    let cluster = Cluster::new();
    let mut agent = cluster.agent(1, &["--interval", "1"]);
    until_ready(&mut agent);
    cluster.edit("networkmember", "net.node-1", &json!({"membership": "left"}));
    until("the record says again that it is a member", PATIENCE, || match cluster.member("node-1") {
        member if member["membership"] == "member" => Ok(()),
        member => Err(format!("{member}: {}", agent.log())),
    });
    until_logged(&agent, "this node's member record was edited by hand");
    cluster.add(1, "afterwards").1.result();
}

#[test]
fn a_node_with_a_new_data_directory_says_which_blocks_it_leaves_alone() {
    if !programs::has_control_plane() {
        return;
    }
    let cluster = Cluster::new();
    let mut agent = cluster.agent(1, &["--interval", "1"]);
    until_ready(&mut agent);
    let block = block_of(&cluster.owner_of_each(), "node-1", cluster.address(1, "before")).unwrap();
    agent.end(Signal::KILL);
    cluster.testbed.nodes.node(1).on(|_| {
        for entry in fs::read_dir(DATA).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
    });
    let agent = cluster.agent(1, &["--interval", "1"]);
    until_logged(&agent, &format!("the leases of the block {block} were lost with the node's data directory"));
    until("it has another block", PATIENCE, || {
        let owners = cluster.owner_of_each();
        if owners.len() == 2 { Ok(()) } else { Err(format!("{owners:?}")) }
    });
    let address = cluster.address(1, "with-the-new-one");
    assert!(!block.contains(&address), "{address} may be in use");
}

#[test]
fn after_the_definitions_were_deleted_a_node_claims_the_blocks_of_its_pods_first() {
    if !programs::has_control_plane() {
        return;
    }
    let cluster = Cluster::new();
    let kubectl = cluster.plane.kubectl();
    // The first node has more than its share of two.
    let mut first = cluster.agent(1, &["--interval", "1"]);
    until_ready(&mut first);
    let mut pods: Vec<(usize, IpAddr)> = (0..30).map(|pod| (1, cluster.address(1, &format!("pod-{pod}")))).collect();
    let mut second = cluster.agent(2, &["--interval", "1"]);
    until_ready(&mut second);
    pods.push((2, cluster.address(2, "pod")));
    kubectl.run(&["delete", "crd", "addressblocks.gingham.dev", "networkmembers.gingham.dev"]).stdout();
    kubectl.run(&["delete", "crd", "addressnetworks.gingham.dev"]).stdout();
    kubectl.run(&["apply", "--validate=false", "-f", CRDS]).stdout();
    kubectl.run(&["wait", "--for=condition=Established", "crd", "--all"]).stdout();
    until("each pod's block is its node's", PATIENCE, || {
        let owners = cluster.owner_of_each();
        let is_without =
            |(node, address): &&(usize, IpAddr)| block_of(&owners, &format!("node-{node}"), *address).is_none();
        match pods.iter().find(is_without) {
            None => Ok(()),
            Some(without) => Err(format!("{without:?} in {owners:?}\n{}", first.log())),
        }
    });
}
