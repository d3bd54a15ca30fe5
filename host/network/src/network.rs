//! One network of this node, for tools: what the plugin makes of its configuration, who holds its addresses, and
//! addresses for those who are no containers. The same policy, store and locks as the plugin's.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use gingham_cni::args::Arguments;
use gingham_cni::config::NetworkConfig;
use gingham_cni::env::Environment;
use gingham_cni::error::Code;
use gingham_engine::attachment::{AttachmentKey, Context, Labels, Pod, Requester};
use gingham_engine::clock;
use gingham_engine::ipam::{self, PoolRoom, Shadow, ShadowCounters};
use gingham_engine::ledger::LedgerQueries;
use gingham_engine::memory_ledger::{MemoryLedger, MemoryStore};
use gingham_engine::pool::Pools;
use gingham_engine::runtime::{FactImports, Policy};
use gingham_engine::settings::Settings;
use gingham_engine::store::ReadLedger;
use ipnet::IpNet;

use crate::address_management::AddressManagement;
use crate::allocation::AddressRequest;
use crate::bridge_config::BridgeConfig;
use crate::call::Call;
use crate::error::NetworkError;
use crate::plan::{AddressSource, PolicyChoice, Role};
use crate::records::End;

/// A network, as one plugin's configuration names it.
pub struct Network {
    pub call: Call,
    role: Role,
}

/// A network whose range is divided among nodes, for the node agent: the same policy and settings as the plugin's.
pub struct ClusterNetwork {
    /// The host's keys of `ipam`.
    pub settings: Settings,
    /// The policy that divides the range.
    pub policy: Policy,
    /// The bridge that containers are on. Where another main plugin makes it, the one that its configuration names.
    pub bridge: String,
    /// What the policy sees of network and node.
    pub context: Context,
}

/// What the answers of a network's policy depend on beside its configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyState {
    /// Of the component that its name stands for now.
    pub digest: Option<String>,
    /// Of the node, as far as they are known.
    pub node_labels: Option<Labels>,
}

/// Where a network's addresses come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nowhere: it is a network of layer 2.
    Nowhere,
    /// A policy, by its name.
    Policy(String),
    /// Another IPAM plugin, by its name.
    Plugin(String),
}

/// The bridge of a network, as far as addresses are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeFacts {
    pub name: String,
    /// Whether it gets the gateways' addresses.
    pub is_gateway: bool,
    /// Whether containers are masqueraded.
    pub ip_masq: bool,
}

/// A network whose policy found its configuration good.
pub struct Addresses<'a> {
    pub network: &'a Network,
    pub management: AddressManagement<'a>,
    pub choice: PolicyChoice,
    /// The policy's pools.
    pub pools: Pools,
    /// What the policy logged about the configuration.
    pub log: Vec<String>,
}

impl Network {
    /// Reads one plugin's configuration, complete with `name` and `cniVersion`, as the plugin does that runs under the
    /// name `program`. `library` is the directory of installed policies.
    pub fn read(program: &str, library: &Path, input: &[u8]) -> Result<Self, NetworkError> {
        let config = NetworkConfig::parse(input)?;
        let mut call = Call::new(program, Environment::of_a_tool(), config, input.to_vec(), library);
        "tool".clone_into(&mut call.by);
        call.config.version()?;
        let role = call.role()?;
        Ok(Self { call, role })
    }

    pub fn name(&self) -> &str {
        self.call.config.name.as_str()
    }

    /// The bridge; none where another main plugin makes the interfaces.
    pub fn bridge(&self) -> Result<Option<BridgeFacts>, NetworkError> {
        if self.role == Role::Ipam {
            return Ok(None);
        }
        let bridge = BridgeConfig::read(&self.call.config.object)?;
        let facts =
            BridgeFacts { name: bridge.name.to_string(), is_gateway: bridge.is_gateway, ip_masq: bridge.ip_masq };
        Ok(Some(facts))
    }

    /// The name of the bridge that containers are on, also where another main plugin puts them there.
    pub fn bridge_name(&self) -> String {
        self.call.bridge.name.clone()
    }

    /// Where its addresses come from.
    pub fn source(&self) -> Result<Source, NetworkError> {
        let management = AddressManagement::of(&self.call, Arguments::default())?;
        Ok(match management.source {
            AddressSource::None => Source::Nowhere,
            AddressSource::Policy(choice) => Source::Policy(choice.name),
            AddressSource::Delegate(plugin) => Source::Plugin(plugin),
        })
    }

