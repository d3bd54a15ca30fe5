//! From links and cached results to the attachments that a new store records. In doubt nothing is guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use gingham_engine::attachment::{AttachmentKey, Pod};
use gingham_engine::ledger::{AttachmentRecord, Masquerade};
use gingham_engine::settings::Settings;
use gingham_engine::settings::membership::StoreSettings;
use gingham_engine::store::Attachments;
use gingham_network::holdings::Held;
use gingham_network::network::{Network, Source};
use gingham_network::recovery::{self, CachedResult, FoundLink, Inside};
use gingham_network::stale_leases::Liveness;
use ipnet::IpNet;

use crate::cli::RecoverArguments;
use crate::lease_store::LeaseStoreError;
use crate::network::{Configuration, Plugins, find_gingham, list};

/// How an attachment was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Evidence {
    /// Its link is on this node.
    pub(super) link: bool,
    /// A runtime keeps its result.
    pub(super) result: bool,
}

/// An attachment that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) network: String,
    pub(super) key: AttachmentKey,
    /// Its leases; none where they are another plugin's.
    pub(super) addresses: Vec<IpAddr>,
    /// The addresses of its interface, with their prefixes.
    nets: Vec<IpNet>,
    /// Whether its network is masqueraded, if its configuration is known.
    is_masqueraded: Option<bool>,
    pub(super) netns: String,
    pub(super) pod: Pod,
    pub(super) evidence: Evidence,
}

/// Everything that was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// To be recorded, by network and container.
    pub(super) found: Vec<Found>,
    /// Not to be recorded, and why that is right.
    pub(super) skipped: Vec<(String, AttachmentKey, String)>,
    /// What is in the way of recording anything.
    pub(super) unclear: Vec<String>,
    /// Files that could not be used.
    pub(super) faults: Vec<String>,
}

/// What is known of a network by its configuration.
struct Known {
    settings: Settings,
    has_addresses: bool,
    is_masqueraded: bool,
}

impl Findings {
    /// Looks at this node.
    pub(super) fn gather(arguments: &RecoverArguments, library: &Path) -> Result<Self, LeaseStoreError> {
        let (results, faults) = recovery::read_cached_results(&arguments.results);
        let paths: Vec<PathBuf> = results.iter().map(|result| PathBuf::from(&result.netns)).collect();
        let links = recovery::find_links(&paths)?;
        let networks = Networks { arguments, library, plugins: Plugins::of_environment() };
        let mut findings = Self { faults, ..Self::default() };
        let mut unmatched: BTreeMap<String, FoundLink> =
            links.into_iter().map(|link| (link.name.clone(), link)).collect();
        for result in results {
            let name = recovery::link_name(&result.network, &result.key);
            let link = name.and_then(|name| unmatched.remove(&name));
            findings.add_result(&networks, result, link.is_some());
        }
        for link in unmatched.into_values() {
            findings.add_link(&networks, link);
        }
        findings.found.sort_by(|one, other| (&one.network, &one.key).cmp(&(&other.network, &other.key)));
        findings.find_conflicts();
        Ok(findings)
    }

    fn add_result(&mut self, networks: &Networks<'_>, result: CachedResult, is_linked: bool) {
        let known = networks.by_configuration(&result.config).or_else(|| networks.by_name(&result.network));
        let is_ours = is_linked || known.is_some();
        let fate = Liveness::of(&held(&result));
        if !is_ours || (!is_linked && matches!(fate, Liveness::Gone(_))) {
            if let (true, Liveness::Gone(why)) = (is_ours, fate) {
                self.skipped.push((result.network, result.key, why));
            }
            return;
        }
        let evidence = Evidence { link: is_linked, result: true };
        let CachedResult { network, key, netns, pod, addresses: nets, .. } = result;
        let found = Found { network, key, addresses: Vec::new(), nets, is_masqueraded: None, netns, pod, evidence };
        self.add(networks, known.as_ref(), found);
    }

    fn add_link(&mut self, networks: &Networks<'_>, link: FoundLink) {
        let Some((network, key)) = link.owner else {
            let name = link.name;
            self.unclear.push(format!("interface {name}: neither its alias nor a cached result names its container"));
            return;
        };
        let known = networks.by_name(&network);
        let has_addresses = known.as_ref().is_none_or(|known| known.has_addresses);
        let (netns, addresses) = match link.inside.as_slice() {
            [Inside { netns, addresses }] => (netns.display().to_string(), addresses.clone()),
            _ if !has_addresses => (String::new(), Vec::new()),
            inside => {
                let container = &key.container_id;
                let why = if inside.is_empty() { "its namespace cannot be reached" } else { "several namespaces fit" };
                self.unclear.push(format!(
                    "container {container} of network {network} (interface {}): its addresses are unknown, {why}",
                    link.name
                ));
                return;
            }
        };
        let evidence = Evidence { link: true, result: false };
        let pod = Pod::default();
        let found =
            Found { network, key, addresses: Vec::new(), nets: addresses, is_masqueraded: None, netns, pod, evidence };
        self.add(networks, known.as_ref(), found);
    }

