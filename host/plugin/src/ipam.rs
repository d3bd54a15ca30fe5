//! Addresses for a container, wherever they come from: a policy, another plugin, or nowhere.

use std::path::Path;

use gingham_engine::attachment::{self, AttachmentKey, Context, Pod, PodFacts, Request, Requester};
use gingham_engine::ipam;
use gingham_engine::ledger::Masquerade;
use gingham_engine::runtime::Policy;
use gingham_engine::settings::cluster::Routing;
use gingham_engine::settings::{Settings, SettingsError};
use gingham_engine::store::StoreLedger;
use gingham_net::netlink::{self, Socket};
use gingham_net::{Mac, reach};
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::{Map, Value};

use crate::adoption::Inheritance;
use crate::allotment::Allotment;
use crate::call::Call;
use crate::cluster;
use crate::cni::args::Arguments;
use crate::cni::bridge::BridgeConfig;
use crate::cni::config::Ipam;
use crate::cni::env::Attachment;
use crate::cni::error::{CniError, Code};
use crate::cni::result::{CniResult, Dns};
use crate::cni::wishes::Wishes;
use crate::delegate::DelegateError;
use crate::journal;
use crate::plan::{self, AddressSource, PolicyChoice};
use crate::policies::Policies;
use crate::records::{End, Records};
use crate::resolv_conf;
use crate::ways;

/// The policy that takes the place of the reference's plugin of this name, under which a bridge has one IPv4 address.
const DROP_IN: &str = "host-local";

/// A network's source of addresses, ready to be asked.
pub(crate) struct AddressManagement<'a> {
    pub(crate) call: &'a Call,
    policies: Policies,
    /// Where addresses come from.
    pub(crate) source: AddressSource,
    /// The host's keys of `ipam`; defaults where they are another plugin's business.
    pub(crate) settings: Settings,
}

/// Who asks, and what was said about it.
pub(crate) struct Applicant<'a> {
    pub(crate) attachment: &'a Attachment,
    pub(crate) netns: &'a Path,
    pub(crate) arguments: &'a Arguments,
    pub(crate) mac: Option<Mac>,
    /// Whether its addresses are masqueraded here.
    pub(crate) is_masqueraded: bool,
}

impl Applicant<'_> {
    /// Records the attachment alone: its addresses are no policy's business.
    pub(crate) fn record(&self, records: &Records<'_>) -> Result<(), CniError> {
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
pub(crate) struct Asking<'a> {
    pub(crate) requester: Requester,
    pub(crate) key: AttachmentKey,
    /// Empty if there is none.
    pub(crate) netns: &'a Path,
    pub(crate) pod: Pod,
    pub(crate) arguments: &'a [(String, String)],
    pub(crate) mac: Option<Mac>,
    pub(crate) masquerade: Option<Masquerade>,
}

/// How the engine names an attachment.
pub(crate) fn key_of(attachment: &Attachment) -> AttachmentKey {
    AttachmentKey {
        container_id: attachment.container.as_str().to_owned(),
        interface: attachment.interface.as_str().to_owned(),
    }
}

impl<'a> AddressManagement<'a> {
    /// Of the call's configuration.
    pub(crate) fn of(call: &'a Call, arguments: &Arguments) -> Result<(Self, Wishes), CniError> {
        let policies = Policies::open(&call.library)?;
        let ipam = call.config.ipam.as_ref();
        let source = plan::address_source(&call.program, ipam, |name| policies.contains(name))?;
        let (settings, wishes) = match (&source, ipam) {
            (AddressSource::Policy(_), Some(ipam)) => {
                let wishes = Wishes::read(&call.config.object, arguments)?;
                let settings = Settings::parse(&policy_object(ipam, &wishes))?;
                (settings, wishes)
            }
            _ => (Settings::parse(&Map::new())?, Wishes::default()),
        };
        if let AddressSource::Delegate(plugin) = &source {
            // Before anything is recorded for it.
            call.delegate(plugin).find()?;
        }
        Ok((Self { call, policies, source, settings }, wishes))
    }

