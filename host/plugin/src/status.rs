//! STATUS: whether this plugin can serve ADDs at all.
//!
//! Runtimes make the node `NotReady` when it fails, and Kubernetes evicts even running pods then. So it fails for what an
//! administrator must mend before any ADD can succeed. Full pools are not such a thing: the next DEL makes room. They are
//! a line in the log here, and `ginghamctl status` and the agent's metrics show them.

use gingham_cni::args::Arguments;
use gingham_cni::error::Code;
use gingham_cni::version::SpecVersion;
use gingham_engine::ipam::{self, IpamError, Prepared};
use gingham_engine::runtime::Policy;
use gingham_engine::settings::Settings;
use gingham_net::bridge;
use gingham_net::netlink::{Route, Socket};
use gingham_network::address_management::AddressManagement;
use gingham_network::allocation::cluster_blocks::Availability;
use gingham_network::bridge_config::BridgeConfig;
use gingham_network::call::Call;
use gingham_network::error::NetworkError;
use gingham_network::log;
use gingham_network::plan::{AddressSource, PolicyChoice, Role};

pub(crate) fn status(call: &Call) -> Result<(), NetworkError> {
    call.config.version_for("STATUS", SpecVersion::V1_1_0)?;
    if call.role()? == Role::Main {
        link(&BridgeConfig::read(&call.config.object)?).map_err(not_available)?;
    }
    match call.config.ipam {
        Some(_) => addresses(call),
        None => Ok(()),
    }
}

/// Whether the kernel could make a container's link, as far as that can be said without making one.
fn link(config: &BridgeConfig) -> Result<(), NetworkError> {
    if config.vlans.is_none() {
        return Ok(());
    }
    Ok(bridge::require_filtering(&mut Socket::<Route>::open()?, config.name.as_str())?)
}

fn addresses(call: &Call) -> Result<(), NetworkError> {
    let management = AddressManagement::of(call, Arguments::default()).map_err(not_available)?;
    match &management.source {
        AddressSource::None => Ok(()),
        // Its own error and code: only it knows whether it is 50 or 51.
        AddressSource::Delegate(plugin) => Ok(call.delegate(plugin).pass_on("STATUS")?),
        AddressSource::Policy(choice) => policy_status(&management, choice).map_err(not_available),
    }
}

/// A fault that every ADD would meet; its own code is less specific.
fn not_available(error: NetworkError) -> NetworkError {
    NetworkError { code: Code::NOT_AVAILABLE, ..error }
}

fn policy_status(management: &AddressManagement<'_>, choice: &PolicyChoice) -> Result<(), NetworkError> {
    let policy = management.policy(choice)?;
    let prepared = prepare(management, policy, &management.settings)?;
    let checked = match prepared {
        Some(_) if policy.is_cluster() => cluster_status(management, policy),
        prepared => room_status(management, choice, prepared),
    };
    match checked {
        // A store that others are using can be used: they just take long.
        Err(busy) if busy.code == Code::TRY_AGAIN => {
            log::warn(format!("STATUS: {}", busy.msg));
            Ok(())
        }
        checked => checked,
    }
}

/// The store can be written, and what is full is reported.
fn room_status(
    management: &AddressManagement<'_>,
    choice: &PolicyChoice,
    prepared: Option<Prepared<'_>>,
) -> Result<(), NetworkError> {
    let records = management.records()?;
    let ledger = records.write()?;
    let rooms = prepared.map_or(Ok(Vec::new()), |prepared| prepared.room(ledger, records.now()))?;
    let full = rooms.iter().filter(|room| room.free == 0 && room.cooling == 0);
    let full: Vec<&str> = full.map(|room| room.name.as_str()).collect();
    if !full.is_empty() {
        log::warn(format!("policy {}: no address is left in {}", choice.name, full.join(", ")));
    }
    Ok(())
}

/// None where nothing is missing but the ranges, and those come with ADD: the runtime passes values of capabilities to
/// ADD alone.
fn prepare<'s>(
    management: &AddressManagement<'_>,
    policy: &'s Policy,
    settings: &'s Settings,
) -> Result<Option<Prepared<'s>>, NetworkError> {
    let mut log = Vec::new();
    let prepared = ipam::prepare(policy, settings, &management.context(), &mut log);
    let result = match prepared {
        Err(IpamError::Problems { .. }) if management.request.ranges_come_with_add => {
            let example = management.settings_with_example_range()?;
            ipam::prepare(policy, &example, &management.context(), &mut log).map(|_| None)
        }
        prepared => prepared.map(Some),
    };
    log::policy(policy.name(), &log);
    Ok(result?)
}

/// What is claimed serves whether the store answers or not. Without membership the store has to answer.
fn cluster_status(management: &AddressManagement<'_>, policy: &Policy) -> Result<(), NetworkError> {
    let records = management.records()?;
    let availability = management.cluster_allocation(policy, &records).availability()?;
    let warn = |text: &str| log::warn(format!("policy {}: {text}", policy.name()));
    match availability {
        Availability { store: Err(error), member: false, .. } => return Err(not_available(error)),
        Availability { store: Err(error), room: true, .. } => {
            warn(&format!("{}; ADD allocates from the blocks this node holds", error.msg));
        }
        Availability { store: Err(error), room: false, .. } => {
            warn(&format!(
                "no address is left in the blocks this node holds, and it cannot claim another: {}",
                error.msg
            ));
        }
        Availability { store: Ok(()), room: false, .. } => {
            warn("no address is left, and no block that this node could claim");
        }
        Availability { store: Ok(()), room: true, .. } => {}
    }
    Ok(())
}