    fn add(&mut self, networks: &Networks<'_>, known: Option<&Known>, mut found: Found) {
        if let Some(known) = known {
            if !networks.is_here(&known.settings) {
                return;
            }
            let store = known.settings.cluster.as_ref().map(|cluster| &cluster.store);
            if store.is_some_and(StoreSettings::is_shared) {
                let why = "the node joins the cluster again and leaves its earlier blocks alone".to_owned();
                self.skipped.push((found.network, found.key, why));
                return;
            }
            found.is_masqueraded = Some(known.is_masqueraded);
        }
        if known.is_none_or(|known| known.has_addresses) {
            let addresses: BTreeSet<IpAddr> = found.nets.iter().map(IpNet::addr).collect();
            found.addresses = addresses.into_iter().collect();
        }
        self.found.push(found);
    }

    fn find_conflicts(&mut self) {
        let mut holders: BTreeMap<(&str, IpAddr), Vec<&Found>> = BTreeMap::new();
        for found in &self.found {
            for address in &found.addresses {
                holders.entry((found.network.as_str(), *address)).or_default().push(found);
            }
        }
        for ((network, address), holders) in holders.into_iter().filter(|(_, holders)| holders.len() > 1) {
            let named: Vec<String> = holders.iter().map(|found| found.key.container_id.clone()).collect();
            self.unclear.push(format!("{address} of network {network} is held by containers {}", named.join(" and ")));
        }
    }

    /// What the new store records.
    pub(super) fn records(&self, boot: &str, now: u64) -> Attachments {
        let mut attachments = Attachments::new();
        for found in &self.found {
            let record = AttachmentRecord {
                addresses: found.addresses.clone(),
                since: now,
                boot: boot.to_owned(),
                netns: found.netns.clone(),
                pod: found.pod.clone(),
                masquerade: found.is_masqueraded.map(|wanted| found.masquerade(wanted)),
                ..AttachmentRecord::default()
            };
            attachments.entry(found.network.clone()).or_default().push((found.key.clone(), record));
        }
        attachments
    }
}

impl Found {
    fn masquerade(&self, wanted: bool) -> Masquerade {
        if !wanted {
            return Masquerade::default();
        }
        let within: BTreeSet<IpNet> = self.nets.iter().map(IpNet::trunc).collect();
        let delegated =
            if self.addresses.is_empty() { self.nets.iter().map(IpNet::addr).collect() } else { Vec::new() };
        Masquerade { wanted, within: within.into_iter().collect(), delegated }
    }
}

/// For the judgement whether the container is there.
fn held(result: &CachedResult) -> Held {
    let record = AttachmentRecord { netns: result.netns.clone(), ..AttachmentRecord::default() };
    Held { network: result.network.clone(), key: result.key.clone(), record, adopted_from: Vec::new() }
}

/// The configurations that networks are known by.
struct Networks<'a> {
    arguments: &'a RecoverArguments,
    library: &'a Path,
    plugins: Plugins,
}

impl Networks<'_> {
    fn by_name(&self, name: &str) -> Option<Known> {
        let entries = list(&self.arguments.config.dir).ok()?;
        let configurations = entries.into_iter().filter_map(|entry| entry.configuration.ok());
        configurations.filter(|configuration| configuration.name == name).find_map(|found| self.known(&found))
    }

    /// That of a cached result: it counts also where the file is gone.
    fn by_configuration(&self, bytes: &[u8]) -> Option<Known> {
        self.known(&Configuration::parse(Path::new("cached result"), bytes).ok()?)
    }

    fn known(&self, configuration: &Configuration) -> Option<Known> {
        let (_, network) = find_gingham(configuration, &self.plugins, self.library, false)?;
        let network: Network = network.ok()?;
        let settings = network.settings().ok()?;
        let has_addresses = !matches!(network.source(), Ok(Source::Nowhere | Source::Plugin(_)));
        let is_masqueraded = matches!(network.bridge(), Ok(Some(bridge)) if bridge.ip_masq);
        Some(Known { settings, has_addresses, is_masqueraded })
    }

    /// Whether a network's leases are in the store that is rebuilt.
    fn is_here(&self, settings: &Settings) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        real(&settings.data_dir) == real(&self.arguments.data.dir)
    }
}
