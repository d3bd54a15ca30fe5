//! CHECK: whether a container still has what its ADD gave it.
//!
//! The record is compared with `prevResult`, then the kernel with both, and everything that is missing is reported
//! together. What plugins later in the chain or an administrator added or changed is no fault as long as it takes nothing
//! away: the specification wants it so.

use std::path::Path;

use gingham_cni::config::ConfigError;
use gingham_cni::env::Attachment;
use gingham_cni::error::Code;
use gingham_cni::result::{CniResult, IpConfig};
use gingham_cni::version::SpecVersion;
use gingham_engine::ledger::AttachmentRecord;
use gingham_network::address_management::AddressManagement;
use gingham_network::allocation::key_of;
use gingham_network::bridge_config::BridgeConfig;
use gingham_network::call::Call;
use gingham_network::error::NetworkError;
use gingham_network::plan::{AddressSource, HostEnd, Role};
use gingham_network::sandbox;

use crate::inspection::{self, Expected, Inspection};

pub(crate) fn check(call: &Call, attachment: &Attachment, netns: &Path) -> Result<(), NetworkError> {
    let version = call.config.version_for("CHECK", SpecVersion::V0_4_0)?;
    let management = AddressManagement::of(call, call.arguments()?)?;
    let role = call.role()?;
    let previous = match &call.config.prev_result {
        Some(result) => Some(CniResult::read("prevResult", result, version)?),
        None => None,
    };
    if let AddressSource::Delegate(plugin) = &management.source {
        call.delegate(plugin).pass_on("CHECK")?;
    }
    let record = recorded(&management, attachment)?;
    match (role, previous) {
        (Role::Ipam, None) => Ok(()),
        (Role::Ipam, Some(previous)) => expect_leases(&record, &previous.ips, attachment),
        (Role::Main, None) => Err(missing_result()),
        (Role::Main, Some(previous)) => {
            let mut ours = addresses_of(&previous, attachment);
            if let AddressSource::Policy(_) = &management.source {
                expect_leases(&record, &ours, attachment)?;
                ours.retain(|ip| record.addresses.contains(&ip.address.addr()));
            }
            let asked = management.request.mac;
            inspect(call, attachment, netns, &Expected { previous: &previous, ips: &ours, record: &record, asked })
        }
    }
}

fn missing_result() -> NetworkError {
    let message = "Required prevResult missing: CHECK needs the result of ADD";
    ConfigError::Value { key: "prevResult".to_owned(), message: message.to_owned() }.into()
}

fn recorded(management: &AddressManagement<'_>, attachment: &Attachment) -> Result<AttachmentRecord, NetworkError> {
    let unknown = || {
        let Attachment { container, interface } = attachment;
        let text = format!(
            "Failed to find address added by container {container}: its interface {interface} is not attached to this network; {}",
            inspection::ATTACH_AGAIN
        );
        NetworkError::new(Code::UNKNOWN_CONTAINER, text)
    };
    management.records()?.attachment(&key_of(attachment))?.ok_or_else(unknown)
}

/// The result's addresses on the container's interface. Plugins later in the chain may have added others elsewhere.
fn addresses_of(previous: &CniResult, attachment: &Attachment) -> Vec<IpConfig> {
    let is_ours = |index: usize| {
        let interface = previous.interfaces.get(index);
        interface.is_some_and(|found| found.name == attachment.interface.as_str() && !found.sandbox.is_empty())
    };
    previous.ips.iter().filter(|ip| ip.interface.is_none_or(is_ours)).cloned().collect()
}

/// Every lease is in the result.
fn expect_leases(record: &AttachmentRecord, ips: &[IpConfig], attachment: &Attachment) -> Result<(), NetworkError> {
    match record.addresses.iter().find(|lease| !ips.iter().any(|ip| ip.address.addr() == **lease)) {
        None => Ok(()),
        Some(lease) => {
            let container = &attachment.container;
            let text = format!(
                "{lease} is leased to container {container}, but prevResult does not name it; {}",
                inspection::ATTACH_AGAIN
            );
            Err(NetworkError::new(Code::UNKNOWN_CONTAINER, text))
        }
    }
}

fn inspect(call: &Call, attachment: &Attachment, netns: &Path, expected: &Expected<'_>) -> Result<(), NetworkError> {
    let config = BridgeConfig::read(&call.config.object)?;
    let container = sandbox::open(call, netns)?;
    let host_end = HostEnd::of(&call.config.name, attachment)?;
    let mut inspection = Inspection::new(&config, expected)?;
    inspection.bridge()?;
    inspection.container(&container, netns, attachment.interface.as_str())?;
    inspection.host_end(host_end.name.as_str())?;
    inspection.addresses();
    inspection.routes();
    inspection.gateways()?;
    inspection.mac_filter(&call.config.name, &host_end, attachment)?;
    inspection.masquerade(&call.config.name)?;
    inspection.verdict()
}
