//! What agents at their default pace cost etcd, and themselves.

use std::error::Error;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use gingham_testbed::daemon::Daemon;
use serde_json::json;

use super::etcd::Load;
use super::first_address::numbers;
use super::members::Members;
use super::nodes::{Link, Node};
use super::options::Options;

/// Until all have joined and their first rounds are over.
const SETTLING: Duration = Duration::from_secs(20);

/// Several rounds of each.
const WATCHED: Duration = Duration::from_secs(30);

pub(super) fn measure(options: &Options, link: &Link, members: &Members, load: &Load) -> Result<(), Box<dyn Error>> {
    let _beats = members.beat()?;
    let mut running = Vec::new();
    for number in 0..options.agents {
        let node = link.node(numbers(members) + 500 + number)?;
        running.push(start(options, members, &format!("kept-{number:03}"), &node)?);
    }
    thread::sleep(SETTLING);
    let (before, cpu, start) = (load.read()?, used(&running), Instant::now());
    thread::sleep(WATCHED);
    let (spent, cpu, took) = (load.read()? - before, used(&running).saturating_sub(cpu), start.elapsed().as_secs_f64());
    let agents = f64::from(u32::try_from(running.len()).unwrap_or(u32::MAX));
    let (network, others) = (members.network, members.count);
    println!("\n{network}: {} agents beside {others} members that show life, for {took:.1} s", running.len());
    println!(
        "  etcd: {:.1} reads/s, {:.1} writes/s, {:.2} MB/s sent, {:.1} % of a processor",
        spent.ranges / took,
        spent.writes / took,
        spent.sent / took / 1e6,
        100.0 * spent.cpu / took
    );
    // The others only write.
    println!(
        "  for each agent: {:.3} reads/s, {:.1} kB/s, {:.2} % of etcd's processor (with the others' writes), {:.2} % of \
         its own",
        spent.ranges / took / agents,
        spent.sent / took / agents / 1e3,
        100.0 * spent.cpu / took / agents,
        100.0 * cpu.as_secs_f64() / took / agents
    );
    Ok(())
}

fn start(options: &Options, members: &Members, name: &str, node: &Node) -> Result<Daemon, Box<dyn Error>> {
    let data = members.data(name);
    let config = format!("{data}.d");
    fs::create_dir_all(&data)?;
    fs::create_dir_all(&config)?;
    let network = json!({
        "cniVersion": "1.1.0", "name": members.network, "type": "gingham", "bridge": "cni0", "isGateway": true,
        "ipam": members.ipam(name, node.address),
    });
    fs::write(format!("{config}/10-net.conf"), network.to_string())?;
    let mut command = Command::new(&options.agent);
    command.args(["--listen", "none", "--config-dir", &config, "--data-dir", &data]).env_remove("NOTIFY_SOCKET");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(format!("{data}.log"))?);
    Ok(Daemon::start(&node.machine, command)?)
}

/// CPU time of all, user and system.
fn used(running: &[Daemon]) -> Duration {
    let ticks = running.iter().filter_map(|one| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", one.process.id())).ok()?;
        let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    });
    Duration::from_millis(ticks.sum::<u64>() * 10)
}
