//! `ginghamctl status`: the networks of this node, how full they are, and what is wrong.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use gingham_engine::ipam::{PoolRoom, ShadowCounters};
use gingham_engine::library::Library;
use gingham_engine::pool::Pools;
use gingham_engine::settings::{Settings, default_data_dir};
use gingham_network::dry_run::TriedPod;
use gingham_network::error::NetworkError;
use gingham_network::network::{Addresses, Network};
use gingham_network::stale_leases::Liveness;
use serde::Serialize;

use crate::check_config::overlaps_between;
use crate::cli::StatusArguments;
use crate::clock;
use crate::holdings::{Held, Holdings};
use crate::lease_store::{self, LeaseStoreError};
use crate::network::{Configuration, Plugins, find_gingham, list, require};
use crate::output::Output;
use crate::policy::COPIED;
use crate::table::{Table, count, short};

/// So many addresses are listed where there may be many.
const MOST_LISTED: usize = 8;

/// How many attachments whose container is gone are named.
const GONE_SHOWN: usize = 3;

/// A network.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    network: String,
    /// None if no configuration names it any more.
    file: Option<String>,
    /// None where addresses come from elsewhere or nowhere.
    policy: Option<String>,
    attachments: usize,
    pools: Vec<PoolStatus>,
    /// None if no shadow has answered.
    shadow: Option<ShadowStatus>,
    problems: Vec<String>,
    /// What is no fault: an operator did it on purpose, or may have.
    #[serde(skip)]
    notes: Vec<String>,
    #[serde(skip)]
    declared: Option<Pools>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PoolStatus {
    name: String,
    /// What this node can hand out; `u64::MAX` stands for that many or more.
    free: u64,
    /// Of a range that is divided among nodes: all of it that nobody on this node holds.
    range_free: Option<u64>,
    cooling: u64,
    leased: u64,
    reserved: u64,
    draining: u64,
}

/// How the shadow's answers compare.
#[derive(Serialize)]
struct ShadowStatus {
    policy: String,
    since: String,
    agreed: u64,
    differed: u64,
    refused: u64,
    rejected: u64,
    failed: u64,
    /// The last answer that was not the same.
    last: Option<String>,
}

#[derive(Serialize)]
struct Node<'a> {
    networks: &'a [Status],
    /// Of files that are no networks.
    problems: &'a [String],
}

pub(crate) fn run(arguments: &StatusArguments, library: &Path, out: &mut Output) -> Result<(), LeaseStoreError> {
    let plugins = Plugins::of_environment();
    let mut problems = Vec::new();
    let mut networks = Vec::new();
    // By directory: whether it could be read.
    let mut looked_in = BTreeMap::new();
    require(&arguments.config.dir)?;
    for entry in list(&arguments.config.dir)? {
        match entry.configuration {
            Err(error) => problems.push(error.to_string()),
            Ok(configuration) => {
                let Some((_, network)) = find_gingham(&configuration, &plugins, library, false) else { continue };
                networks.push(status(&configuration, network, &mut looked_in));
            }
        }
    }
    match forgotten(&networks, looked_in) {
        Ok(forgotten) => networks.extend(forgotten),
        Err(error) => problems.push(error.to_string()),
    }
    note_overlaps(&mut networks);
    note_copied(&mut networks, library);
    if let Some(only) = arguments.network.as_ref() {
        let names = || networks.iter().map(|status| status.network.clone()).collect();
        if !networks.iter().any(|status| status.network == *only) {
            return Err(LeaseStoreError::UnknownNetwork { network: only.clone(), networks: names() });
        }
    }
    networks.retain(|status| arguments.network.as_ref().is_none_or(|only| *only == status.network));
    if arguments.format.json {
        return Ok(out.json(&Node { networks: &networks, problems: &problems })?);
    }
    Ok(show(&networks, &problems, &arguments.config.dir, out)?)
}

/// One network. What cannot be read of it is one of its problems, and hides no other network.
fn status(
    configuration: &Configuration,
    network: Result<Network, NetworkError>,
    looked_in: &mut BTreeMap<PathBuf, bool>,
) -> Status {
    let file = Some(configuration.path.display().to_string());
    let mut status = Status::unread(configuration.name.clone(), file);
    let mut data_dir = default_data_dir();
    // What a runtime would hear at the next ADD.
    let read = network.and_then(|network| status.read(&network, &mut data_dir));
    status.problem(read.err());
    let held = status.holders(&data_dir);
    looked_in.insert(data_dir, held.is_ok());
    status.problem(held.err());
    status
}

impl Status {
    fn unread(network: String, file: Option<String>) -> Self {
        Self {
            network,
            file,
            policy: None,
            attachments: 0,
            pools: Vec::new(),
            shadow: None,
            problems: Vec::new(),
            notes: Vec::new(),
            declared: None,
        }
    }

