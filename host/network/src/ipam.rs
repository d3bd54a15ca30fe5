//! Addresses for a container, wherever they come from: a policy, another plugin, or nowhere.

use std::path::Path;

use gingham_cni::args::Arguments;
use gingham_cni::config::Ipam;
use gingham_cni::env::Attachment;
use gingham_cni::error::Code;
use gingham_cni::result::{CniResult, Dns};
use gingham_engine::attachment::{self, AttachmentKey, Context, Pod, PodFacts, Request, Requester};
use gingham_engine::ipam;
use gingham_engine::ledger::Masquerade;
use gingham_engine::runtime::Policy;
use gingham_engine::settings::cluster::Routing;
use gingham_engine::settings::{Settings, SettingsError};
use gingham_engine::store::StoreLedger;
use gingham_net::Mac;
use gingham_net::netlink::{self, Socket};
use gingham_net::node_routes::{ensure_proxy_arp, is_agent_running};
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::{Map, Value};

use crate::adoption::Inheritance;
use crate::allotment::Allotment;
use crate::bridge_config::BridgeConfig;
use crate::call::Call;
use crate::cluster;
use crate::delegate::DelegateError;
use crate::error::NetworkError;
use crate::log;
use crate::node_routes;
use crate::plan::{self, AddressSource, PolicyChoice};
use crate::policies::Policies;
use crate::records::{End, Records};
use crate::resolv_conf;
use crate::runtime_request::RuntimeRequest;

/// The policy that takes the place of the reference's plugin of this name, under which a bridge has one IPv4 address.
const DROP_IN: &str = "host-local";

/// A network's source of addresses, ready to be asked.
pub struct AddressManagement<'a> {
    pub call: &'a Call,
    policies: Policies,
    /// Where addresses come from.
    pub source: AddressSource,
    /// The host's keys of `ipam`; defaults where they are another plugin's business.
    pub settings: Settings,
}

/// Who asks, and what was said about it.
pub struct Applicant<'a> {
    pub attachment: &'a Attachment,
    pub netns: &'a Path,
    pub arguments: &'a Arguments,
    pub mac: Option<Mac>,
    /// Whether its addresses are masqueraded here.
    pub is_masqueraded: bool,
}

impl Applicant<'_> {
    /// Records the attachment alone: its addresses are no policy's business.
    pub fn record(&self, records: &Records<'_>) -> Result<(), NetworkError> {
        Ok(records.attach(&key_of(self.attachment), &records.fresh(self.netns, self.pod(), Some(self.masquerade())))?)
    }

    fn asking(&self) -> Asking<'_> {
        let Self { attachment, netns, arguments, mac, .. } = self;
        let (pod, masquerade) = (self.pod(), Some(self.masquerade()));
        let requester = Requester::of_container(&pod);
        Asking { requester, key: key_of(attachment), netns, pod, arguments: &arguments.pairs, mac: *mac, masquerade }
    }

    fn masquerade(&self) -> Masquerade {
        Masquerade { wanted: self.is_masqueraded, ..Masquerade::default() }
    }

    fn pod(&self) -> Pod {
        let value = |key| self.arguments.value(key).map(str::to_owned);
        Pod { namespace: value("K8S_POD_NAMESPACE"), name: value("K8S_POD_NAME"), uid: value("K8S_POD_UID") }
    }
}

/// For whom a policy is asked: a runtime's container, or an owner that no runtime knows.
pub struct Asking<'a> {
    pub requester: Requester,
    pub key: AttachmentKey,
    /// Empty if there is none.
    pub netns: &'a Path,
    pub pod: Pod,
    pub arguments: &'a [(String, String)],
    pub mac: Option<Mac>,
    pub masquerade: Option<Masquerade>,
}

/// How the engine names an attachment.
pub fn key_of(attachment: &Attachment) -> AttachmentKey {
    AttachmentKey {
        container_id: attachment.container.as_str().to_owned(),
        interface: attachment.interface.as_str().to_owned(),
    }
}