    /// The same for a verb that must work with what it gets. What is at fault is reported and counts as absent.
    pub(crate) fn of_tolerant(call: &'a Call) -> Result<Self, CniError> {
        let policies = Policies::open(&call.library).unwrap_or_else(|error| {
            journal::warn(error);
            Policies::built_in()
        });
        let ipam = call.config.ipam.as_ref();
        let source =
            plan::address_source(&call.program, ipam, |name| policies.contains(name)).unwrap_or_else(|fault| {
                journal::warn(fault);
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
    fn recognise_removed_policy(&mut self) -> Result<(), CniError> {
        let AddressSource::Delegate(plugin) = &self.source else { return Ok(()) };
        let is_missing = matches!(self.call.delegate(plugin).find(), Err(DelegateError::NotFound { .. }));
        if is_missing && !self.records()?.has_addressless()? {
            self.source = AddressSource::Policy(PolicyChoice { name: plugin.clone(), digest: None });
        }
        Ok(())
    }

    /// The network's records.
    pub(crate) fn records(&self) -> Result<Records<'_>, CniError> {
        let network = &self.call.config.name;
        let inheritance = match &self.source {
            AddressSource::Policy(_) => Some(Inheritance::of(network.as_str(), &self.settings)),
            AddressSource::None | AddressSource::Delegate(_) => None,
        };
        Ok(Records::of(network, &self.settings.data_dir, inheritance)?
            .on_link(plan::link(&self.call.program, &self.call.config)))
    }

    /// The settings as they would be if the runtime had sent a range: one of those that are for documentation.
    pub(crate) fn settings_with_example_range(&self) -> Result<Settings, SettingsError> {
        let object = self.call.config.ipam.as_ref().map(|ipam| ipam.object.clone()).unwrap_or_default();
        let ranges = serde_json::json!([[{"subnet": "192.0.2.0/24"}]]);
        let ipam = Ipam { plugin: String::new(), policy: None, object };
        Settings::parse(&policy_object(&ipam, &Wishes { ip_ranges: Some(ranges), ..Wishes::default() }))
    }

    /// The network and the node, for a policy.
    pub(crate) fn context(&self) -> Context {
        self.settings.context(self.call.config.name.as_str())
    }

    /// Loads the policy that addresses come from.
    pub(crate) fn load(&self, choice: &PolicyChoice) -> Result<Policy, CniError> {
        let policy = self.policies.load(choice)?;
        require_dividing(&policy, &self.settings)?;
        Ok(policy)
    }

    /// Lets a policy give addresses and commits them.
    pub(crate) fn allocate(
        &self,
        choice: &PolicyChoice,
        applicant: &Applicant<'_>,
        wishes: Wishes,
        records: &Records<'_>,
    ) -> Result<Allotment, CniError> {
        self.grant(choice, &applicant.asking(), wishes, records)
    }

    /// The same, for anybody.
    pub(crate) fn grant(
        &self,
        choice: &PolicyChoice,
        asking: &Asking<'_>,
        wishes: Wishes,
        records: &Records<'_>,
    ) -> Result<Allotment, CniError> {
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
                .map_err(CniError::from)
                .and_then(|prepared| {
                    let ledger = records.write_for((&policy, &self.settings, &context), &mut log)?;
                    Ok(prepared.allocate(ledger, &request, &record, &mut log)?)
                })
                .map(|granted| undivided(&policy, granted))
        };
        journal::policy(policy.name(), &log);
        granted
    }

    /// The network, as one that is divided among nodes.
    pub(crate) fn dividing<'s>(
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
    pub(crate) fn tunnel_mtu(&self, records: &Records<'_>) -> Result<Option<u32>, CniError> {
        if self.settings.routing != Routing::Vxlan {
            return Ok(None);
        }
        ways::tunnel_mtu(self.call.config.name.as_str(), &self.settings, records)
    }

    /// Sees to the ways to other nodes, as far as an ADD does.
    pub(crate) fn open_ways(
        &self,
        host: &mut Socket<netlink::Route>,
        allotment: &Allotment,
        records: &Records<'_>,
    ) -> Result<(), CniError> {
        let AddressSource::Policy(choice) = &self.source else { return Ok(()) };
        if self.settings.routing == Routing::None {
            return Ok(());
        }
        let bridge = BridgeConfig::bridge_name(&self.call.config.object);
        reach::ensure_bridge_answers(host, &bridge, &allotment.prefixes)?;
        if !allotment.asked_store || reach::is_kept(&self.settings.data_dir) {
            return Ok(());
        }
        let policy = self.load(choice)?;
        self.dividing(&policy, records, &bridge).refresh_ways(host);
        Ok(())
    }

    /// Lets another plugin give addresses.
    pub(crate) fn delegate(&self, plugin: &str) -> Result<Allotment, CniError> {
        let answer = self.call.delegate(plugin).add()?;
        let result = CniResult::read(plugin, &answer, self.call.config.version()?)?;
        if result.ips.is_empty() {
            return Err(DelegateError::NoAddress { plugin: plugin.to_owned() }.into());
        }
        let prefixes = result.ips.iter().map(|ip| ip.address.trunc()).collect();
        Ok(Allotment { ips: result.ips, routes: result.routes, dns: result.dns, prefixes, ..Allotment::default() })
    }

    /// Lets another plugin take back what it gave.
    pub(crate) fn take_back(&self, plugin: &str) -> Result<(), CniError> {
        Ok(self.call.delegate(plugin).pass_on("DEL")?)
    }

    /// Forgets attachments and tells the policy, if it wants to know and can be had.
    pub(crate) fn forget<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k AttachmentKey>,
        end: &End,
        records: &Records<'_>,
    ) -> Result<(), CniError> {
        let policy = match &self.source {
            AddressSource::Policy(choice) => self.policies.load_for_release(choice).unwrap_or_else(|error| {
                journal::warn(format!("the policy is not told that the attachment has ended: {error}"));
                None
            }),
            AddressSource::None | AddressSource::Delegate(_) => None,
        };
        let context = self.context();
        let told = policy.as_ref().map(|policy| (policy, &self.settings, &context));
        let errors = keys.into_iter().filter_map(|key| records.forget(key, end, told).err().map(CniError::from));
        CniError::join(errors).map_or(Ok(()), Err)
    }

