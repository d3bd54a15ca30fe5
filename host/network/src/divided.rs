//! A network whose range is divided among nodes, for the companion that looks after it: the same policy and settings as
//! the plugin's.

use gingham_cni::error::Code;
use gingham_engine::runtime::Policy;
use gingham_engine::settings::Settings;

use crate::bridge_config::BridgeConfig;
use crate::error::NetworkError;
use crate::ipam::{policy_object, require_dividing};
use crate::network::Network;
use crate::plan::{self, AddressSource};
use crate::policies::Policies;
use crate::runtime_request::RuntimeRequest;

/// What a divided network is made of.
pub struct Divided {
    /// The host's keys of `ipam`.
    pub settings: Settings,
    /// The policy that divides the range.
    pub policy: Policy,
    /// The bridge that containers are on. Where another main plugin makes it, the one that plugin would be told to make.
    pub bridge: String,
}

impl Network {
    /// What its companion works with.
    ///
    /// # Errors
    /// The configuration is at fault, or the policy is not there or divides nothing.
    pub fn divided(&self) -> Result<Divided, NetworkError> {
        let (config, program) = (&self.call.config, &self.call.program);
        let policies = Policies::open(&self.call.library)?;
        let source = plan::address_source(program, config.ipam.as_ref(), |name| policies.contains(name));
        let (AddressSource::Policy(choice), Some(ipam)) = (source?, &config.ipam) else {
            let text = "ipam.cluster: the addresses of this network come from no policy, so nothing is divided";
            return Err(NetworkError::new(Code::CONFIG, text).into());
        };
        let settings = Settings::parse(&policy_object(ipam, &RuntimeRequest::default()))?;
        let policy = policies.load(&choice)?;
        require_dividing(&policy, &settings)?;
        let bridge = BridgeConfig::bridge_name(&config.object);
        Ok(Divided { settings, policy, bridge })
    }
}
