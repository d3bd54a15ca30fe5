//! Interface `request`: what the runtime requests.

use wasmtime::component::Resource;

use super::bindings::gingham::ipam::addresses::{Dns, IpAddress};
use super::bindings::gingham::ipam::context::Fact as WitFact;
use super::bindings::gingham::ipam::request as wit;
use super::context::{fact, label, pairs};
use super::convert;
use crate::attachment::{AwaitedFacts, Fact, Owner, Request, Requester};
use crate::runtime::state::HostState;
use crate::runtime::view::ViewError;
use crate::runtime::weight::Weight;

type Pairs = Vec<(String, String)>;

/// What of the pod the runtime named: no runtime names a pod where there is none.
fn of_pod(request: &Request, value: Option<&String>) -> WitFact {
    match value {
        Some(value) => WitFact::Known(value.clone()),
        None if request.requester.has_no_pod() => WitFact::Absent,
        None => WitFact::Unknown,
    }
}

impl HostState {
    /// Stops the policy if what it reads may be known soon.
    fn require(&self, request: &Resource<Request>, fact: AwaitedFacts) -> wasmtime::Result<()> {
        let fact = self.table.get(request)?.awaited.and(fact);
        if fact.any() { Err(ViewError::FactAwaited { fact }.into()) } else { Ok(()) }
    }
}

impl wit::Host for HostState {}

impl wit::HostOwner for HostState {
    fn kind(&mut self, owner: Resource<Owner>) -> wasmtime::Result<String> {
        self.getter(&owner, |owner| owner.kind.clone())
    }

    fn name(&mut self, owner: Resource<Owner>) -> wasmtime::Result<String> {
        self.getter(&owner, |owner| owner.name.clone())
    }

    fn uid(&mut self, owner: Resource<Owner>) -> wasmtime::Result<String> {
        self.getter(&owner, |owner| owner.uid.clone())
    }

    fn drop(&mut self, owner: Resource<Owner>) -> wasmtime::Result<()> {
        self.table.delete(owner)?;
        Ok(())
    }
}

impl wit::HostRequest for HostState {
    fn requester(&mut self, request: Resource<Request>) -> wasmtime::Result<wit::Requester> {
        self.charge()?;
        Ok(match self.table.get(&request)?.requester {
            Requester::Pod => wit::Requester::Pod,
            Requester::Container => wit::Requester::Container,
            Requester::Node => wit::Requester::Node,
            Requester::Script => wit::Requester::Script,
        })
    }

    fn container_id(&mut self, request: Resource<Request>) -> wasmtime::Result<String> {
        self.getter(&request, |request| request.key.container_id.clone())
    }

    fn interface_name(&mut self, request: Resource<Request>) -> wasmtime::Result<String> {
        self.getter(&request, |request| request.key.interface.clone())
    }

    fn pod_namespace(&mut self, request: Resource<Request>) -> wasmtime::Result<WitFact> {
        self.getter(&request, |request| of_pod(request, request.pod.namespace.as_ref()))
    }

    fn pod_name(&mut self, request: Resource<Request>) -> wasmtime::Result<WitFact> {
        self.getter(&request, |request| of_pod(request, request.pod.name.as_ref()))
    }

    fn pod_uid(&mut self, request: Resource<Request>) -> wasmtime::Result<WitFact> {
        self.getter(&request, |request| of_pod(request, request.pod.uid.as_ref()))
    }

    fn service_account(&mut self, request: Resource<Request>) -> wasmtime::Result<WitFact> {
        self.require(&request, AwaitedFacts::POD)?;
        self.getter(&request, |request| fact(request.facts.service_account.clone()))
    }

    fn owner(&mut self, request: Resource<Request>) -> wasmtime::Result<wit::OwnerFact> {
        self.require(&request, AwaitedFacts::POD)?;
        match self.table.get(&request)?.facts.owner.clone() {
            Fact::Known(owner) => {
                // The policy may keep it.
                self.charge_for(owner.kind.len() + owner.name.len() + owner.uid.len())?;
                Ok(wit::OwnerFact::Known(self.table.push(owner)?))
            }
            Fact::Absent => self.charge().map(|()| wit::OwnerFact::Absent).map_err(Into::into),
            Fact::Unknown => self.charge().map(|()| wit::OwnerFact::Unknown).map_err(Into::into),
        }
    }

    fn pod_label(&mut self, request: Resource<Request>, key: String) -> wasmtime::Result<WitFact> {
        self.require(&request, AwaitedFacts::POD)?;
        self.charge_for(key.len())?;
        self.getter(&request, |request| label(request.facts.labels.as_ref(), &key))
    }

