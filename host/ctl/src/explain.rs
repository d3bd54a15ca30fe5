//! `ginghamctl explain`: why a container has its address, and why an address is not given.

mod subject;

use std::io;
use std::net::IpAddr;
use std::path::Path;

use gingham_engine::attachment::Pod;
use gingham_engine::history::{Event, History, HistoryFile, RecordedRequest};
use gingham_network::error::NetworkError;
use gingham_network::network::{Addresses, Network};
use serde::Serialize;

use crate::cli::ExplainArguments;
use crate::clock;
use crate::holdings::{Held, Holdings};
use crate::lease_store::LeaseStoreError;
use crate::network::{ConfigDirError, GinghamPluginError, find, read_network};
use crate::output::Output;
use subject::SubjectError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ExplainError {
    #[error(transparent)]
    ConfigDir(#[from] ConfigDirError),
    #[error(transparent)]
    GinghamPlugin(#[from] GinghamPluginError),
    #[error(transparent)]
    LeaseStore(#[from] LeaseStoreError),
    #[error("network {network}: {source}")]
    Network { network: String, source: NetworkError },
    #[error("network {network} has no policy, so there is no address to explain")]
    NoPolicy { network: String },
    #[error(transparent)]
    Subject(#[from] SubjectError),
    #[error("{subject:?} can be any of {found}: name one of them")]
    Several { subject: String, found: String },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    network: String,
    /// The policy that decides now.
    policy: String,
    lease: Option<Lease>,
    /// The request that the lease came from, where it was recorded.
    request: Option<RecordedRequest>,
    addresses: Vec<Explained>,
    /// What a new container of the same pod would get.
    next: Next,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lease {
    container_id: String,
    interface: String,
    pod: Pod,
    addresses: Vec<IpAddr>,
    since: String,
    /// The policy that chose the addresses.
    policy: Option<String>,
    #[serde(skip)]
    is_adopted: bool,
    reason: Option<String>,
}

#[derive(Serialize)]
struct Explained {
    address: IpAddr,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
struct Rule {
    rule: &'static str,
    passes: bool,
    found: String,
}

#[derive(Default, Serialize)]
struct Next {
    addresses: Vec<IpAddr>,
    reason: Option<String>,
    refused: Option<String>,
}

pub(crate) fn run(arguments: &ExplainArguments, library: &Path, out: &mut Output) -> Result<(), ExplainError> {
    subject::check(&arguments.subject)?;
    let configuration = find(&arguments.network, &arguments.config.dir)?;
    let network = read_network(&configuration, library)?;
    let explanation = explain(&network, &arguments.subject)?;
    if arguments.format.json {
        return Ok(out.json(&explanation)?);
    }
    Ok(show(&explanation, &arguments.subject, out)?)
}

fn explain(network: &Network, subject: &str) -> Result<Explanation, ExplainError> {
    let fault = |source| ExplainError::Network { network: network.name().to_owned(), source };
    let no_policy = || ExplainError::NoPolicy { network: network.name().to_owned() };
    let addresses = network.addresses().map_err(fault)?.ok_or_else(no_policy)?;
    let data_dir = &addresses.settings().data_dir;
    let holdings = Holdings::read(data_dir, Some(network.name())).map_err(LeaseStoreError::from)?;
    let held = held_by(&holdings.attachments, subject)?;
    let asked: Vec<IpAddr> = subject.parse().into_iter().collect();
    let explained = held.filter(|_| asked.is_empty()).map_or(asked, |held| held.record.addresses.clone());
    let pod = held.map_or_else(|| named(subject), |held| held.record.pod.clone());
    Ok(Explanation {
        network: network.name().to_owned(),
        policy: addresses.load().map_err(fault)?.title(),
        lease: held.map(Lease::of),
        request: held.and_then(|held| recorded(&HistoryFile::new(data_dir, network.name()), held)),
        addresses: explained
            .into_iter()
            .map(|address| rules(&addresses, address))
            .collect::<Result<_, _>>()
            .map_err(fault)?,
        next: next(&addresses, &pod),
    })
}

/// The attachment of an address, of a pod or of a container.
fn held_by<'h>(attachments: &'h [Held], subject: &str) -> Result<Option<&'h Held>, ExplainError> {
    let address = subject.parse::<IpAddr>().ok();
    let pod = named(subject);
    let is_it = |held: &&Held| match address {
        Some(address) => held.record.addresses.contains(&address),
        None => {
            let of_pod = &held.record.pod;
            let is_pod = of_pod.name.is_some() && of_pod.name == pod.name;
            is_pod && (pod.namespace.is_none() || of_pod.namespace == pod.namespace) || held.key.container_id == subject
        }
    };
    let found: Vec<&Held> = attachments.iter().filter(is_it).collect();
    match found.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        several => {
            let found = several.iter().map(|held| match &held.record.pod.namespace {
                Some(namespace) if named(subject).namespace.is_none() => format!("{namespace}/{subject}"),
                _ => held.key.container_id.clone(),
            });
            let found = found.collect::<Vec<_>>().join(", ");
            Err(ExplainError::Several { subject: subject.to_owned(), found })
        }
    }
}

/// NAMESPACE/NAME, or NAME alone.
fn named(subject: &str) -> Pod {
    if subject.parse::<IpAddr>().is_ok() {
        return Pod::default();
    }
    let (namespace, name) = subject.split_once('/').map_or((None, subject), |(space, name)| (Some(space), name));
    Pod { namespace: namespace.map(str::to_owned), name: Some(name.to_owned()), uid: None }
}

/// The last request of the attachment that was granted. A history that cannot be read explains nothing.
fn recorded(file: &HistoryFile, held: &Held) -> Option<RecordedRequest> {
    let history = History::read(file.read().ok()??.as_bytes()).ok()?;
    history.lines.into_iter().rev().find_map(|line| match line.event {
        Event::Request(requested) if requested.request.now == held.record.since => {
            (requested.request.container_id == held.key.container_id).then_some(requested.request)
        }
        _ => None,
    })
}

fn rules(addresses: &Addresses<'_>, address: IpAddr) -> Result<Explained, NetworkError> {
    let rules = addresses.rules(address)?.into_iter();
    let rules = rules.map(|rule| Rule { rule: rule.name, passes: rule.passes, found: rule.found }).collect();
    Ok(Explained { address, rules })
}

fn next(addresses: &Addresses<'_>, pod: &Pod) -> Next {
    match addresses.next(pod) {
        Ok(result) => {
            let addresses = result.addresses().collect();
            Next { addresses, reason: result.answer.reason, refused: None }
        }
        Err(refused) => Next { refused: Some(refused.to_string()), ..Next::default() },
    }
}

impl Lease {
    fn of(held: &Held) -> Self {
        let Held { key, record, .. } = held;
        Self {
            container_id: key.container_id.clone(),
            interface: key.interface.clone(),
            pod: record.pod.clone(),
            addresses: record.addresses.clone(),
            since: clock::utc(record.since),
            policy: record.policy.clone(),
            // The reference records no namespace.
            is_adopted: !held.adopted_from.is_empty() && record.netns.is_empty(),
            reason: record.reason.clone(),
        }
    }
}

impl Lease {
    fn chosen_without_policy(&self) -> &'static str {
        if self.is_adopted {
            "the reference host-local, from which the lease was adopted"
        } else {
            "unknown: an earlier version recorded it"
        }
    }
}

fn show(explanation: &Explanation, subject: &str, out: &mut Output) -> io::Result<()> {
    writeln!(out, "{subject} on network {}", explanation.network)?;
    let mut row = |name: &str, value: &str| writeln!(out, "  {name:<9} {value}");
    match &explanation.lease {
        None if subject.parse::<IpAddr>().is_ok() => row("lease", "none")?,
        None => row("lease", &format!("none: no pod and no container {subject:?} holds an address"))?,
        Some(lease) => {
            row("lease", &list(&lease.addresses))?;
            row("holder", &holder(lease))?;
            row("since", &lease.since)?;
            row("chosen by", lease.policy.as_deref().unwrap_or(lease.chosen_without_policy()))?;
            row("reason", lease.reason.as_deref().unwrap_or("none was given"))?;
        }
    }
    if let Some(request) = &explanation.request {
        row("request", &request_in_words(request))?;
    }
    row("policy", &format!("{} decides now", explanation.policy))?;
    for Explained { address, rules } in &explanation.addresses {
        row("rules", &format!("for a new answer with {address}"))?;
        for Rule { rule, passes, found } in rules {
            row("", &format!("{:<4} {rule:<11} {found}", if *passes { "ok" } else { "no" }))?;
        }
    }
    let Next { addresses, reason, refused } = &explanation.next;
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    row(
        "next",
        &match refused {
            Some(refused) => format!("a new container would get nothing: {refused}"),
            None => format!("a new container would get {}{reason}", list(addresses)),
        },
    )
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

fn holder(lease: &Lease) -> String {
    let container = format!("container {}, interface {}", lease.container_id, lease.interface);
    match (&lease.pod.namespace, &lease.pod.name) {
        (Some(namespace), Some(name)) => format!("{container}, pod {namespace}/{name}"),
        (None, Some(name)) => format!("{container}, pod {name}"),
        _ => container,
    }
}

fn request_in_words(request: &RecordedRequest) -> String {
    let mut words = vec![format!("seed {}", request.seed)];
    if !request.requested.is_empty() {
        words.push(format!("requested {}", list(&request.requested)));
    }
    let pairs = request.cni_args.iter().map(|(key, value)| format!("{key}={value}"));
    words.extend(pairs);
    words.join(", ")
}