impl<'a> AddressManagement<'a> {
    /// Of the call's configuration.
    pub fn of(call: &'a Call, arguments: &Arguments) -> Result<(Self, RuntimeRequest), NetworkError> {
        let policies = Policies::open(&call.library)?;
        let ipam = call.config.ipam.as_ref();
        let source = plan::address_source(&call.program, ipam, |name| policies.contains(name))?;
        let (settings, wishes) = match (&source, ipam) {
            (AddressSource::Policy(_), Some(ipam)) => {
                let wishes = RuntimeRequest::read(&call.config.object, arguments)?;
                let settings = Settings::parse(&policy_object(ipam, &wishes))?;
                (settings, wishes)
            }
            _ => (Settings::parse(&Map::new())?, RuntimeRequest::default()),
        };
        if let AddressSource::Delegate(plugin) = &source {
            // Before anything is recorded for it.
            call.delegate(plugin).find()?;
        }
        Ok((Self { call, policies, source, settings }, wishes))
    }

    /// The same for a verb that must work with what it gets. What is at fault is reported and counts as absent.
    pub fn of_tolerant(call: &'a Call) -> Result<Self, NetworkError> {
        let policies = Policies::open(&call.library).unwrap_or_else(|error| {
            log::warn(error);
            Policies::built_in()
        });
        let ipam = call.config.ipam.as_ref();
        let source =
            plan::address_source(&call.program, ipam, |name| policies.contains(name)).unwrap_or_else(|fault| {
                log::warn(fault);
                AddressSource::None
            });
        let mut management = Self { call, policies, source, settings: Settings::parse(&Map::new())? };
        management.recognise_removed_policy()?;
        if let (AddressSource::Policy(_) | AddressSource::None, Some(ipam)) = (&management.source, ipam) {
            management.settings = tolerant_settings(&ipam.object)?;
        }
        Ok(management)
    }

    /// A name that is neither a policy's nor a plugin's, in a network where nothing was ever delegated, was a policy's
    /// that was removed since. Its leases are ours to free.
    fn recognise_removed_policy(&mut self) -> Result<(), NetworkError> {
        let AddressSource::Delegate(plugin) = &self.source else { return Ok(()) };
        let is_missing = matches!(self.call.delegate(plugin).find(), Err(DelegateError::NotFound { .. }));
        if is_missing && !self.records()?.has_addressless()? {
            self.source = AddressSource::Policy(PolicyChoice { name: plugin.clone(), digest: None });
        }
        Ok(())
    }

