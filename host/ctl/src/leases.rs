//! `ginghamctl leases`

use std::net::IpAddr;
use std::path::Path;

use gingham_engine::attachment::Pod;
use gingham_engine::ledger::Reservation;
use gingham_engine::store::Store;
use gingham_network::stale_leases::Liveness;
use serde::Serialize;

use crate::cli::LeasesArguments;
use crate::clock;
use crate::holdings::{Held, Holdings, cells};
use crate::lease_store::{self, LeaseStoreError};
use crate::network::{Plugins, find_gingham, list, require};
use crate::output::Output;
use crate::table::Table;

#[derive(Serialize)]
struct LeasesReport<'a> {
    leases: Vec<Lease<'a>>,
    cooling: Vec<Cooling<'a>>,
    reservations: Vec<Reserved<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lease<'a> {
    network: &'a str,
    addresses: &'a [IpAddr],
    container_id: &'a str,
    interface: &'a str,
    /// None where the runtime named no pod.
    pod: Option<&'a Pod>,
    netns: &'a str,
    since: String,
    state: State,
    /// Why one knows that the container is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Reserved<'a> {
    network: &'a str,
    address: IpAddr,
    key: &'a str,
    until: String,
}

#[derive(Serialize)]
struct Cooling<'a> {
    network: &'a str,
    count: usize,
}

/// What became of a lease.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    InUse,
    EarlierBoot,
    ContainerGone,
}

impl State {
    /// That of one lease, if the store is of this boot, and why it is dead if it is.
    fn of(self, held: &Held) -> (Self, Option<String>) {
        match (self, Liveness::of(held)) {
            (Self::InUse, Liveness::Gone(why)) => (Self::ContainerGone, Some(why)),
            _ => (self, None),
        }
    }
}

pub(crate) fn run(arguments: &LeasesArguments, library: &Path, out: &mut Output) -> Result<(), LeaseStoreError> {
    tracing::debug!(data_dir = %arguments.data.dir.display(), "read the lease store");
    lease_store::require_directory(&arguments.data.dir)?;
    require(&arguments.config.dir)?;
    let mut holdings = Holdings::read(&arguments.data.dir, arguments.network.as_deref())?;
    if let Some(network) = arguments.network.as_deref().filter(|_| holdings.is_empty()) {
        require_known(network, arguments)?;
    }
    forget_cooled(&mut holdings, arguments, library)?;
    holdings.attachments.sort_by(|one, other| order(one).cmp(&order(other)));
    let state = if holdings.boot == lease_store::boot_id()? { State::InUse } else { State::EarlierBoot };
    if arguments.format.json {
        return Ok(out.json(&report(&holdings, state))?);
    }
    match (&arguments.network, holdings.attachments.as_slice()) {
        (None, []) => writeln!(out, "no leases")?,
        (Some(network), []) => writeln!(out, "no leases of network {network}")?,
        (_, held) if held.iter().any(|held| held.record.reason.is_some()) => {
            out.table(&table_with_reasons(held, state, clock::now()))?;
        }
        (_, held) => out.table(&table(held, state, clock::now()))?,
    }
    for (network, Reservation { address, key, until }) in &holdings.reservations {
        writeln!(out, "{network}: {address} is reserved for {key:?} until {}", clock::utc(*until))?;
    }
    for (network, freed) in &holdings.cooling {
        match freed.len() {
            1 => writeln!(out, "{network}: 1 freed address is cooling")?,
            count => writeln!(out, "{network}: {count} freed addresses are cooling")?,
        }
    }
    Ok(())
}

/// A network that holds nothing may be one that a configuration names, or one that was used before.
fn require_known(network: &str, arguments: &LeasesArguments) -> Result<(), LeaseStoreError> {
    let used = Store::open_read_only(&arguments.data.dir)?.map_or(Ok(Vec::new()), |store| store.networks())?;
    let configured = list(&arguments.config.dir)?.into_iter().filter_map(|entry| entry.configuration.ok());
    let mut networks: Vec<String> = configured.map(|configuration| configuration.name).chain(used).collect();
    networks.sort();
    networks.dedup();
    if networks.iter().any(|known| known == network) {
        return Ok(());
    }
    Err(LeaseStoreError::UnknownNetwork { network: network.to_owned(), networks })
}