    fn pod_labels(&mut self, request: Resource<Request>) -> wasmtime::Result<Option<Pairs>> {
        self.require(&request, AwaitedFacts::POD)?;
        self.getter(&request, |request| pairs(request.facts.labels.as_ref()))
    }

    fn pod_annotation(&mut self, request: Resource<Request>, key: String) -> wasmtime::Result<WitFact> {
        self.require(&request, AwaitedFacts::ANNOTATIONS)?;
        self.charge_for(key.len())?;
        self.getter(&request, |request| label(request.facts.annotations.as_ref(), &key))
    }

    fn pod_annotations(&mut self, request: Resource<Request>) -> wasmtime::Result<Option<Pairs>> {
        self.require(&request, AwaitedFacts::ANNOTATIONS)?;
        self.getter(&request, |request| pairs(request.facts.annotations.as_ref()))
    }

    fn namespace_label(&mut self, request: Resource<Request>, key: String) -> wasmtime::Result<WitFact> {
        self.require(&request, AwaitedFacts::NAMESPACE)?;
        self.charge_for(key.len())?;
        self.getter(&request, |request| label(request.facts.namespace_labels.as_ref(), &key))
    }

    fn namespace_labels(&mut self, request: Resource<Request>) -> wasmtime::Result<Option<Pairs>> {
        self.require(&request, AwaitedFacts::NAMESPACE)?;
        self.getter(&request, |request| pairs(request.facts.namespace_labels.as_ref()))
    }

    fn namespace_annotation(&mut self, request: Resource<Request>, key: String) -> wasmtime::Result<WitFact> {
        self.require(&request, AwaitedFacts::NAMESPACE)?;
        self.charge_for(key.len())?;
        self.getter(&request, |request| label(request.facts.namespace_annotations.as_ref(), &key))
    }

    fn namespace_annotations(&mut self, request: Resource<Request>) -> wasmtime::Result<Option<Pairs>> {
        self.require(&request, AwaitedFacts::NAMESPACE)?;
        self.getter(&request, |request| pairs(request.facts.namespace_annotations.as_ref()))
    }

    fn cni_arg(&mut self, request: Resource<Request>, key: String) -> wasmtime::Result<Option<String>> {
        // Each argument that is compared counts as a byte.
        let compared = self.table.get(&request)?.cni_args.len();
        self.charge_for(key.len() + compared)?;
        self.getter(&request, |request| {
            let mut arguments = request.cni_args.iter();
            arguments.find(|(name, _)| *name == key).map(|(_, value)| value.clone())
        })
    }

    fn cni_args(&mut self, request: Resource<Request>) -> wasmtime::Result<Pairs> {
        self.getter(&request, |request| request.cni_args.clone())
    }

    fn args_label(&mut self, request: Resource<Request>, key: String) -> wasmtime::Result<Option<String>> {
        self.charge_for(key.len())?;
        self.getter(&request, |request| request.args_labels.get(&key).cloned())
    }

    fn args_labels(&mut self, request: Resource<Request>) -> wasmtime::Result<Pairs> {
        self.getter(&request, |request| pairs(Some(&request.args_labels)).unwrap_or_default())
    }

    fn requested_addresses(&mut self, request: Resource<Request>) -> wasmtime::Result<Vec<IpAddress>> {
        self.getter(&request, |request| request.requested.iter().copied().map(convert::address_out).collect::<Vec<_>>())
    }

    fn mac(&mut self, request: Resource<Request>) -> wasmtime::Result<Option<(u8, u8, u8, u8, u8, u8)>> {
        self.getter(&request, |request| request.mac.map(|[a, b, c, d, e, f]| (a, b, c, d, e, f)))
    }

    fn resolv_conf(&mut self, request: Resource<Request>) -> wasmtime::Result<Option<Dns>> {
        self.getter(&request, |request| request.resolv_conf.as_ref().map(convert::dns_out))
    }

    fn now(&mut self, request: Resource<Request>) -> wasmtime::Result<u64> {
        self.getter(&request, |request| request.now)
    }

    fn seed(&mut self, request: Resource<Request>) -> wasmtime::Result<u64> {
        self.getter(&request, |request| request.seed)
    }

    fn drop(&mut self, request: Resource<Request>) -> wasmtime::Result<()> {
        self.table.delete(request)?;
        Ok(())
    }
}

impl Weight for WitFact {
    fn bytes(&self) -> usize {
        match self {
            Self::Known(value) => value.len(),
            Self::Absent | Self::Unknown => 0,
        }
    }
}
