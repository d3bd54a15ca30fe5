//! The steps: pods join on all nodes and reach each other, a node is lost, and another takes it over.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use gingham_ownership::beat::WATCH;
use gingham_testbed::TestbedError;
use gingham_testbed::daemon::end_of;

use super::node::{NodeError, Pod, Trial};
use super::nodes::{LOG, TrialNode};
use super::snapshot::snapshot;
use crate::clock::format_duration;
use crate::membership::end;
use crate::trial::report::TrialReport;
use crate::trial::udp_echo::{EchoError, Stream, UdpEcho};

/// One for each node.
const PODS: [&str; 8] = ["pod-1", "pod-2", "pod-3", "pod-4", "pod-5", "pod-6", "pod-7", "pod-8"];

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may take until a node knows the ways to the others.
const WAYS: Duration = Duration::from_secs(20);

/// So many lines of an agent's log are shown when something fails.
const LOG_LINES: usize = 8;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Testbed(#[from] TestbedError),
    #[error("{from} does not reach {to}: {source}")]
    Ping { from: &'static str, to: String, source: EchoError },
    #[error("of {sent} datagrams from {from} to {to} only {answered} were answered while a node was taken over")]
    Disturbed { from: &'static str, to: &'static str, sent: u32, answered: u32 },
    #[error("{first} and {second} got the same address {address}")]
    Twice { first: &'static str, second: &'static str, address: IpAddr },
    #[error("{0}")]
    Unequal(String),
    #[error("{node} has no route to some blocks:\n{text}{log}")]
    NoWays { node: String, text: String, log: String },
    #[error("there are no nodes")]
    NoNodes,
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Goes through all steps.
pub(super) fn walk(
    trial: &Trial<'_>,
    mut nodes: Vec<TrialNode>,
    report: &mut TrialReport<'_>,
) -> Result<(), StepError> {
    let mut pods = join(trial, &nodes, report)?;
    open_ways(trial, &mut nodes, report)?;
    tell_cluster(trial, &nodes, nodes.len(), report)?;
    reach(&pods, report)?;
    let (Some(lost), Some(its_pod)) = (nodes.pop(), pods.pop()) else { return Err(StepError::NoNodes) };
    lose(trial, (lost, its_pod), &nodes, &pods, report)?;
    tell_cluster(trial, &nodes, nodes.len(), report)?;
    leave(trial, &nodes, &pods, report)
}

/// A pod joins on each node; the nodes join with them.
fn join(trial: &Trial<'_>, nodes: &[TrialNode], report: &mut TrialReport<'_>) -> Result<Vec<Pod>, StepError> {
    let mut pods: Vec<Pod> = Vec::new();
    for (node, id) in nodes.iter().zip(PODS) {
        let pod = trial.add(node, id)?;
        if let Some(first) = pods.iter().find(|other| other.address == pod.address) {
            return Err(StepError::Twice { first: first.container.id, second: id, address: pod.address });
        }
        for line in &pod.logged {
            report.line("log", line)?;
        }
        let (node, addresses, time) = (&node.name, &pod.addresses, format_duration(pod.took));
        report.line("ADD", format!("{id} on {node} in {time} with {addresses}; {node} joined and claimed a block"))?;
        pods.push(pod);
    }
    Ok(pods)
}

/// Who joined first knows nothing of the later ones yet: gingham-node sees to it, or else this program.
fn open_ways(trial: &Trial<'_>, nodes: &mut [TrialNode], report: &mut TrialReport<'_>) -> Result<(), StepError> {
    let start = Instant::now();
    let how = if let Some(program) = trial.agent {
        for node in nodes.iter_mut() {
            let input = trial.input(node);
            node.start_agent(program, &input)?;
        }
        "gingham-node runs on each node"
    } else {
        for node in nodes.iter() {
            trial.administer(node, |session| session.refresh_routes().map(drop))?;
        }
        "gingham-node is not in the directory of ginghamctl, which sets the routes itself"
    };
    nodes.iter().try_for_each(|node| wait_for_ways(trial, node))?;
    let time = format_duration(start.elapsed());
    Ok(report.line("routes", format!("{how}: all nodes have routes to all blocks after {time}"))?)
}

fn wait_for_ways(trial: &Trial<'_>, node: &TrialNode) -> Result<(), StepError> {
    let deadline = Instant::now() + WAYS;
    loop {
        let (snapshot, text) = snapshot(trial, node)?;
        if snapshot.reaches_all() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let log = node.on(|| end_of(Path::new(LOG), LOG_LINES))?;
            return Err(StepError::NoWays { node: node.name.clone(), text, log });
        }
        // What the other process does is seen in the kernel alone.
        thread::sleep(Duration::from_millis(20));
    }
}

/// Shows the cluster; so many nodes have to have equal shares.
fn tell_cluster(
    trial: &Trial<'_>,
    nodes: &[TrialNode],
    count: usize,
    report: &mut TrialReport<'_>,
) -> Result<(), StepError> {
    let node = nodes.first().ok_or(StepError::NoNodes)?;
    let (snapshot, text) = snapshot(trial, node)?;
    let shares = snapshot.shares();
    let equal = snapshot.has_equal_shares();
    if shares.len() != count || !equal {
        return Err(StepError::Unequal(format!("{count} nodes should have equal shares:\n{text}")));
    }
    Ok(report.line("cluster", format!("as {} shows it\n{text}", node.name))?)
}

/// All pods ping each other.
fn reach(pods: &[Pod], report: &mut TrialReport<'_>) -> Result<(), StepError> {
    for from in pods {
        let mut told = Vec::new();
        for to in pods.iter().filter(|to| to.address != from.address) {
            let echo = UdpEcho::open(&from.container.namespace, &to.container.namespace, to.address);
            let time = echo.and_then(|mut echo| echo.ping(ANSWER_TIMEOUT)).map_err(|source| StepError::Ping {
                from: from.container.id,
                to: format!("{} at {}", to.container.id, to.address),
                source,
            })?;
            told.push(format!("{} {} in {}", to.container.id, to.address, format_duration(time)));
        }
        report.line("ping", format!("{} -> {}", from.container.id, told.join(", ")))?;
    }
    Ok(())
}

/// A node is lost and taken over, while the others' pods go on pinging each other.
fn lose(
    trial: &Trial<'_>,
    (lost, its_pod): (TrialNode, Pod),
    nodes: &[TrialNode],
    pods: &[Pod],
    report: &mut TrialReport<'_>,
) -> Result<(), StepError> {
    let is_over = AtomicBool::new(false);
    let streams = thread::scope(|scope| {
        let pairs = pods.iter().zip(pods.iter().cycle().skip(1));
        let streams: Vec<_> = pairs.map(|(from, to)| begin(scope, from, to, &is_over)).collect();
        let done = lose_quietly(trial, (lost, its_pod), nodes, report);
        is_over.store(true, Ordering::Relaxed);
        let streams: Vec<_> = streams.into_iter().map(InFlight::end).collect();
        done.map(|()| streams)
    })?;
    for (from, to, ended) in streams {
        let traffic = ended.map_err(|source| StepError::Ping { from, to: to.to_owned(), source })?;
        let Stream { sent, answered, longest } = traffic;
        if answered * 10 < sent * 9 {
            return Err(StepError::Disturbed { from, to, sent, answered });
        }
        let longest = format_duration(longest);
        report.line(
            "traffic",
            format!("{from} -> {to}: {answered} of {sent} datagrams were answered meanwhile, each within {longest}"),
        )?;
    }
    Ok(())
}

/// A stream that runs.
struct InFlight<'scope> {
    from: &'static str,
    to: &'static str,
    thread: ScopedJoinHandle<'scope, Result<Stream, EchoError>>,
}