/// Addresses whose cooldown is over are free, although only the next ADD ends it. A network without a configuration has no
/// next ADD.
fn forget_cooled(holdings: &mut Holdings, arguments: &LeasesArguments, library: &Path) -> Result<(), LeaseStoreError> {
    if holdings.cooling.is_empty() {
        return Ok(());
    }
    let plugins = Plugins::of_environment();
    for configuration in list(&arguments.config.dir)?.into_iter().filter_map(|entry| entry.configuration.ok()) {
        let Some((_, Ok(network))) = find_gingham(&configuration, &plugins, library, false) else { continue };
        let Some(settings) = network.settings().ok().filter(|read| read.data_dir == arguments.data.dir) else {
            continue;
        };
        let over = settings.cooldown_began(clock::now());
        let of_network = holdings.cooling.iter_mut().filter(|(name, _)| name == network.name());
        of_network.for_each(|(_, freed)| freed.retain(|time| *time > over));
    }
    holdings.cooling.retain(|(_, freed)| !freed.is_empty());
    Ok(())
}

/// By network and address; what has none comes last.
fn order(held: &Held) -> (&str, bool, Option<&IpAddr>) {
    let first = held.record.addresses.iter().min();
    (&held.network, first.is_none(), first)
}

fn report(holdings: &Holdings, state: State) -> LeasesReport<'_> {
    LeasesReport {
        leases: holdings.attachments.iter().map(|held| Lease::of(held, state)).collect(),
        reservations: holdings.reservations.iter().map(reserved).collect(),
        cooling: holdings.cooling.iter().map(|(network, freed)| Cooling { network, count: freed.len() }).collect(),
    }
}

fn reserved((network, reservation): &(String, Reservation)) -> Reserved<'_> {
    let Reservation { address, key, until } = reservation;
    Reserved { network, address: *address, key, until: clock::utc(*until) }
}

impl<'a> Lease<'a> {
    fn of(held: &'a Held, state: State) -> Self {
        let Held { network, key, record, .. } = held;
        let (state, why) = state.of(held);
        Self {
            network,
            addresses: &record.addresses,
            container_id: &key.container_id,
            interface: &key.interface,
            pod: Some(&record.pod).filter(|pod| **pod != Pod::default()),
            netns: &record.netns,
            since: clock::utc(record.since),
            state,
            why,
            reason: record.reason.as_deref(),
        }
    }
}

/// The leases for people.
pub(crate) fn table(attachments: &[Held], state: State, now: u64) -> Table<7> {
    let mut table = Table::new(HEADINGS);
    attachments.iter().flat_map(|held| rows(held, state, now)).for_each(|row| table.row(row));
    table
}

/// The same with what policies said of them.
fn table_with_reasons(attachments: &[Held], state: State, now: u64) -> Table<8> {
    let mut table = Table::new(with(&HEADINGS, &"REASON"));
    for held in attachments {
        let reason = held.record.reason.as_deref().unwrap_or("-");
        for row in rows(held, state, now) {
            table.row(with(&row, &reason.to_owned()));
        }
    }
    table
}

/// A row with one cell more.
fn with<T: Clone>(row: &[T; 7], last: &T) -> [T; 8] {
    std::array::from_fn(|index| row.get(index).unwrap_or(last).clone())
}

const HEADINGS: [&str; 7] = ["NETWORK", "ADDRESS", "CONTAINER", "INTERFACE", "POD", "SINCE", "STATE"];

fn rows(held: &Held, state: State, now: u64) -> Vec<[String; 7]> {
    let state = match state.of(held) {
        (State::InUse, _) => "in use".to_owned(),
        (State::EarlierBoot, _) => "earlier boot".to_owned(),
        (State::ContainerGone, why) => format!("container gone: {}", why.unwrap_or_default()),
    };
    let since = format!("{} ({})", clock::ago(held.record.since, now), clock::utc(held.record.since));
    let row = |[network, address, container, interface, pod]: [String; 5]| {
        [network, address, container, interface, pod, since.clone(), state.clone()]
    };
    cells(held).into_iter().map(row).collect()
}
