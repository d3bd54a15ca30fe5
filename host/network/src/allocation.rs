//! Addresses for an attachment: what its network's source of addresses does for it.
//!
//! | source | role | ADD | DEL and GC |
//! |---|---|---|---|
//! | none | main | records the attachment: a network of layer 2 | forgets the record |
//! | policy | main or IPAM | the policy allocates, the lease is the record | calls the release hook, frees the lease |
//! | delegated plugin | main | records the attachment, then runs the plugin's ADD | runs the plugin's verb; forgets the record if that succeeds |
//!
//! In the role of an IPAM plugin the source is always a policy: `ipam.type` is then the name the plugin runs under.
//!
//! | policy | `ipam.cluster` | what ADD does |
//! |---|---|---|
//! | divides no range | absent | allocates in one transaction |
//! | divides no range | present | is refused |
//! | divides a range | absent | leases the node's own address, then allocates from the whole range |
//! | divides a range | present | the same from the blocks that this node holds; without room it claims a block ([`cluster_blocks`]) |

use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

use gingham_cni::env::Attachment;
use gingham_cni::error::Code;
use gingham_cni::result::CniResult;
use gingham_engine::attachment::{AttachmentKey, AwaitedFacts, Pod, Request, Requester};
use gingham_engine::ipam::{self, Hooks, IpamResult, Shadow};
use gingham_engine::ledger::{AttachmentRecord, Ledger as _, Masquerade};
use gingham_engine::policy_counters::RequestEnd;
use gingham_engine::runtime::{LogLine, Policy};
use gingham_engine::settings::Settings;
use gingham_engine::settings::routing::Routing;
use gingham_engine::store::Store;
use gingham_net::Mac;
use gingham_net::netlink::{Route, Socket};
use gingham_net::node_routes::{ensure_proxy_arp, is_agent_running};
use rustix::rand::{GetRandomFlags, getrandom};

use self::cluster_blocks::ClusterAllocation;
pub use self::observed::Observed;
use crate::address_management::AddressManagement;
use crate::cni_result;
use crate::delegate::DelegateError;
use crate::error::NetworkError;
use crate::facts::{FACT_TIMEOUT, Wait};
use crate::failpoint;
use crate::log;
use crate::plan::{AddressSource, PolicyChoice};
use crate::records::{End, Records, RecordsError};
use crate::resolv_conf;

pub mod cluster_blocks;
mod node_routes;
mod observed;

/// The attachment that an ADD makes.
pub struct NewAttachment<'a> {
    pub attachment: &'a Attachment,
    pub netns: &'a Path,
    /// Whether its addresses are masqueraded here.
    pub is_masqueraded: bool,
}

impl NewAttachment<'_> {
    pub fn key(&self) -> AttachmentKey {
        key_of(self.attachment)
    }

    fn masquerade(&self) -> Masquerade {
        Masquerade { wanted: self.is_masqueraded, ..Masquerade::default() }
    }
}

/// What an attachment was given, and what the host has to know about how it came about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allocation {
    pub ipam: IpamResult,
    /// Whether the gateways are this node's own leases: then no other address of their networks belongs on the bridge.
    pub own_gateways: bool,
    /// Whether a cluster's store was asked: then the routes to the other nodes may be new.
    pub asked_store: bool,
}

impl From<IpamResult> for Allocation {
    fn from(ipam: IpamResult) -> Self {
        Self { ipam, own_gateways: false, asked_store: false }
    }
}

