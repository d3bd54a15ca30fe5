//! From exec to exit of the first ADD on a node that is new to a cluster: it joins, claims, makes bridge and routes.

use std::error::Error;
use std::fs;

use serde_json::json;

use super::members::Members;
use super::nodes::Link;
use super::options::Options;
use crate::cni::Plugin;
use crate::networks::Container;
use crate::report::Samples;

pub(super) fn measure(options: &Options, link: &Link, members: &Members) -> Result<(), Box<dyn Error>> {
    let plugin = Plugin::ours(&options.plugin);
    let [mut first, mut second] = [const { Samples::new() }; 2];
    let mut nodes = Vec::new();
    for round in 0..options.rounds {
        // Numbers that no agent's node has; the nodes stay, as other nodes do.
        let node = link.node(numbers(members) + round)?;
        let name = format!("new-{round:03}");
        fs::create_dir_all(members.data(&name))?;
        let config = json!({
            "cniVersion": "1.1.0", "name": members.network, "type": "gingham", "bridge": "cni0", "isGateway": true,
            "ipMasq": true, "ipam": members.ipam(&name, node.address),
        })
        .to_string();
        for (number, samples) in [&mut first, &mut second].into_iter().enumerate() {
            let container = Container::new()?;
            let id = format!("{name}-{number}");
            let run = || plugin.main("ADD", &config, &id, container.path()).map_err(|error| error.to_string());
            samples.push(node.machine.on(run)??);
            nodes.push(container);
        }
    }
    let millis = |samples: &Samples, percent| samples.percentile(percent).as_secs_f64() * 1000.0;
    println!(
        "\n{}: the first ADD on a node that is new to {} members, {} nodes",
        members.network,
        members.count,
        first.len()
    );
    println!("  the first ADD:  median {:.1} ms, p99 {:.1} ms", millis(&first, 50), millis(&first, 99));
    println!("  the second one: median {:.1} ms, p99 {:.1} ms", millis(&second, 50), millis(&second, 99));
    Ok(())
}

/// Each network's new nodes have numbers of their own.
pub(super) fn numbers(members: &Members) -> usize {
    if members.network == "small" { 0 } else { 1_000 }
}
