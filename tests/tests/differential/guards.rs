//! Guards against spoofed hardware addresses, as `nft` shows them: the reference has two chains and four rules for each
//! port, we have one rule. Both come down to which port lets which sender pass.

use std::collections::BTreeMap;
use std::process::Command;

use gingham_net::link;
use gingham_net::netlink::{Route, Socket};
use gingham_tests::node::Container;
use serde_json::{Value, json};

/// The program that the reference runs, too.
pub(crate) const NFT: &str = "/usr/sbin/nft";

/// "c1 eth0 sends as c1 eth0": for each guarded port of the calling thread's namespace, whose it is, and whose address
/// passes.
pub(crate) fn of(containers: &[Container]) -> Value {
    let output = Command::new(NFT).args(["list", "ruleset"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (ports, senders) = named(containers);
    let name = |names: &BTreeMap<String, String>, of: &str| names.get(of).map_or("nobody", String::as_str).to_owned();
    let guards = guards_in(&String::from_utf8(output.stdout).unwrap());
    let mut shown: Vec<String> = guards
        .iter()
        .map(|(port, sender)| format!("{} sends as {}", name(&ports, port), name(&senders, sender)))
        .collect();
    shown.sort();
    json!(shown)
}

/// The containers' interfaces by the names of their ports on the node, and by their hardware addresses.
fn named(containers: &[Container]) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let on_node = link::list(&mut Socket::<Route>::open().unwrap(), None).unwrap();
    let (mut ports, mut senders) = (BTreeMap::new(), BTreeMap::new());
    for container in containers {
        let inside = container.inside(|| link::list(&mut Socket::<Route>::open().unwrap(), None).unwrap());
        for link in inside.iter().filter(|link| link.is_veth()) {
            let name = format!("{} {}", container.id, link.name);
            // Two containers' links may have the same number, two ports may not.
            if let Some(port) = on_node.iter().find(|port| Some(port.index) == link.peer) {
                ports.insert(port.name.clone(), name.clone());
            }
            senders.extend(link.mac.map(|mac| (mac.to_string(), name)));
        }
    }
    (ports, senders)
}

/// Ports and the sender that each lets pass. A chain without a port, or a port without a chain, has nobody there.
fn guards_in(ruleset: &str) -> Vec<(String, String)> {
    let mut guards = Vec::new();
    let (mut ports, mut senders, mut drops) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let mut chain = String::new();
    for line in ruleset.lines() {
        let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches('"')).collect();
        match words[..] {
            ["chain", name, "{"] => name.clone_into(&mut chain),
            ["iifname", port, "jump", target, ..] if target.starts_with("cni-br-iface-") => {
                ports.insert(format!("{target}-mac"), port.to_owned());
            }
            ["ether", "saddr", sender, "return", ..] => drop(senders.insert(chain.clone(), sender.to_owned())),
            ["drop", ..] => drops.push(chain.clone()),
            ["iifname", port, "ether", "saddr", "!=", sender, "drop", ..] => {
                guards.push((port.to_owned(), sender.to_owned()));
            }
            _ => {}
        }
    }
    for (chain, sender) in &senders {
        assert!(drops.contains(chain), "{ruleset}");
        guards.push((ports.remove(chain).unwrap_or_default(), sender.clone()));
    }
    guards.extend(ports.into_values().map(|port| (port, String::new())));
    guards
}
