//! Where a network's addresses come from, and the host's settings about them: read once for a call.

use std::cell::{Cell, OnceCell};

use gingham_cni::args::Arguments;
use gingham_cni::config::Ipam;
use gingham_engine::attachment::{AwaitedFacts, Context, Labels, Pod, PodFacts};
use gingham_engine::history::{RecordedPolicy, RefusedKind};
use gingham_engine::ipam::ShadowPolicy;
use gingham_engine::runtime::{FactImports, Policy};
use gingham_engine::settings::{Settings, SettingsError, ShadowSettings};
use serde_json::{Map, Value};

use crate::adoption::ReferenceLeases;
use crate::call::Call;
use crate::delegate::DelegateError;
use crate::error::NetworkError;
use crate::facts::{self, Wait};
use crate::history::Recorder;
use crate::log;
use crate::plan::{self, AddressSource, PolicyChoice};
use crate::records::Records;
use crate::runtime_request::RuntimeRequest;

/// A network's source of addresses.
pub struct AddressManagement<'a> {
    pub call: &'a Call,
    pub source: AddressSource,
    /// The host's keys of `ipam`; defaults where they are another plugin's business.
    pub settings: Settings,
    /// Empty for DEL and GC.
    pub request: RuntimeRequest,
    policy: OnceCell<Policy>,
    shadow: OnceCell<ShadowPolicy>,
    /// Read once: every call of a policy in this process gets the same.
    node_labels: OnceCell<Option<Labels>>,
    /// What the policy refused last.
    pub(crate) last_refusal: Cell<Option<RefusedKind>>,
}

impl<'a> AddressManagement<'a> {
    fn new(call: &'a Call, source: AddressSource, settings: Settings, request: RuntimeRequest) -> Self {
        Self {
            call,
            source,
            settings,
            request,
            policy: OnceCell::new(),
            shadow: OnceCell::new(),
            node_labels: OnceCell::new(),
            last_refusal: Cell::new(None),
        }
    }

    /// Of the call's configuration.
    pub fn of(call: &'a Call, arguments: Arguments) -> Result<Self, NetworkError> {
        if let Some(fault) = &call.library_fault {
            return Err(fault.clone());
        }
        let (ipam, object) = (call.config.ipam.as_ref(), &call.config.object);
        let source = plan::address_source(&call.program, ipam, |name| call.policies.contains(name))?;
        let (settings, request) = match (&source, ipam) {
            (AddressSource::Policy(_), Some(ipam)) => {
                let request = RuntimeRequest::read(object, arguments)?;
                (Settings::parse(&policy_object(ipam, request.ip_ranges.as_ref()))?, request)
            }
            _ => (Settings::parse(&Map::new())?, RuntimeRequest::read_of_link(object, arguments)?),
        };
        if let AddressSource::Delegate(plugin) = &source {
            // Before anything is recorded for it.
            call.delegate(plugin).find()?;
        }
        Ok(Self::new(call, source, settings, request))
    }

    /// The same for a verb that must work with what it gets. What is at fault is reported and counts as absent.
    pub fn of_tolerant(call: &'a Call) -> Result<Self, NetworkError> {
        call.library_fault.iter().for_each(log::warn);
        let ipam = call.config.ipam.as_ref();
        let source =
            plan::address_source(&call.program, ipam, |name| call.policies.contains(name)).unwrap_or_else(|fault| {
                log::warn(fault);
                AddressSource::None
            });
        let (settings, request) = (Settings::parse(&Map::new())?, RuntimeRequest::default());
        let mut management = Self::new(call, source, settings, request);
        management.recognise_removed_policy()?;
        if let (AddressSource::Policy(_) | AddressSource::None, Some(ipam)) = (&management.source, ipam) {
            management.settings = tolerant_settings(&ipam.object)?;
        }
        Ok(management)
    }

    /// A name that is neither a policy's nor a plugin's, in a network where nothing was ever delegated, was a policy's
    /// that was removed since. Its leases are ours to free. Nothing was ever delegated to a name that no plugin can have.
    fn recognise_removed_policy(&mut self) -> Result<(), NetworkError> {
        let AddressSource::Delegate(plugin) = &self.source else { return Ok(()) };
        match self.call.delegate(plugin).find() {
            Err(fault @ DelegateError::BadName { .. }) => {
                log::warn(fault);
                self.source = AddressSource::None;
            }
            Err(DelegateError::NotFound { .. }) if !self.records()?.has_addressless()? => {
                self.source = AddressSource::Policy(PolicyChoice { name: plugin.clone(), digest: None });
            }
            _ => {}
        }
        Ok(())
    }

