//! What a cluster's store costs, with one etcd and every node on this machine:
//!
//! ```text
//! cargo ship && cargo build --package gingham-node && cargo bench-cluster [--nodes 1000] [--at-once 32] [--rounds 25]
//!     [--agents 30] [--plugin FILE] [--agent FILE] [--disk DIR]
//! ```
//! etcd's data is in the directory, the nodes' own data on tmpfs: in a cluster each has a disk to itself.

mod agents;
mod beats;
mod etcd;
mod first_address;
mod members;
mod nodes;
mod options;

use std::error::Error;
use std::fs;

use gingham_testbed::etcd::{Etcd, Layout};

use crate::networks;
use etcd::Load;
use members::Members;
use nodes::{BETWEEN, Link};
use options::Options;

const HELP: &str = "\
Measure what a cluster costs its store, with one etcd and every node on this machine.

  cargo ship && cargo build --package gingham-node && cargo bench-cluster [OPTIONS]

  --nodes N         nodes that join [1000]
  --at-once N       how many of them at the same time [32]
  --rounds N        further nodes whose first ADD is measured [25]
  --agents N        further nodes with gingham-node [30]
  --plugin FILE     Gingham [target/x86_64-unknown-linux-musl/ship/gingham]
  --agent FILE      gingham-node [target/debug/gingham-node]
  --disk DIR        a directory on a disk [target/bench]
  --help            print this";

/// Measures everything and prints it as it comes.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let mut arguments = arguments.peekable();
    if arguments.peek().is_some_and(|first| ["--help", "-h", "help"].contains(&first.as_str())) {
        println!("{HELP}");
        return Ok(());
    }
    let options = Options::parse(arguments)?;
    networks::private_directories()?;
    let link = Link::new(options.nodes)?;
    let directory = options.disk.join("etcd");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    let etcd = Etcd::start(&Layout::at(&directory, BETWEEN.into(), 1))?;
    let load = Load::of(BETWEEN);
    println!("etcd: one member, data in {}; the nodes' own data on tmpfs", directory.display());

    let small = Members::new("small", &etcd, 3);
    small.join(3, &load)?;
    first_address::measure(&options, &link, &small)?;
    agents::measure(&options, &link, &small, &load)?;

    let large = Members::new("large", &etcd, options.nodes);
    large.join(options.at_once, &load)?;
    large.check()?;
    first_address::measure(&options, &link, &large)?;
    agents::measure(&options, &link, &large, &load)
}