impl Allocation {
    /// On a network that is divided among nodes. The node's own addresses, `gateways`, are the gateways where the policy
    /// names none, and a container that is to reach other nodes gets the network that this takes.
    pub(crate) fn in_cluster(mut ipam: IpamResult, gateways: &[IpAddr], settings: &Settings) -> Self {
        let mut routes = Vec::new();
        for (assigned, range) in ipam.answer.addresses.iter_mut().zip(&ipam.prefixes) {
            let own = gateways.iter().find(|own| own.is_ipv4() == assigned.address.addr().is_ipv4());
            assigned.gateway = assigned.gateway.or(own.copied());
            if let (Some(gateway), true) = (assigned.gateway, settings.routing != Routing::None) {
                let (address, needed) = node_routes::container_network(assigned.address.addr(), *range, gateway);
                // A policy may have given a smaller network of its own.
                assigned.address = if address.addr().is_ipv6() { address } else { assigned.address };
                routes.extend(needed);
            }
        }
        routes.append(&mut ipam.answer.routes);
        ipam.answer.routes = routes;
        Self { ipam, own_gateways: !gateways.is_empty(), asked_store: false }
    }
}

/// For whom a policy allocates: a runtime's container, or an owner that no runtime knows.
pub struct AddressRequest<'a> {
    pub requester: Requester,
    pub key: AttachmentKey,
    /// Empty if there is none.
    pub netns: &'a Path,
    pub pod: Pod,
    pub mac: Option<Mac>,
    /// Asked for by name.
    pub addresses: Vec<IpAddr>,
    pub masquerade: Option<Masquerade>,
}

/// How the engine names an attachment.
pub fn key_of(attachment: &Attachment) -> AttachmentKey {
    AttachmentKey {
        container_id: attachment.container.as_str().to_owned(),
        interface: attachment.interface.as_str().to_owned(),
    }
}