    /// The network's records.
    pub fn records(&self) -> Result<Records<'_>, NetworkError> {
        let network = &self.call.config.name;
        let inheritance = match &self.source {
            AddressSource::Policy(_) => Some(Inheritance::of(network.as_str(), &self.settings)),
            AddressSource::None | AddressSource::Delegate(_) => None,
        };
        Ok(Records::of(network, &self.settings.data_dir, inheritance)?
            .on_link(plan::link(&self.call.program, &self.call.config)))
    }

    /// The settings as they would be if the runtime had sent a range: one of those that are for documentation.
    pub fn settings_with_example_range(&self) -> Result<Settings, SettingsError> {
        let object = self.call.config.ipam.as_ref().map(|ipam| ipam.object.clone()).unwrap_or_default();
        let ranges = serde_json::json!([[{"subnet": "192.0.2.0/24"}]]);
        let ipam = Ipam { plugin: String::new(), policy: None, object };
        Settings::parse(&policy_object(&ipam, &RuntimeRequest { ip_ranges: Some(ranges), ..RuntimeRequest::default() }))
    }

    /// The network and the node, for a policy.
    pub fn context(&self) -> Context {
        self.settings.context(self.call.config.name.as_str())
    }

    /// Loads the policy that addresses come from.
    pub fn load(&self, choice: &PolicyChoice) -> Result<Policy, NetworkError> {
        let policy = self.policies.load(choice)?;
        require_dividing(&policy, &self.settings)?;
        Ok(policy)
    }

    /// Lets a policy give addresses and commits them.
    pub fn allocate(
        &self,
        choice: &PolicyChoice,
        applicant: &Applicant<'_>,
        wishes: RuntimeRequest,
        records: &Records<'_>,
    ) -> Result<Allotment, NetworkError> {
        self.grant(choice, &applicant.asking(), wishes, records)
    }

    /// The same, for anybody.
    pub fn grant(
        &self,
        choice: &PolicyChoice,
        asking: &Asking<'_>,
        wishes: RuntimeRequest,
        records: &Records<'_>,
    ) -> Result<Allotment, NetworkError> {
        let request = self.request(asking, wishes, records)?;
        let record = records.fresh(asking.netns, asking.pod.clone(), asking.masquerade.clone());
        let policy = self.load(choice)?;
        let context = self.context();
        let mut log = Vec::new();
        let granted = if policy.is_cluster() {
            self.dividing(&policy, records, &BridgeConfig::bridge_name(&self.call.config.object))
                .allocate(&request, &record, &mut log)
                .map(|divided| divided.into_allotment(&self.settings))
        } else {
            // No lock is held while the policy checks its configuration.
            ipam::prepare::<StoreLedger>(&policy, &self.settings, &context, &mut log)
                .map_err(NetworkError::from)
                .and_then(|prepared| {
                    let ledger = records.write_for((&policy, &self.settings, &context), &mut log)?;
                    Ok(prepared.allocate(ledger, &request, &record, &mut log)?)
                })
                .map(|granted| undivided(&policy, granted))
        };
        log::policy(policy.name(), &log);
        granted
    }

    /// The network, as one that is divided among nodes.
    pub fn dividing<'s>(
        &'s self,
        policy: &'s Policy,
        records: &'s Records<'s>,
        bridge: &'s str,
    ) -> cluster::Allocation<'s> {
        cluster::Allocation {
            network: self.call.config.name.as_str(),
            policy,
            settings: &self.settings,
            records,
            bridge,
        }
    }

    /// The MTU of containers whose packets go to other nodes through a tunnel, in bytes.
    pub fn tunnel_mtu(&self, records: &Records<'_>) -> Result<Option<u32>, NetworkError> {
        if self.settings.routing != Routing::Vxlan {
            return Ok(None);
        }
        node_routes::tunnel_mtu(self.call.config.name.as_str(), &self.settings, records)
    }

    /// Sees to the ways to other nodes, as far as an ADD does.
    pub fn open_ways(
        &self,
        host: &mut Socket<netlink::Route>,
        allotment: &Allotment,
        records: &Records<'_>,
    ) -> Result<(), NetworkError> {
        let AddressSource::Policy(choice) = &self.source else { return Ok(()) };
        if self.settings.routing == Routing::None {
            return Ok(());
        }
        let bridge = BridgeConfig::bridge_name(&self.call.config.object);
        ensure_proxy_arp(host, &bridge, &allotment.prefixes)?;
        if !allotment.asked_store || is_agent_running(&self.settings.data_dir) {
            return Ok(());
        }
        let policy = self.load(choice)?;
        self.dividing(&policy, records, &bridge).refresh_ways(host);
        Ok(())
    }

    /// Lets another plugin give addresses.
    pub fn delegate(&self, plugin: &str) -> Result<Allotment, NetworkError> {
        let answer = self.call.delegate(plugin).add()?;
        let result = CniResult::read(plugin, &answer, self.call.config.version()?)?;
        if result.ips.is_empty() {
            return Err(DelegateError::NoAddress { plugin: plugin.to_owned() }.into());
        }
        let prefixes = result.ips.iter().map(|ip| ip.address.trunc()).collect();
        Ok(Allotment { ips: result.ips, routes: result.routes, dns: result.dns, prefixes, ..Allotment::default() })
    }

    /// Lets another plugin take back what it gave.
    pub fn take_back(&self, plugin: &str) -> Result<(), NetworkError> {
        Ok(self.call.delegate(plugin).pass_on("DEL")?)
    }

    /// Forgets attachments and tells the policy, if it wants to know and can be had.
    pub fn forget<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k AttachmentKey>,
        end: &End,
        records: &Records<'_>,
    ) -> Result<(), NetworkError> {
        let policy = match &self.source {
            AddressSource::Policy(choice) => self.policies.load_for_release(choice).unwrap_or_else(|error| {
                log::warn(format!("the policy is not told that the attachment has ended: {error}"));
                None
            }),
            AddressSource::None | AddressSource::Delegate(_) => None,
        };
        let context = self.context();
        let told = policy.as_ref().map(|policy| (policy, &self.settings, &context));
        let errors = keys.into_iter().filter_map(|key| records.forget(key, end, told).err().map(NetworkError::from));
        NetworkError::join(errors).map_or(Ok(()), Err)
    }

    /// What the policy is asked.
    pub fn request(
        &self,
        asking: &Asking<'_>,
        wishes: RuntimeRequest,
        records: &Records<'_>,
    ) -> Result<Request, NetworkError> {
        Ok(Request {
            requester: asking.requester,
            key: asking.key.clone(),
            netns: asking.netns.to_string_lossy().into_owned(),
            pod: asking.pod.clone(),
            facts: PodFacts { annotations: wishes.pod_annotations, ..PodFacts::default() },
            cni_args: asking.arguments.to_vec(),
            args_labels: wishes.args_labels,
            requested: wishes.addresses,
            mac: asking.mac.map(Mac::octets),
            resolv_conf: self.resolv_conf()?.map(engine_dns),
            now: records.now(),
            seed: seed()?,
            node_addresses: gingham_net::address::of_node()?,
        })
    }

    fn resolv_conf(&self) -> Result<Option<Dns>, NetworkError> {
        let Some(ipam) = &self.call.config.ipam else { return Ok(None) };
        let Some(path) = resolv_conf::path(&ipam.object)? else { return Ok(None) };
        Ok(Some(resolv_conf::read(&path)?))
    }
}