    pub fn records(&self) -> Result<Records<'_>, NetworkError> {
        let network = &self.call.config.name;
        let reference = match &self.source {
            AddressSource::Policy(_) => Some(ReferenceLeases::of(network.as_str(), &self.settings)),
            AddressSource::None | AddressSource::Delegate(_) => None,
        };
        let records = Records::of(network, &self.settings.data_dir, reference)?.on_link(self.call.link());
        let recorder = self.recorder(records.boot());
        Ok(records.recorded_by(recorder))
    }

    fn recorder(&self, boot: &str) -> Option<Recorder> {
        let (AddressSource::Policy(choice), Some(ipam)) = (&self.source, &self.call.config.ipam) else { return None };
        self.settings.record?;
        let policy = RecordedPolicy { name: choice.name.clone(), digest: self.call.policies.digest(&choice.name) };
        let context = self.settings.context(self.call.config.name.as_str());
        Recorder::of(&self.settings, &context, policy, (&ipam.object, boot, &self.call.by))
    }

    /// The settings as they would be if the runtime had sent a range: one of those that are for documentation.
    pub fn settings_with_example_range(&self) -> Result<Settings, SettingsError> {
        let object = self.call.config.ipam.as_ref().map(|ipam| ipam.object.clone()).unwrap_or_default();
        let ranges = serde_json::json!([[{"subnet": "192.0.2.0/24"}]]);
        Settings::parse(&policy_object(&Ipam { plugin: String::new(), policy: None, object }, Some(&ranges)))
    }

    /// The network and the node, for a policy: the one that is loaded.
    pub fn context(&self) -> Context {
        self.context_for(self.imported_facts())
    }

    pub(crate) fn context_for(&self, imports: FactImports) -> Context {
        let node_labels = if imports.node { self.node_labels() } else { None };
        Context { node_labels, ..self.settings.context(self.call.config.name.as_str()) }
    }

    fn node_labels(&self) -> Option<Labels> {
        let look = || {
            let records = self.records().ok()?;
            let imports = FactImports { node: true, ..FactImports::default() };
            facts::learn(imports, &Pod::default(), None, &records, Wait::none()).node_labels
        };
        self.node_labels.get_or_init(look).clone()
    }

    /// What Kubernetes knows of a pod, as far as the policies that are loaded can read it, and what may be known soon.
    pub(crate) fn pod_facts(&self, pod: &Pod, records: &Records<'_>, wait: Wait) -> (PodFacts, AwaitedFacts) {
        let imports = self.imported_facts();
        let learned = facts::learn(imports, pod, self.request.pod_annotations.clone(), records, wait);
        if imports.node {
            // Not if they were read before: a policy gets the same in each call.
            let _ = self.node_labels.set(learned.node_labels);
        }
        (learned.pod, learned.awaited)
    }

    /// Of the policies that are loaded.
    pub(crate) fn imported_facts(&self) -> FactImports {
        let policy = self.policy.get().map(Policy::fact_imports).unwrap_or_default();
        let shadow = self.shadow.get().and_then(|shadow| shadow.loaded.as_ref().ok());
        policy | shadow.map(|(policy, _)| policy.fact_imports()).unwrap_or_default()
    }

    /// The policy that addresses come from, loaded once.
    pub fn policy(&self, choice: &PolicyChoice) -> Result<&Policy, NetworkError> {
        if let Some(policy) = self.policy.get() {
            return Ok(policy);
        }
        let policy = self.call.policies.load(choice)?;
        require_cluster_policy(&policy, &self.settings)?;
        Ok(self.policy.get_or_init(|| policy))
    }

    /// The policy that only answers for comparison, loaded once. That it cannot be loaded is counted as its failure.
    pub fn shadow(&self) -> Option<&ShadowPolicy> {
        let AddressSource::Policy(_) = self.source else { return None };
        let shadow = self.settings.shadow.as_ref()?;
        Some(self.shadow.get_or_init(|| self.load_shadow(shadow)))
    }

    fn load_shadow(&self, shadow: &ShadowSettings) -> ShadowPolicy {
        let found = PolicyChoice::parse(&shadow.policy).map_err(|fault| fault.to_string());
        let loaded = found.and_then(|choice| self.call.policies.load(&choice).map_err(|fault| fault.to_string()));
        let title = loaded.as_ref().map_or_else(|_| shadow.policy.clone(), Policy::title);
        let settings = Settings {
            policy_config: shadow.config.clone().unwrap_or_else(|| self.settings.policy_config.clone()),
            limits: shadow.limits,
            ..self.settings.clone()
        };
        ShadowPolicy { title, loaded: loaded.map(|policy| (policy, settings)) }
    }

    /// The shadow, if it is there and has a release hook.
    pub(crate) fn shadow_with_release_hook(&self) -> Option<&ShadowPolicy> {
        let named = &self.settings.shadow.as_ref()?.policy;
        let choice = PolicyChoice::parse(named).ok()?;
        self.call.policies.has_release(&choice.name).then(|| self.shadow()).flatten()
    }

    /// The policy, if it is there and has a release hook.
    pub(crate) fn policy_with_release_hook(&self) -> Option<Policy> {
        let AddressSource::Policy(choice) = &self.source else { return None };
        if let Some(loaded) = self.policy.get() {
            return loaded.has_release().then(|| loaded.clone());
        }
        self.call.policies.load_for_release(choice).unwrap_or_else(|error| {
            log::warn(format!("the policy's release hook is not called: {error}"));
            None
        })
    }

    /// The settings and the policy, for those that outlive the call.
    pub(crate) fn into_parts(self, choice: &PolicyChoice) -> Result<(Settings, Policy), NetworkError> {
        let policy = self.policy(choice)?.clone();
        Ok((self.settings, policy))
    }
}

/// To ignore `cluster` would hand out addresses that other nodes hand out too.
fn require_cluster_policy(policy: &Policy, settings: &Settings) -> Result<(), SettingsError> {
    if settings.cluster.is_none() || policy.is_cluster() {
        return Ok(());
    }
    let message = format!(
        "the policy {} does not divide a range among nodes; name one that does, e.g. \"weave-split\", or remove the key",
        policy.name()
    );
    Err(SettingsError { key: "cluster".to_owned(), message })
}

/// What a policy's configuration is made of: `ipam`, and the ranges the runtime sent. That key is the runtime's alone: in
/// the file it is an unknown key.
fn policy_object(ipam: &Ipam, ranges: Option<&Value>) -> Map<String, Value> {
    let mut object = ipam.object.clone();
    object.retain(|key, _| !key.eq_ignore_ascii_case("ipRanges"));
    if let Some(ranges) = ranges {
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
