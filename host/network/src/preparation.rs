//! What ADD makes of a call before it does anything: all that the configuration and the node's files alone can be refused
//! for. `ginghamctl check-config` goes the same way.

use gingham_cni::result::CniResult;
use gingham_cni::version::SpecVersion;
use gingham_engine::ipam::IpamResult;
use gingham_net::route::Route;

use crate::address_management::AddressManagement;
use crate::addressing::Addressing;
use crate::bridge_config::BridgeConfig;
use crate::call::Call;
use crate::error::NetworkError;
use crate::plan::{AddressSource, Role};

/// A call that nothing is wrong with so far.
pub struct Preparation<'a> {
    pub version: SpecVersion,
    pub management: AddressManagement<'a>,
    /// None as IPAM plugin of another main plugin.
    pub bridge: Option<BridgeConfig>,
}

impl<'a> Preparation<'a> {
    pub fn of(call: &'a Call) -> Result<Self, NetworkError> {
        let version = call.config.version()?;
        let role = call.role()?;
        let management = AddressManagement::of(call, call.arguments()?)?;
        if management.source == AddressSource::None {
            // A version that must name an address cannot express a network of layer 2.
            CniResult::fits(version, &[])?;
        }
        let bridge = match role {
            Role::Main => Some(BridgeConfig::read(&call.config.object)?),
            Role::Ipam => None,
        };
        Ok(Self { version, management, bridge })
    }
}

/// What the container and the bridge get of the IPAM result, and the container's routes for the kernel; refused if the
/// version could not express the result.
pub fn addressing(
    version: SpecVersion,
    bridge: &BridgeConfig,
    ipam: &IpamResult,
) -> Result<(Addressing, Vec<Route>), NetworkError> {
    fits(version, ipam)?;
    let addressing = Addressing::of(ipam, bridge)?;
    let routes = addressing.kernel_routes()?;
    Ok((addressing, routes))
}

/// Whether the version can express such a result.
pub fn fits(version: SpecVersion, ipam: &IpamResult) -> Result<(), NetworkError> {
    Ok(CniResult::fits(version, ipam.answer.addresses.iter().map(|assigned| &assigned.address))?)
}
