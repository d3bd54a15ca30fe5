//! `ginghamctl check-config`: what a configuration means, before a container depends on it.

mod notes;
mod overlaps;
mod pools;
mod runtimes;

use std::io;
use std::path::Path;

use gingham_net::NetError;
use gingham_net::netlink::NetlinkError;
use gingham_network::dry_run::{First, TriedPod};
use gingham_network::error::NetworkError;
use gingham_network::network::{Addresses, BridgeFacts, Network, Source};
use serde::Serialize;

use crate::cli::CheckConfigArguments;
use crate::network::{ConfigDirError, Configuration, Plugins, find, find_gingham};
use crate::output::Output;
pub(crate) use pools::{PoolFacts, facts as pool_facts};

pub(crate) use overlaps::between as overlaps_between;

/// How many containers are tried.
const TRIED: usize = 3;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckConfigError {
    #[error(transparent)]
    ConfigDir(#[from] ConfigDirError),
    #[error("{path}: {source}")]
    Refused { path: String, source: NetworkError },
    #[error("{path}: an ADD on this node would fail: {}", problems.join("; "))]
    WouldFail { path: String, problems: Vec<String> },
    #[error("cannot list this node's routes: {0}")]
    Netlink(#[from] NetlinkError),
    #[error("cannot list this node's routes: {0}")]
    Routes(#[from] NetError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// What a configuration means.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigReport {
    network: String,
    file: String,
    /// In the order of ADD.
    plugins: Vec<String>,
    /// The name Gingham runs under.
    gingham: String,
    /// Whether one of the plugins is Gingham on this node.
    is_gingham: bool,
    bridge: Option<Bridge>,
    /// The policy's name; none where addresses come from elsewhere or nowhere.
    policy: Option<String>,
    /// The other IPAM plugin.
    ipam_plugin: Option<String>,
    data_dir: Option<String>,
    pools: Vec<PoolFacts>,
    exclude: Vec<String>,
    /// What the first containers would get.
    first: Vec<Vec<String>>,
    /// Why there are no more of them.
    first_refused: Option<String>,
    /// Why an ADD would fail on this node as it is now.
    problems: Vec<String>,
    overlaps: Vec<String>,
    notes: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bridge {
    name: String,
    is_gateway: bool,
    ip_masq: bool,
}

pub(crate) fn run(arguments: &CheckConfigArguments, library: &Path, out: &mut Output) -> Result<(), CheckConfigError> {
    let configuration = find(&arguments.network, &arguments.config.dir)?;
    let report = explain(&configuration, arguments, library)?;
    if arguments.format.json {
        out.json(&report)?;
    } else {
        show(&report, out)?;
    }
    if report.problems.is_empty() {
        return Ok(());
    }
    Err(CheckConfigError::WouldFail { path: report.file, problems: report.problems })
}

fn explain(
    configuration: &Configuration,
    arguments: &CheckConfigArguments,
    library: &Path,
) -> Result<ConfigReport, CheckConfigError> {
    let plugins = Plugins::of_environment();
    let path = configuration.path.display().to_string();
    let refused = |source| CheckConfigError::Refused { path: path.clone(), source };
    let is_gingham = find_gingham(configuration, &plugins, library, false).is_some();
    // A configuration has a plugin, and the first one is supposed if need be.
    let Some((program, network)) = find_gingham(configuration, &plugins, library, true) else {
        return Err(ConfigDirError::from(crate::network::ConfigurationError::NoPlugin {
            path: configuration.path.clone(),
        })
        .into());
    };
    let network = network.map_err(refused)?;
    network.prepare().map_err(refused)?;
    let bridge = network.bridge().map_err(refused)?;
    let source = network.source().map_err(refused)?;
    let addresses = network.addresses().map_err(refused)?;
    let mut report = ConfigReport {
        network: network.name().to_owned(),
        file: path.clone(),
        plugins: configuration.plugins.iter().map(|plugin| plugin.kind.clone()).collect(),
        gingham: program,
        is_gingham,
        bridge: bridge.as_ref().map(Bridge::of),
        ipam_plugin: if let Source::Plugin(plugin) = source { Some(plugin) } else { None },
        notes: notes::of(configuration, is_gingham, &plugins, &arguments.config.dir)?,
        ..ConfigReport::default()
    };
    if bridge.is_some() {
        report.notes.extend(notes::unknown_keys(&network.call.config.object));
    }
    let mut first = None;
    if let Some(addresses) = &addresses {
        first = report.addresses(addresses, arguments).map_err(refused)?;
        report.overlaps = overlaps::of(&network, addresses, &arguments.config.dir, &plugins, library)?;
    }
    report.obstacles(&network, addresses.as_ref(), first.as_ref());
    report.notes.extend(network.left_over(first.as_ref()));
    Ok(report)
}

impl ConfigReport {
    /// Gives back what the first container would get.
    fn addresses(
        &mut self,
        addresses: &Addresses<'_>,
        arguments: &CheckConfigArguments,
    ) -> Result<Option<First>, NetworkError> {
        let settings = addresses.settings();
        self.policy = Some(addresses.policy());
        self.data_dir = Some(settings.data_dir.display().to_string());
        self.pools = pools::facts(&addresses.pools, &settings.exclude);
        self.exclude = settings.exclude.iter().map(|range| range.to_string()).collect();
        let known = |pairs: &[(String, String)]| (!pairs.is_empty()).then(|| pairs.iter().cloned().collect());
        let (labels, annotations) = (known(&arguments.labels), known(&arguments.annotations));
        let (first, refused) = addresses.first(TRIED, &TriedPod { pod: arguments.pod.pod(), labels, annotations });
        let texts = |first: &First| first.addresses.iter().map(|net| net.addr().to_string()).collect();
        self.first_refused = refused.map(|refused| refused.to_string());
        // What is wrong with the cluster's settings is among the problems.
        if addresses.awaits_first_block().unwrap_or_default() {
            self.notes.push(notes::NO_BLOCK.to_owned());
        } else {
            self.first = first.iter().map(texts).collect();
        }
        self.notes.extend(addresses.log.iter().cloned());
        self.notes.extend(notes::useless_exclusions(&settings.exclude, &addresses.pools));
        self.notes.extend(addresses.shadow_fault());
        if addresses.awaits_adoption()? {
            self.notes
                .push("the reference host-local has leases of this network; the first use adopts them".to_owned());
        }
        let first = first.into_iter().next();
        let is_masqueraded = self.bridge.as_ref().is_some_and(|bridge| bridge.ip_masq);
        if is_masqueraded && first.as_ref().is_some_and(|first| !first.has_default_route) {
            self.notes.push(notes::NO_DEFAULT_ROUTE.to_owned());
        }
        Ok(first)
    }

    /// Why an ADD would fail.
    fn obstacles(&mut self, network: &Network, addresses: Option<&Addresses<'_>>, first: Option<&First>) {
        if self.first.is_empty() {
            self.problems.extend(self.first_refused.clone());
        }
        self.problems.extend(network.obstacles(first).iter().map(ToString::to_string));
        if self.problems.is_empty() {
            self.problems.extend(addresses.and_then(Addresses::shortage).map(|shortage| shortage.to_string()));
        }
    }
}

impl Bridge {
    fn of(facts: &BridgeFacts) -> Self {
        Self { name: facts.name.clone(), is_gateway: facts.is_gateway, ip_masq: facts.ip_masq }
    }

    fn in_words(&self) -> String {
        let gateway = if self.is_gateway { ", with the gateway's address" } else { "" };
        format!("{}{gateway}{}", self.name, if self.ip_masq { ", masqueraded" } else { "" })
    }
}

fn show(report: &ConfigReport, out: &mut Output) -> io::Result<()> {
    writeln!(out, "Network {} of {}", report.network, report.file)?;
    let mut row = |name: &str, value: &str| writeln!(out, "  {name:<9} {value}");
    row("plugins", &report.plugins.join(", then "))?;
    row("runs as", if report.is_gingham { &report.gingham } else { "none of the plugins is Gingham on this node" })?;
    if let Some(bridge) = &report.bridge {
        row("bridge", &bridge.in_words())?;
    }
    match (&report.policy, &report.ipam_plugin) {
        (Some(policy), _) => row("policy", policy)?,
        (None, Some(plugin)) => row("addresses", &format!("of the IPAM plugin {plugin}"))?,
        (None, None) => row("addresses", "none: layer 2 only")?,
    }
    if let Some(data_dir) = &report.data_dir {
        row("leases in", data_dir)?;
    }
    for pool in &report.pools {
        row("pool", &pool.in_words())?;
    }
    if !report.exclude.is_empty() {
        row("excluded", &report.exclude.join(", "))?;
    }
    if !report.first.is_empty() || report.first_refused.is_some() {
        row("first", &first_in_words(report))?;
    }
    for problem in &report.problems {
        row("problem", problem)?;
    }
    for overlap in &report.overlaps {
        row("overlap", overlap)?;
    }
    for note in &report.notes {
        row("note", note)?;
    }
    Ok(())
}

fn first_in_words(report: &ConfigReport) -> String {
    let mut first: Vec<String> = report.first.iter().map(|addresses| addresses.join(" and ")).collect();
    first.extend(report.first_refused.iter().map(|refused| format!("then refused: {refused}")));
    first.join(", ")
}