fn begin<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    from: &'scope Pod,
    to: &'scope Pod,
    is_over: &'scope AtomicBool,
) -> InFlight<'scope> {
    let thread = scope.spawn(move || {
        let echo = UdpEcho::open(&from.container.namespace, &to.container.namespace, to.address);
        echo?.stream(is_over)
    });
    InFlight { from: from.container.id, to: to.container.id, thread }
}

impl InFlight<'_> {
    fn end(self) -> (&'static str, &'static str, Result<Stream, EchoError>) {
        let ended = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (self.from, self.to, ended)
    }
}

fn lose_quietly(
    trial: &Trial<'_>,
    (lost, its_pod): (TrialNode, Pod),
    nodes: &[TrialNode],
    report: &mut TrialReport<'_>,
) -> Result<(), StepError> {
    let heir = nodes.first().ok_or(StepError::NoNodes)?;
    let (name, pod) = (lost.name.clone(), its_pod.container.id);
    drop(its_pod);
    lost.end()?;
    report.line(
        "lost",
        format!("{name} was killed: its namespaces no longer exist, nor do {pod}, its leases and its link"),
    )?;
    let watched = WATCH / 1_000;
    report.line("takeover", format!("{} watches {name} for {watched} s, then ends its membership", heir.name))?;
    let start = Instant::now();
    trial.administer(heir, |session| end(session, &name, false))?;
    let time = format_duration(start.elapsed());
    Ok(report
        .line("", format!("done in {time}: no sign of life; its block and its share are free for the other nodes"))?)
}

/// The pods that are left leave.
fn leave(trial: &Trial<'_>, nodes: &[TrialNode], pods: &[Pod], report: &mut TrialReport<'_>) -> Result<(), StepError> {
    let mut times = Vec::new();
    for (node, pod) in nodes.iter().zip(pods) {
        times.push(format!("{} in {}", pod.container.id, format_duration(trial.del(node, pod)?)));
    }
    Ok(report.line("DEL", format!("{} left", times.join(", ")))?)
}
