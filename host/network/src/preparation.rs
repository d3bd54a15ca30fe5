//! What ADD makes of a call before it does anything: all that the configuration and the node's files alone can be refused
//! for. `ginghamctl check-config` goes the same way.

use gingham_cni::args::Arguments;
use gingham_cni::result::CniResult;
use gingham_cni::version::SpecVersion;
use gingham_net::Mac;
use gingham_net::route::Route;

use crate::addressing::Addressing;
use crate::allotment::Allotment;
use crate::bridge_config::BridgeConfig;
use crate::call::Call;
use crate::error::NetworkError;
use crate::ipam::AddressManagement;
use crate::plan::{AddressSource, Role};
use crate::runtime_request::{self, RuntimeRequest};

/// A call that nothing is wrong with so far.
pub struct Preparation<'a> {
    pub version: SpecVersion,
    pub arguments: Arguments,
    pub mac: Option<Mac>,
    pub management: AddressManagement<'a>,
    pub wishes: RuntimeRequest,
    /// None as IPAM plugin of another main plugin.
    pub bridge: Option<BridgeConfig>,
}

impl<'a> Preparation<'a> {
    pub fn of(call: &'a Call) -> Result<Self, NetworkError> {
        let version = call.config.version()?;
        let role = call.role()?;
        let arguments = call.arguments()?;
        let mac = runtime_request::hardware_address(&call.config.object, &arguments)?;
        let (management, wishes) = AddressManagement::of(call, &arguments)?;
        if management.source == AddressSource::None {
            // A version that must name an address has no words for a network of layer 2.
            CniResult::fits(version, &[])?;
        }
        let bridge = match role {
            Role::Main => Some(BridgeConfig::read(&call.config.object)?),
            Role::Ipam => None,
        };
        Ok(Self { version, arguments, mac, management, wishes, bridge })
    }
}

/// What the container and the bridge get of what was allotted, and the container's routes for the kernel; refused if the
/// result could not be told.
pub fn addressing(
    version: SpecVersion,
    bridge: &BridgeConfig,
    allotment: &Allotment,
) -> Result<(Addressing, Vec<Route>), NetworkError> {
    fits(version, allotment)?;
    let addressing = Addressing::of(allotment, bridge)?;
    let routes = addressing.kernel_routes()?;
    Ok((addressing, routes))
}

/// Whether the version has words for such a result.
pub fn fits(version: SpecVersion, allotment: &Allotment) -> Result<(), NetworkError> {
    Ok(CniResult::fits(version, allotment.ips.iter().map(|ip| &ip.address))?)
}
