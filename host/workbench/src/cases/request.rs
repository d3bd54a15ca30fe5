//! The request that an `add` step stands for.

use std::net::IpAddr;

use gingham_engine::attachment::{Dns, Fact, Request, Requester};

use super::step::{ResolvConf, Step};
use super::values::requester;
use crate::scenario::Scenario;

/// A name in which `{n}` stands for the number of the repetition, where there are several.
pub(super) fn numbered(name: &str, step: &Step, number: u32) -> String {
    if step.times.is_some() { name.replace("{n}", &number.to_string()) } else { name.to_owned() }
}

/// The next request of a scenario.
pub(crate) fn request_of(scenario: &mut Scenario, step: &Step, number: u32) -> Request {
    let container = numbered(step.add.as_deref().unwrap_or_default(), step, number);
    let mut request = scenario.request(&container);
    step.interface.iter().for_each(|name| name.clone_into(&mut request.key.interface));
    request.cni_args = step.args.iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    if let Some(pod) = &step.pod {
        let [namespace, name] = [&pod.namespace, &pod.name].map(|part| numbered(part, step, number));
        set_pod(&mut request, &namespace, &name);
    }
    step.pod_uid.iter().for_each(|uid| set_pod_uid(&mut request, uid));
    set_facts(&mut request, step);
    request.args_labels = step.args_labels.clone().unwrap_or_default();
    // As the plugin reads them: an IPv4 address in IPv6 clothes is that IPv4 address.
    request.requested = step.ip.iter().flat_map(|ip| &ip.0).map(IpAddr::to_canonical).collect();
    request.mac = step.mac.map(|mac| mac.0);
    request.resolv_conf = step.resolv_conf.as_ref().map(dns);
    request.seed = step.seed.unwrap_or(request.seed);
    if let Some(requester) = step.requester.as_deref().and_then(requester) {
        request.requester = requester;
    }
    request
}

/// The pod, as Kubernetes' runtimes pass it: among the arguments as well.
pub fn set_pod(request: &mut Request, namespace: &str, name: &str) {
    request.cni_args.push(("K8S_POD_NAMESPACE".to_owned(), namespace.to_owned()));
    request.cni_args.push(("K8S_POD_NAME".to_owned(), name.to_owned()));
    request.pod.namespace = Some(namespace.to_owned());
    request.pod.name = Some(name.to_owned());
    request.requester = Requester::Pod;
}

/// The same of its uid.
pub fn set_pod_uid(request: &mut Request, uid: &str) {
    request.cni_args.push(("K8S_POD_UID".to_owned(), uid.to_owned()));
    request.pod.uid = Some(uid.to_owned());
}

fn set_facts(request: &mut Request, step: &Step) {
    let facts = &mut request.facts;
    let is_absent = |fact: &str| step.absent.iter().flat_map(|absent| &absent.0).any(|absent| absent == fact);
    if let Some(name) = &step.service_account {
        facts.service_account = Fact::Known(name.clone());
    } else if is_absent("service-account") {
        facts.service_account = Fact::Absent;
    }
    if let Some(owner) = &step.owner {
        facts.owner = Fact::Known(owner.0.clone());
    } else if is_absent("owner") {
        facts.owner = Fact::Absent;
    }
    facts.labels.clone_from(&step.labels);
    facts.annotations.clone_from(&step.annotations);
    facts.namespace_labels.clone_from(&step.namespace_labels);
    facts.namespace_annotations.clone_from(&step.namespace_annotations);
}

fn dns(resolv_conf: &ResolvConf) -> Dns {
    let ResolvConf { nameservers, domain, search, options } = resolv_conf.clone();
    Dns { nameservers, domain, search, options }
}