    /// What the policy is asked.
    pub(crate) fn request(
        &self,
        asking: &Asking<'_>,
        wishes: Wishes,
        records: &Records<'_>,
    ) -> Result<Request, CniError> {
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

    fn resolv_conf(&self) -> Result<Option<Dns>, CniError> {
        let Some(ipam) = &self.call.config.ipam else { return Ok(None) };
        let Some(path) = resolv_conf::path(&ipam.object)? else { return Ok(None) };
        Ok(Some(resolv_conf::read(&path)?))
    }
}

/// What a policy granted that divides nothing, as CNI has it.
pub(crate) fn undivided(policy: &Policy, granted: ipam::Granted) -> Allotment {
    let allotment = Allotment::of(granted);
    if policy.name() == DROP_IN { allotment.of_one_network() } else { allotment }
}

/// To ignore `cluster` would hand out addresses that other nodes hand out too.
pub(crate) fn require_dividing(policy: &Policy, settings: &Settings) -> Result<(), SettingsError> {
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
pub(crate) fn policy_object(ipam: &Ipam, wishes: &Wishes) -> Map<String, Value> {
    let mut object = ipam.object.clone();
    object.retain(|key, _| !key.eq_ignore_ascii_case("ipRanges"));
    if let Some(ranges) = &wishes.ip_ranges {
        object.insert("ipRanges".to_owned(), ranges.clone());
    }
    object
}

/// Takes keys at fault out until the rest can be read.
fn tolerant_settings(ipam: &Map<String, Value>) -> Result<Settings, CniError> {
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
        journal::warn(fault);
    }
}

fn seed() -> Result<u64, CniError> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes, GetRandomFlags::empty())
        .map_err(|errno| CniError::new(Code::IO, format!("cannot draw a random number for the policy: {errno}")))?;
    Ok(u64::from_ne_bytes(bytes))
}

fn engine_dns(dns: Dns) -> attachment::Dns {
    let Dns { nameservers, domain, search, options } = dns;
    attachment::Dns { nameservers, domain: (!domain.is_empty()).then_some(domain), search, options }
}
