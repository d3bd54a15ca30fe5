//! The configuration and the request that the command line describes.

use std::net::IpAddr;
use std::path::Path;

use gingham_engine::attachment::{Fact, Labels, Request, Requester};
use gingham_untrusted::file::{LARGEST_CONFIGURATION, read_text};
use gingham_workbench::{Scenario, cases};
use serde_json::{Map, Value};

use super::CallError;
use crate::cli::{AbsentFact, CallArguments, RequesterKind};
use crate::network::keys::get;
use crate::network::{Configuration, Plugins, find_plugin};

/// The network's name, and the object under `ipam`. A file without plugins is that object.
pub(super) fn ipam(path: &Path) -> Result<(Option<String>, Value), CallError> {
    let (shown, bytes) = Configuration::bytes(path)?;
    if let Some(object) = bare(&bytes) {
        return Ok((None, object));
    }
    let configuration = Configuration::parse(&shown, &bytes)?;
    let plugin = find_plugin(&configuration, &Plugins::of_environment(), true);
    let ipam = plugin.and_then(|(_, plugin)| get(&plugin.object, "ipam")).filter(|ipam| ipam.is_object());
    let ipam = ipam.cloned().ok_or(CallError::NoIpam { path: shown })?;
    Ok((Some(configuration.name), ipam))
}

/// The object under `ipam`, if nothing in the file is of a network's configuration.
fn bare(bytes: &[u8]) -> Option<Value> {
    let object: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    let of_network = ["cniVersion", "plugins", "ipam"].iter().any(|key| get(&object, key).is_some());
    (!of_network).then_some(Value::Object(object))
}

/// Node, labels, and what is leased before.
pub(super) fn prepare(scenario: &mut Scenario, arguments: &CallArguments) -> Result<(), CallError> {
    arguments.node.node.iter().for_each(|name| scenario.set_node(name));
    scenario.set_node_labels(arguments.node.labels());
    let Some(path) = &arguments.leases else { return Ok(()) };
    let text =
        read_text(path, LARGEST_CONFIGURATION).map_err(|source| CallError::Read { path: path.clone(), source })?;
    let file = cases::read_situations(&text).map_err(|source| CallError::Cases { path: path.clone(), source })?;
    file.cases.iter().take(1).try_for_each(|case| cases::record(scenario, case.get_ref()))?;
    Ok(())
}

pub(super) fn request(scenario: &mut Scenario, arguments: &CallArguments) -> Request {
    let mut request = scenario.request(&arguments.container);
    arguments.ifname.clone_into(&mut request.key.interface);
    request.cni_args.clone_from(&arguments.args);
    request.args_labels = arguments.args_labels.iter().cloned().collect();
    request.requested = arguments.ip.iter().map(IpAddr::to_canonical).collect();
    request.mac = arguments.mac.map(|mac| mac.0);
    request.seed = arguments.seed.unwrap_or(request.seed);
    if let Some(pod) = &arguments.pod {
        cases::set_pod(&mut request, &pod.namespace, &pod.name);
    }
    if let Some(uid) = &arguments.pod_uid {
        cases::set_pod_uid(&mut request, uid);
    }
    request.requester = arguments.requester.map_or(request.requester, requester);
    set_facts(&mut request, arguments);
    request
}

fn set_facts(request: &mut Request, arguments: &CallArguments) {
    let facts = &mut request.facts;
    facts.labels = labels(&arguments.labels);
    facts.annotations = labels(&arguments.annotations);
    facts.namespace_labels = labels(&arguments.namespace_labels);
    facts.namespace_annotations = labels(&arguments.namespace_annotations);
    if arguments.absent.contains(&AbsentFact::Owner) {
        facts.owner = Fact::Absent;
    }
    if arguments.absent.contains(&AbsentFact::ServiceAccount) {
        facts.service_account = Fact::Absent;
    }
    if let Some(owner) = &arguments.owner {
        facts.owner = Fact::Known(owner.0.clone());
    }
    if let Some(name) = &arguments.service_account {
        facts.service_account = Fact::Known(name.clone());
    }
}

/// Without one they are unknown.
fn labels(pairs: &[(String, String)]) -> Option<Labels> {
    (!pairs.is_empty()).then(|| pairs.iter().cloned().collect())
}

fn requester(kind: RequesterKind) -> Requester {
    match kind {
        RequesterKind::Pod => Requester::Pod,
        RequesterKind::Container => Requester::Container,
        RequesterKind::Node => Requester::Node,
        RequesterKind::Script => Requester::Script,
    }
}