    fn read(&mut self, network: &Network, data_dir: &mut PathBuf) -> Result<(), NetworkError> {
        network.prepare()?;
        let addresses = network.addresses()?;
        if let Some(addresses) = &addresses {
            data_dir.clone_from(&addresses.settings().data_dir);
            self.addresses(addresses)?;
        }
        // A policy may refuse a pod of which nothing is known: that is no fault of the network.
        let first = addresses.and_then(|addresses| addresses.first(1, &TriedPod::default()).0.into_iter().next());
        network.obstacles(first.as_ref()).into_iter().for_each(|obstacle| self.problem(Some(obstacle)));
        self.notes.extend(network.left_over(first.as_ref()));
        Ok(())
    }

    /// Several steps may meet the same one.
    fn problem(&mut self, found: Option<impl ToString>) {
        let text = found.map(|found| found.to_string()).filter(|text| !self.problems.contains(text));
        self.problems.extend(text);
    }

    fn addresses(&mut self, addresses: &Addresses<'_>) -> Result<(), NetworkError> {
        self.policy = Some(addresses.policy());
        let of_node = addresses.room_of_node()?;
        for (index, room) in addresses.room()?.into_iter().enumerate() {
            let PoolRoom { name, free, cooling, leased, reserved, draining } = room;
            let room_here = of_node.as_ref().map(|rooms| rooms.get(index).cloned().unwrap_or_default());
            self.problems.extend(shortage(&name, (free, cooling), room_here.as_ref(), addresses.settings()));
            if draining > 0 {
                self.notes
                    .push(format!("{} addresses of {name} are draining: they are not handed out", count(draining)));
            }
            let here = room_here.map(|room| room.free);
            let (free, range_free) = here.map_or((free, None), |here| (here, Some(free)));
            self.pools.push(PoolStatus { name, free, range_free, cooling, leased, reserved, draining });
        }
        self.shadow = addresses.shadow_counters()?.map(ShadowStatus::of);
        if addresses.awaits_adoption()? {
            let text = "the reference host-local has leases of this network; the next use adopts them";
            self.problems.push(text.to_owned());
        }
        self.declared = Some(addresses.pools.clone());
        Ok(())
    }

    /// Those who hold addresses, and of how many nothing is left.
    fn holders(&mut self, data_dir: &Path) -> Result<(), LeaseStoreError> {
        let holdings = Holdings::read(data_dir, Some(&self.network))?;
        self.attachments = holdings.attachments.len();
        if self.attachments == 0 {
            return Ok(());
        }
        self.problems.extend(self.outside(&holdings));
        if holdings.boot != lease_store::boot_id()? {
            let count = self.attachments;
            self.problems
                .push(format!("attachments of an earlier boot: {count}; the next ADD or `ginghamctl gc` ends them"));
            return Ok(());
        }
        self.problems.extend(gone(&holdings.attachments));
        Ok(())
    }
}

impl Status {
    /// Leases of a configuration that was another one then.
    fn outside(&self, holdings: &Holdings) -> Option<String> {
        let declared = self.declared.as_ref()?;
        let is_outside = |address: &IpAddr| !declared.ranges().any(|range| range.contains(*address));
        let leases =
            holdings.attachments.iter().flat_map(|held| held.record.addresses.iter().map(move |it| (it, held)));
        let mut outside: Vec<_> = leases.filter(|(address, _)| is_outside(address)).collect();
        outside.sort_by_key(|(address, _)| *address);
        let shown = outside.iter().take(MOST_LISTED);
        let shown = shown.map(|(address, held)| format!("{address} (container {})", short(&held.key.container_id)));
        let shown = shown.collect::<Vec<_>>().join(", ");
        match outside.len() {
            0 => None,
            count if count > MOST_LISTED => Some(format!("leased outside of all pools: {count}, the first {shown}")),
            _ => Some(format!("leased outside of all pools: {shown}")),
        }
    }
}

/// Whether a pool is full, with cooling addresses counted as free. A member of a shared cluster claims what it has no more of,
/// as long as there is something to claim; no other node can have what this node's share lacks.
fn shortage(name: &str, (free, cooling): (u64, u64), here: Option<&PoolRoom>, settings: &Settings) -> Option<String> {
    if free == 0 && cooling == 0 {
        return Some(format!("no address is left in {name}"));
    }
    let is_shared = settings.cluster.as_ref().is_some_and(|cluster| cluster.store.is_shared());
    let is_used_up = |room: &&PoolRoom| room.free == 0 && room.cooling == 0 && (room.leased > 0 || !is_shared);
    here.filter(is_used_up).map(|_| match is_shared {
        true => format!("no address of {name} is left in the blocks of this node: the next ADD must claim one"),
        false => format!("no address of {name} is left in the share of this node"),
    })
}

impl ShadowStatus {
    fn of(counters: ShadowCounters) -> Self {
        let ShadowCounters { policy, since, agreed, differed, refused, rejected, failed, last, fuel: _ } = counters;
        Self { policy, since: clock::utc(since), agreed, differed, refused, rejected, failed, last }
    }

    fn in_words(&self) -> String {
        let Self { policy, since, agreed, differed, refused, rejected, failed, last } = self;
        let last = last.as_ref().map(|last| format!("; the last: {last}")).unwrap_or_default();
        format!(
            "shadow {policy}: {agreed} agreed, {differed} differed, {refused} refused, {rejected} rejected by the guard and \
             {failed} failed since {since}{last}"
        )
    }
}