/// What a policy granted that divides nothing, as CNI has it.
pub fn undivided(policy: &Policy, granted: ipam::IpamResult) -> Allotment {
    let allotment = Allotment::of(granted);
    if policy.name() == DROP_IN { allotment.of_one_network() } else { allotment }
}

/// To ignore `cluster` would hand out addresses that other nodes hand out too.
pub fn require_dividing(policy: &Policy, settings: &Settings) -> Result<(), SettingsError> {
    if settings.cluster.is_none() || policy.is_cluster() {
        return Ok(());
    }
    let message = format!(
        "the policy {} does not divide a range among nodes; name one that does, e.g. \"weave-split\", or remove the key",
        policy.name()
    );
    Err(SettingsError { key: "cluster".to_owned(), message })
}

/// What a policy's configuration is made of: `ipam`, and the ranges the runtime sent. That key is the runtime's alone:
/// whoever wrote it into the file wrote a key that nobody knows.
pub fn policy_object(ipam: &Ipam, wishes: &RuntimeRequest) -> Map<String, Value> {
    let mut object = ipam.object.clone();
    object.retain(|key, _| !key.eq_ignore_ascii_case("ipRanges"));
    if let Some(ranges) = &wishes.ip_ranges {
        object.insert("ipRanges".to_owned(), ranges.clone());
    }
    object
}

/// Takes keys at fault out until the rest can be read.
fn tolerant_settings(ipam: &Map<String, Value>) -> Result<Settings, NetworkError> {
    let mut object = ipam.clone();
    loop {
        let fault = match Settings::parse(&object) {
            Ok(settings) => return Ok(settings),
            Err(fault) => fault,
        };
        let key = fault.key.split(['.', '[']).next().unwrap_or_default();
        let before = object.len();
        object.retain(|name, _| !name.eq_ignore_ascii_case(key));
        if object.len() == before {
            return Err(fault.into());
        }
        log::warn(fault);
    }
}

fn seed() -> Result<u64, NetworkError> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes, GetRandomFlags::empty())
        .map_err(|errno| NetworkError::new(Code::IO, format!("cannot draw a random number for the policy: {errno}")))?;
    Ok(u64::from_ne_bytes(bytes))
}

fn engine_dns(dns: Dns) -> attachment::Dns {
    let Dns { nameservers, domain, search, options } = dns;
    attachment::Dns { nameservers, domain: (!domain.is_empty()).then_some(domain), search, options }
}