    /// The host's keys of `ipam`, whatever else is wrong there: a key at fault has its default.
    pub fn settings(&self) -> Result<Settings, NetworkError> {
        Ok(AddressManagement::of_tolerant(&self.call)?.settings)
    }

    /// Its addresses; none if they come from no policy.
    pub fn addresses(&self) -> Result<Option<Addresses<'_>>, NetworkError> {
        let management = AddressManagement::of(&self.call, Arguments::default())?;
        let AddressSource::Policy(choice) = management.source.clone() else { return Ok(None) };
        let mut log = Vec::new();
        let policy = management.policy(&choice)?;
        let prepared = ipam::prepare(policy, &management.settings, &management.context(), &mut log);
        let prepared = prepared?;
        let unknown = prepared.unknown_keys().iter().map(ToString::to_string);
        let log = unknown.chain(log.into_iter().map(|line| line.message)).collect();
        let pools = prepared.pools().clone();
        Ok(Some(Addresses { network: self, management, choice, pools, log }))
    }

    /// Which facts of Kubernetes its policies can read, and the data directory where the plugin looks for them; none if its
    /// addresses come from no policy.
    pub fn fact_imports(&self) -> Result<Option<(PathBuf, FactImports)>, NetworkError> {
        let management = AddressManagement::of(&self.call, Arguments::default())?;
        let AddressSource::Policy(choice) = &management.source else { return Ok(None) };
        management.policy(choice)?;
        // Loaded as well, if there is one.
        let _ = management.shadow();
        Ok(Some((management.settings.data_dir.clone(), management.imported_facts())))
    }

    /// Whether its addresses could come from this policy under its name: the network names another, or this one accepts its
    /// configuration.
    pub fn would_accept(&self, name: &str, policy: &Policy) -> Result<(), NetworkError> {
        let management = AddressManagement::of(&self.call, Arguments::default())?;
        let AddressSource::Policy(choice) = &management.source else { return Ok(()) };
        if choice.name != name {
            return Ok(());
        }
        if let Some(digest) = &choice.digest {
            let text = format!("ipam.policy pins {name}@{digest}; pin the new digest, or none");
            return Err(NetworkError::new(Code::CONFIG, text));
        }
        let context = management.context_for(policy.fact_imports());
        Ok(ipam::prepare(policy, &management.settings, &context, &mut Vec::new()).map(drop)?)
    }

    /// What the node agent works with.
    pub fn cluster_network(&self) -> Result<ClusterNetwork, NetworkError> {
        let management = AddressManagement::of(&self.call, Arguments::default())?;
        let AddressSource::Policy(choice) = management.source.clone() else {
            let text = "ipam.cluster: the addresses of this network come from no policy; name one that divides a range in \
                        ipam.policy, e.g. \"weave-split\"";
            return Err(NetworkError::new(Code::CONFIG, text));
        };
        management.policy(&choice)?;
        let context = management.context();
        let (settings, policy) = management.into_parts(&choice)?;
        Ok(ClusterNetwork { settings, policy, bridge: self.bridge_name(), context })
    }

    /// Whoever keeps a policy loaded loads it again when this changes. It loads none.
    pub fn policy_state(&self) -> Result<PolicyState, NetworkError> {
        let management = AddressManagement::of(&self.call, Arguments::default())?;
        let AddressSource::Policy(choice) = &management.source else { return Ok(PolicyState::default()) };
        let digest = self.call.policies.digest(&choice.name);
        let node = FactImports { node: true, ..FactImports::default() };
        Ok(PolicyState { digest, node_labels: management.context_for(node).node_labels })
    }

    /// Takes an owner's addresses back, as DEL does: whatever is wrong with `ipam`, and without the policy if it is gone.
    /// None were held: nothing happens.
    pub fn release(&self, owner: &AttachmentKey) -> Result<Vec<IpAddr>, NetworkError> {
        let management = AddressManagement::of_tolerant(&self.call)?;
        let records = management.records()?;
        let held = records.attachment(owner)?;
        management.forget(&[owner], &End::Used, &records)?;
        Ok(held.map(|record| record.addresses).unwrap_or_default())
    }
}