/// Of how many attachments the container is gone, and of the first ones which that is and why one knows.
fn gone<'h>(attachments: impl IntoIterator<Item = &'h Held>) -> Option<String> {
    let reason = |held: &Held| match Liveness::of(held) {
        Liveness::Gone(why) => Some(format!("{} {}: {why}", held.key.container_id, held.key.interface)),
        Liveness::Alive | Liveness::Unknown(_) => None,
    };
    let gone: Vec<String> = attachments.into_iter().filter_map(reason).collect();
    let more = if gone.len() > GONE_SHOWN { ", ..." } else { "" };
    let shown = gone.iter().take(GONE_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let count = gone.len();
    (count > 0).then(|| {
        format!("attachments whose container no longer exists: {count} ({shown}{more}); `ginghamctl gc` frees their addresses")
    })
}

/// Networks that hold something and that no configuration names.
fn forgotten(known: &[Status], mut looked_in: BTreeMap<PathBuf, bool>) -> Result<Vec<Status>, LeaseStoreError> {
    // A directory that could not be read is a problem of its network already.
    looked_in.entry(default_data_dir()).or_insert(true);
    let readable = looked_in.into_iter().filter_map(|(directory, is_readable)| is_readable.then_some(directory));
    let mut forgotten: Vec<Status> = Vec::new();
    for directory in readable {
        for held in Holdings::read(&directory, None)?.attachments {
            if known.iter().any(|status| status.network == held.network) {
                continue;
            }
            match forgotten.iter_mut().find(|status| status.network == held.network) {
                Some(status) => status.attachments += 1,
                None => {
                    let mut status = Status::unread(held.network, None);
                    status.attachments = 1;
                    status.problem(Some("containers are attached, but no configuration names this network"));
                    forgotten.push(status);
                }
            }
        }
    }
    Ok(forgotten)
}

/// Networks whose policy is slow for a reason that one command mends.
fn note_copied(networks: &mut [Status], library: &Path) {
    // A library that cannot be opened is a problem of each network that needs it.
    let Ok(library) = Library::open(library) else { return };
    for status in networks {
        let Some(name) = status.policy.clone() else { continue };
        let installed = library.find(&name).ok().flatten();
        if installed.is_some_and(|installed| library.is_copied(&installed.digest)) {
            status.problem(Some(format!("policy {name}: {COPIED}")));
        }
    }
}

fn note_overlaps(networks: &mut [Status]) {
    let mut found = Vec::new();
    for (index, one) in networks.iter().enumerate() {
        for other in networks.iter().skip(index + 1) {
            if one.network == other.network {
                let files = [one, other].map(|status| status.file.clone().unwrap_or_default()).join(" and ");
                found.push((one.network.clone(), format!("configured by two files, {files}; keep one")));
                continue;
            }
            let (Some(ours), Some(theirs)) = (&one.declared, &other.declared) else { continue };
            for (our, their) in overlaps_between(ours, theirs) {
                found.push((one.network.clone(), format!("{our} overlaps {their} of network {}", other.network)));
            }
        }
    }
    for (network, problem) in found {
        if let Some(status) = networks.iter_mut().find(|status| status.network == network) {
            status.problems.push(problem);
        }
    }
}

fn show(networks: &[Status], problems: &[String], config_dir: &Path, out: &mut Output) -> io::Result<()> {
    if networks.is_empty() {
        writeln!(out, "no networks of Gingham in {}", config_dir.display())?;
    } else {
        let mut table =
            Table::new(["NETWORK", "POLICY", "ATTACHED", "POOL", "FREE", "RANGE-FREE", "COOLING", "LEASED"]);
        for status in networks {
            status.rows(&mut table);
        }
        out.table(&table)?;
    }
    for status in networks {
        let notes = status.notes.iter().cloned().chain(status.shadow.iter().map(ShadowStatus::in_words));
        for line in notes.chain(status.problems.iter().cloned()) {
            writeln!(out, "{}: {line}", status.network)?;
        }
    }
    problems.iter().try_for_each(|problem| writeln!(out, "{problem}"))
}

impl Status {
    fn rows(&self, table: &mut Table<8>) {
        let policy = self.policy.clone().unwrap_or_else(|| "-".to_owned());
        let start = [self.network.clone(), policy, self.attachments.to_string()];
        let row = |table: &mut Table<8>, [pool, free, in_range, cooling, leased]: [String; 5]| {
            let [network, policy, attached] = start.clone();
            table.row([network, policy, attached, pool, free, in_range, cooling, leased]);
        };
        if self.pools.is_empty() {
            row(table, ["-"; 5].map(str::to_owned));
        }
        for pool in &self.pools {
            let in_range = pool.range_free.map_or_else(|| "-".to_owned(), count);
            row(table, [pool.name.clone(), count(pool.free), in_range, count(pool.cooling), count(pool.leased)]);
        }
    }
}
