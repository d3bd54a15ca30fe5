//! STATUS: whether an ADD could be served.

use gingham_engine::address::Family;
use gingham_engine::ipam::{self, PoolRoom};
use gingham_engine::pool::Pools;
use gingham_engine::store::StoreLedger;
use gingham_net::bridge;
use gingham_net::netlink::{Route, Socket};

use crate::call::Call;
use crate::cluster;
use crate::cni::args::Arguments;
use crate::cni::bridge::BridgeConfig;
use crate::cni::error::{CniError, Code};
use crate::cni::version::SpecVersion;
use crate::ipam::AddressManagement;
use crate::journal;
use crate::plan::{AddressSource, PolicyChoice, Role};

/// Serves STATUS.
pub(crate) fn status(call: &Call) -> Result<(), CniError> {
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
fn link(config: &BridgeConfig) -> Result<(), CniError> {
    if config.vlans.is_none() {
        return Ok(());
    }
    Ok(bridge::require_filtering(&mut Socket::<Route>::open()?, config.name.as_str())?)
}

fn addresses(call: &Call) -> Result<(), CniError> {
    let (management, _) = AddressManagement::of(call, &Arguments::default()).map_err(not_available)?;
    match &management.source {
        AddressSource::None => Ok(()),
        // Its own word, with its own code: it knows whether it is 50 or 51.
        AddressSource::Delegate(plugin) => Ok(call.delegate(plugin).pass_on("STATUS")?),
        AddressSource::Policy(choice) => policy_status(&management, choice).map_err(not_available),
    }
}

/// A fault that an ADD would meet; its own code says less than that.
fn not_available(error: CniError) -> CniError {
    CniError { code: Code::NOT_AVAILABLE, ..error }
}

fn policy_status(management: &AddressManagement<'_>, choice: &PolicyChoice) -> Result<(), CniError> {
    let policy = management.load(choice)?;
    let mut log = Vec::new();
    if policy.is_cluster() {
        let rooms = cluster::room(&policy, &management.settings, &management.records()?, &mut log);
        journal::policy(policy.name(), &log);
        let (pools, rooms) = rooms?;
        // No rooms: more can be had from the cluster.
        return if rooms.is_empty() { Ok(()) } else { judge(choice, &pools, &rooms) };
    }
    let prepared = ipam::prepare::<StoreLedger>(&policy, &management.settings, &mut log);
    journal::policy(policy.name(), &log);
    let prepared = prepared?;
    let rooms = prepared.room(management.records()?.write()?)?;
    judge(choice, prepared.pools(), &rooms)
}

/// A container gets an address of each family there is. A pool that is full while another one of its family has room
/// is not the end: a policy may keep pools for different pods, and full is not the same as down.
fn judge(choice: &PolicyChoice, pools: &Pools, rooms: &[PoolRoom]) -> Result<(), CniError> {
    let is_full = |room: &PoolRoom| room.free == 0 && room.resting == 0;
    let full: Vec<&PoolRoom> = rooms.iter().filter(|room| is_full(room)).collect();
    let names = || full.iter().map(|room| room.name.as_str()).collect::<Vec<_>>().join(", ");
    let has_room = |family: Family| {
        let of_family =
            pools.iter().zip(rooms).filter(|(pool, _)| pool.ranges.iter().any(|part| part.range.family() == family));
        of_family.into_iter().any(|(_, room)| !is_full(room))
    };
    if let Some(family) = pools.families().into_iter().find(|family| !has_room(*family)) {
        let text = format!("policy {}: no {family} address is left in {}", choice.name, names());
        return Err(CniError::new(Code::NOT_AVAILABLE, text));
    }
    if !full.is_empty() {
        journal::warn(format!("policy {}: no address is left in {}", choice.name, names()));
    }
    Ok(())
}
