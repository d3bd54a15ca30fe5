//! Whose packets leave with the node's address: the reference has a chain of iptables for each address, we have a set of
//! nftables for each family. Both come down to addresses.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::guards::NFT;

/// What the reference runs, for each family.
pub(crate) const SAVE: [&str; 2] = ["/usr/sbin/iptables-save", "/usr/sbin/ip6tables-save"];

/// The addresses of containers that are masqueraded in the calling thread's network namespace, sorted.
pub(crate) fn of_containers() -> Value {
    let mut addresses: BTreeSet<String> = SAVE.iter().flat_map(|save| in_chains(&run(save, &["-t", "nat"]))).collect();
    addresses.extend(in_sets(&run(NFT, &["--json", "list", "ruleset"])));
    json!(addresses)
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// "-A POSTROUTING -s 10.1.0.2/32 … -j CNI-…", where that chain masquerades.
fn in_chains(saved: &str) -> Vec<String> {
    let rules: Vec<Vec<&str>> = saved.lines().map(|line| line.split_whitespace().collect()).collect();
    let masquerades = |chain: &str| {
        rules.iter().any(|rule| rule.starts_with(&["-A", chain]) && rule.ends_with(&["-j", "MASQUERADE"]))
    };
    let source = |rule: &Vec<&str>| match rule[..] {
        ["-A", "POSTROUTING", "-s", source, .., "-j", chain] if masquerades(chain) => {
            Some(source.split('/').next().unwrap().to_owned())
        }
        _ => None,
    };
    rules.iter().filter_map(source).collect()
}

/// The elements of our sets, where a rule masquerades them.
fn in_sets(ruleset: &str) -> Vec<String> {
    let ruleset: Value = serde_json::from_str(ruleset).unwrap();
    let objects = ruleset["nftables"].as_array().unwrap();
    let rules: Vec<String> =
        objects.iter().map(|object| &object["rule"]).filter(|rule| !rule.is_null()).map(Value::to_string).collect();
    let is_used = |set: &Value| {
        let name = format!("\"@{}\"", set["name"].as_str().unwrap());
        rules.iter().any(|rule| rule.contains(&name) && rule.contains("masquerade"))
    };
    let sets = objects.iter().map(|object| &object["set"]);
    let ours =
        sets.filter(|set| set["name"].as_str().is_some_and(|name| name.starts_with("containers")) && is_used(set));
    let elements = ours.filter_map(|set| set["elem"].as_array()).flatten();
    elements.map(|element| element.as_str().unwrap().to_owned()).collect()
}
