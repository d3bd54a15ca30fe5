//! What ADD makes of a call before it does anything: all that the configuration and the node's files alone can be refused
//! for. `ginghamctl check-config` goes the same way.

use gingham_net::Mac;
use gingham_net::route::Route;

use crate::addressing::Addressing;
use crate::allotment::Allotment;
use crate::call::Call;
use crate::cni::args::Arguments;
use crate::cni::bridge::BridgeConfig;
use crate::cni::error::CniError;
use crate::cni::result::CniResult;
use crate::cni::version::SpecVersion;
use crate::cni::wishes::{self, Wishes};
use crate::ipam::AddressManagement;
use crate::plan::{AddressSource, Role};

/// A call that nothing is wrong with so far.
pub(crate) struct Preparation<'a> {
    pub(crate) version: SpecVersion,
    pub(crate) arguments: Arguments,
    pub(crate) mac: Option<Mac>,
    pub(crate) management: AddressManagement<'a>,
    pub(crate) wishes: Wishes,
    /// None as IPAM plugin of another main plugin.
    pub(crate) bridge: Option<BridgeConfig>,
}

impl<'a> Preparation<'a> {
    pub(crate) fn of(call: &'a Call) -> Result<Self, CniError> {
        let version = call.config.version()?;
        let role = call.role()?;
        let arguments = call.arguments()?;
        let mac = wishes::hardware_address(&call.config.object, &arguments)?;
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
pub(crate) fn addressing(
    version: SpecVersion,
    bridge: &BridgeConfig,
    allotment: &Allotment,
) -> Result<(Addressing, Vec<Route>), CniError> {
    fits(version, allotment)?;
    let addressing = Addressing::of(allotment, bridge)?;
    let routes = addressing.kernel_routes()?;
    Ok((addressing, routes))
}

/// Whether the version has words for such a result.
pub(crate) fn fits(version: SpecVersion, allotment: &Allotment) -> Result<(), CniError> {
    Ok(CniResult::fits(version, allotment.ips.iter().map(|ip| &ip.address))?)
}