impl Network {
    /// Ends reservations: that of an address, or all under a key of the policy. Returns their addresses, each with the
    /// attachment that holds it all the same.
    pub fn end_reservations(&self, key_or_address: &str) -> Result<Vec<(IpAddr, Option<AttachmentKey>)>, NetworkError> {
        let management = AddressManagement::of_tolerant(&self.call)?;
        let records = management.records()?;
        Ok(records.end_reservations(key_or_address)?)
    }
}

impl Addresses<'_> {
    /// The policy's name, with its digest if the configuration pins it.
    pub fn policy(&self) -> String {
        let PolicyChoice { name, digest } = &self.choice;
        digest.as_ref().map_or_else(|| name.clone(), |digest| format!("{name}@{digest}"))
    }

    /// The policy itself, for questions about blocks.
    pub fn load(&self) -> Result<&Policy, NetworkError> {
        self.management.policy(&self.choice)
    }

    /// The host's keys of `ipam`.
    pub fn settings(&self) -> &Settings {
        &self.management.settings
    }

    /// How full the pools are. Looks at the records as they are and changes nothing: leases of the reference that are
    /// not adopted yet are not counted.
    pub fn room(&self) -> Result<Vec<PoolRoom>, NetworkError> {
        match self.look()? {
            Some(ledger) => self.room_in::<ReadLedger>(ledger),
            None => self.room_in::<MemoryLedger>(MemoryStore::new().ledger(self.network.name())),
        }
    }

    /// The same of what this node can hand out, where a range is divided among nodes.
    pub fn room_of_node(&self) -> Result<Option<Vec<PoolRoom>>, NetworkError> {
        let policy = self.management.policy(&self.choice)?;
        if !policy.is_cluster() || self.management.settings.cluster.is_none() {
            return Ok(None);
        }
        Ok(Some(self.room_claimed(policy)?.unwrap_or_default()))
    }

    fn room_in<L: LedgerQueries + 'static>(&self, ledger: L) -> Result<Vec<PoolRoom>, NetworkError> {
        let policy = self.management.policy(&self.choice)?;
        let prepared = ipam::prepare(policy, &self.management.settings, &self.management.context(), &mut Vec::new());
        Ok(prepared.and_then(|prepared| prepared.room(ledger, clock::now()))?)
    }

    /// What came of the shadow's answers; none if there is no shadow, or nothing was answered yet.
    pub fn shadow_counters(&self) -> Result<Option<ShadowCounters>, NetworkError> {
        let ledger = if self.management.settings.shadow.is_some() { self.look()? } else { None };
        Ok(ledger.map_or(Ok(None), |ledger| ShadowCounters::read(&ledger))?)
    }

    /// Why the shadow cannot answer, if there is one and it cannot.
    pub fn shadow_fault(&self) -> Option<String> {
        let shadow = self.management.shadow()?;
        let prepared = Shadow::prepare(shadow, &self.management.context(), &mut Vec::new());
        prepared.fault().map(|fault| format!("ipam.shadow: {}: {fault}; ADD does not depend on it", shadow.title))
    }

    fn look(&self) -> Result<Option<ReadLedger>, NetworkError> {
        Ok(self.management.records()?.look()?)
    }

    /// Whether leases of the reference wait for adoption.
    pub fn awaits_adoption(&self) -> Result<bool, NetworkError> {
        let records = self.management.records()?;
        let ledger = records.look()?;
        Ok(records.is_to_be_adopted(ledger.as_ref())?)
    }

    pub fn held_by(&self, owner: &AttachmentKey) -> Result<Vec<IpAddr>, NetworkError> {
        let record = self.management.records()?.attachment(owner)?;
        Ok(record.map(|record| record.addresses).unwrap_or_default())
    }

    /// Lets the policy give addresses to an owner, those asked for by name among them.
    pub fn allocate(&self, owner: &AttachmentKey, wanted: &[IpAddr]) -> Result<Vec<IpNet>, NetworkError> {
        let records = self.management.records()?;
        let mut addresses = self.management.request.addresses.clone();
        addresses.extend(wanted.iter().filter(|address| !self.management.request.addresses.contains(address)));
        let request = AddressRequest {
            requester: Requester::Script,
            key: owner.clone(),
            netns: Path::new(""),
            pod: Pod::default(),
            mac: None,
            addresses,
            masquerade: None,
        };
        let allocation = self.management.allocate_for(&self.choice, &request, &records)?;
        Ok(allocation.ipam.answer.addresses.iter().map(|assigned| assigned.address).collect())
    }
}