impl AddressManagement<'_> {
    /// Records an attachment alone: its addresses are no policy's business.
    pub fn record(&self, new: &NewAttachment<'_>, records: &Records<'_>) -> Result<(), NetworkError> {
        let record = records.fresh(new.netns, self.request.pod(), Some(new.masquerade()));
        Ok(records.attach(&new.key(), &record)?)
    }

    /// Lets the policy allocate for an ADD, and commits.
    pub fn allocate(
        &self,
        choice: &PolicyChoice,
        new: &NewAttachment<'_>,
        records: &Records<'_>,
    ) -> Result<Allocation, NetworkError> {
        let pod = self.request.pod();
        let request = AddressRequest {
            requester: Requester::of_container(&pod),
            key: new.key(),
            netns: new.netns,
            pod,
            mac: self.request.mac,
            addresses: self.request.addresses.clone(),
            masquerade: Some(new.masquerade()),
        };
        self.allocate_for(choice, &request, records)
    }

    /// What a container that does not exist yet would ask, without waiting for facts.
    pub(crate) fn question(
        &self,
        key: AttachmentKey,
        pod: &Pod,
        records: &Records<'_>,
    ) -> Result<(Request, AttachmentRecord), NetworkError> {
        let nowhere = Path::new("");
        let wanted = AddressRequest {
            requester: Requester::of_container(pod),
            key,
            netns: nowhere,
            pod: pod.clone(),
            mac: None,
            addresses: self.request.addresses.clone(),
            masquerade: None,
        };
        let request = self.policy_request(&wanted, records, None)?;
        Ok((request, records.fresh(nowhere, pod.clone(), None)))
    }

    /// The same for any requester.
    pub(crate) fn allocate_for(
        &self,
        choice: &PolicyChoice,
        wanted: &AddressRequest<'_>,
        records: &Records<'_>,
    ) -> Result<Allocation, NetworkError> {
        let policy = self.policy(choice)?;
        // Before the request: it may read more facts than the policy.
        let _ = self.shadow();
        let deadline = Instant::now() + FACT_TIMEOUT;
        let is_pod = wanted.requester == Requester::Pod;
        let mut request = self.policy_request(wanted, records, is_pod.then_some(deadline))?;
        let record = records.fresh(wanted.netns, wanted.pod.clone(), wanted.masquerade.clone());
        let (mut log, observed) = (Vec::new(), Observed::default());
        let mut earlier = Vec::new();
        let result = loop {
            let result = self.attempt(policy, &request, &record, records, (&observed, &mut log));
            let Some(fact) = observed.awaited.take() else { break result };
            request = self.with_fact(request, fact, deadline, records);
            earlier.append(&mut log);
        };
        // What a stopped policy logged it logged again. Lines about an adoption come once.
        earlier.retain(|line| !log.contains(line));
        earlier.append(&mut log);
        log::policy(policy.name(), &earlier);
        if let (Err(_), Some(end)) = (&result, observed.end.get())
            && let Err(fault) = self.count(policy, end, records)
        {
            tracing::debug!("the policy's failure is not counted: {fault}");
        }
        self.last_refusal.set(observed.refusal.borrow().as_ref().map(|refused| refused.kind));
        if let Some(recorder) = records.recorder() {
            let _ = failpoint::reach("add.unrecorded");
            recorder.request(&request, &self.context(), self.request.ip_ranges.as_ref(), &observed, &result);
        }
        result
    }

    /// One transaction, or several where blocks are claimed meanwhile. It is dropped if a policy reads an awaited fact.
    fn attempt(
        &self,
        policy: &Policy,
        request: &Request,
        record: &AttachmentRecord,
        records: &Records<'_>,
        (observed, log): (&Observed, &mut Vec<LogLine>),
    ) -> Result<Allocation, NetworkError> {
        if policy.is_cluster() {
            self.cluster_allocation(policy, records).observed_by(observed).allocate(request, record, log)
        } else {
            self.allocate_alone(policy, request, record, records, (observed, log))
        }
    }

    /// What a policy that read an awaited fact is asked next. If the fact does not come, it is unknown.
    fn with_fact(&self, request: Request, fact: AwaitedFacts, deadline: Instant, records: &Records<'_>) -> Request {
        let (facts, missing) = self.pod_facts(&request.pod, records, Wait { facts: fact, node: false, deadline });
        Request { facts, awaited: request.awaited.and(missing).without(fact), now: records.now(), ..request }
    }

    /// Counts a request that got no address, if an agent compares versions of policies. What is granted is counted with its
    /// lease.
    fn count(&self, policy: &Policy, end: RequestEnd, records: &Records<'_>) -> Result<(), RecordsError> {
        let is_read = records.reader()?.map_or(Ok(false), |store| store.feed().map(|feed| feed.events))?;
        if !is_read {
            return Ok(());
        }
        let store = Store::open(records.directory(), records.boot(), records.now())?;
        let mut ledger = store.into_ledger(self.call.config.name.as_str())?;
        ledger.count_for_policy(&policy.title(), end, records.now())?;
        Ok(ledger.commit()?)
    }

    /// On a network that is this node's alone.
    fn allocate_alone(
        &self,
        policy: &Policy,
        request: &Request,
        record: &AttachmentRecord,
        records: &Records<'_>,
        (observed, log): (&Observed, &mut Vec<LogLine>),
    ) -> Result<Allocation, NetworkError> {
        let context = self.context();
        // No lock is held while the policies check their configurations.
        let prepared = ipam::prepare(policy, &self.settings, &context, log);
        let prepared = prepared.inspect_err(|error| observed.error(error))?;
        let shadow = self.shadow().map(|shadow| Shadow::prepare(shadow, &context, log));
        let prepared = prepared.with_shadow(shadow);
        let ledger = records.write_for((policy, &self.settings, &context), log)?;
        let allocated = prepared.allocate(ledger, request, record, log);
        Ok(allocated.inspect_err(|error| observed.error(error))?.into())
    }

    /// The network, as one that is divided among nodes.
    pub fn cluster_allocation<'s>(&'s self, policy: &'s Policy, records: &'s Records<'s>) -> ClusterAllocation<'s> {
        ClusterAllocation {
            network: self.call.config.name.as_str(),
            policy,
            settings: &self.settings,
            records,
            bridge: &self.call.bridge.name,
            observed: None,
            shadow: self.shadow(),
            context: self.context(),
        }
    }

    /// The MTU of containers whose packets go to other nodes through a tunnel, in bytes.
    pub fn tunnel_mtu(&self, records: &Records<'_>) -> Result<Option<u32>, NetworkError> {
        if self.settings.routing != Routing::Vxlan {
            return Ok(None);
        }
        node_routes::tunnel_mtu(self.call.config.name.as_str(), &self.settings, records)
    }

    /// Sees to the routes to other nodes, as far as an ADD does.
    pub fn ensure_node_routes(
        &self,
        host: &mut Socket<Route>,
        allocation: &Allocation,
        records: &Records<'_>,
    ) -> Result<(), NetworkError> {
        let AddressSource::Policy(choice) = &self.source else { return Ok(()) };
        if self.settings.routing == Routing::None {
            return Ok(());
        }
        ensure_proxy_arp(host, &self.call.bridge.name, &allocation.ipam.prefixes)?;
        if allocation.asked_store && !is_agent_running(&self.settings.data_dir) {
            self.cluster_allocation(self.policy(choice)?, records).refresh_node_routes(host);
        }
        tracing::debug!(refreshed = allocation.asked_store, "routes to other nodes ready");
        Ok(())
    }

    /// Lets another plugin allocate.
    pub fn delegate(&self, plugin: &str) -> Result<Allocation, NetworkError> {
        let answer = self.call.delegate(plugin).add()?;
        let result = CniResult::read(plugin, &answer, self.call.config.version()?)?;
        if result.ips.is_empty() {
            return Err(DelegateError::NoAddress { plugin: plugin.to_owned() }.into());
        }
        Ok(cni_result::into_ipam(result).into())
    }

    /// Lets another plugin take back what it gave.
    pub fn take_back(&self, plugin: &str) -> Result<(), NetworkError> {
        Ok(self.call.delegate(plugin).pass_on("DEL")?)
    }

    /// Forgets attachments, and calls the policy's release hook if there is one.
    pub fn forget(&self, keys: &[&AttachmentKey], end: &End, records: &Records<'_>) -> Result<(), NetworkError> {
        let policy = self.policy_with_release_hook();
        let shadow = self.shadow_with_release_hook();
        let imports = policy.as_ref().map(Policy::fact_imports).unwrap_or_default();
        let of_shadow = shadow.and_then(|shadow| shadow.loaded.as_ref().ok());
        let context =
            self.context_for(imports | of_shadow.map(|(policy, _)| policy.fact_imports()).unwrap_or_default());
        let hooks = Hooks {
            policy: policy.as_ref().map(|policy| (policy, &self.settings, &context)),
            shadow: shadow.map(|shadow| (shadow, &context)),
        };
        Ok(records.forget(keys, end, hooks)?)
    }

    /// What the policy gets to see. With a deadline, the node's labels are waited for, and the pod's facts are awaited.
    pub(crate) fn policy_request(
        &self,
        wanted: &AddressRequest<'_>,
        records: &Records<'_>,
        deadline: Option<Instant>,
    ) -> Result<Request, NetworkError> {
        let runtime = &self.request;
        let wait = deadline.map(|deadline| Wait { node: true, deadline, ..Wait::none() });
        let (facts, missing) = self.pod_facts(&wanted.pod, records, wait.unwrap_or_else(Wait::none));
        let resolv_conf = self.settings.resolv_conf.as_deref().map(resolv_conf::read);
        Ok(Request {
            requester: wanted.requester,
            key: wanted.key.clone(),
            netns: wanted.netns.to_string_lossy().into_owned(),
            pod: wanted.pod.clone(),
            facts,
            awaited: if wait.is_some() { missing } else { AwaitedFacts::default() },
            cni_args: runtime.arguments.pairs.clone(),
            args_labels: runtime.args_labels.clone(),
            requested: wanted.addresses.clone(),
            mac: wanted.mac.map(Mac::octets),
            resolv_conf: resolv_conf.transpose()?.map(cni_result::engine_dns),
            now: records.now(),
            seed: seed()?,
            node_addresses: gingham_net::address::of_node()?,
        })
    }
}

fn seed() -> Result<u64, NetworkError> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes, GetRandomFlags::empty())
        .map_err(|errno| NetworkError::new(Code::IO, format!("cannot draw a random number for the policy: {errno}")))?;
    Ok(u64::from_ne_bytes(bytes))
}
