//! `kubectl gingham explain`: why a pod has its address, from the node that chose it.

use serde_json::Value;

use super::agents::Agents;
use super::client::Kubectl;
use super::error::KubectlError;
use super::objects::{Objects, Pod};
use crate::cli::{KubectlExplainArguments, View};
use crate::output::Output;

pub(super) fn run(
    kubectl: &Kubectl,
    arguments: &KubectlExplainArguments,
    out: &mut Output,
) -> Result<(), KubectlError> {
    let pod = pod(kubectl, &arguments.pod)?;
    let wrong = |reason| KubectlError::Pod { namespace: pod.namespace.clone(), pod: pod.name.clone(), reason };
    if pod.in_node_network {
        return Err(wrong("is in the network of its node (hostNetwork) and has no address of its own"));
    }
    if pod.node.is_empty() {
        return Err(wrong("is on no node yet: kubectl describe pod shows why"));
    }
    let objects = Objects::read(kubectl)?;
    let network = match pod.addresses().iter().find_map(|address| objects.holding(*address)) {
        Some(block) if arguments.network.is_none() => block.network.clone(),
        _ => objects.network(arguments.network.as_deref())?.name.clone(),
    };
    let subject = format!("{}/{}", pod.namespace, pod.name);
    let agents = Agents::list(kubectl)?;
    if arguments.output == Some(View::Json) {
        let explained: Value = agents.json(&pod.node, &["explain", &network, &subject, "--json"])?;
        return Ok(out.json(&explained)?);
    }
    let explained = agents.run(&pod.node, &["explain", &network, &subject])?;
    Ok(out.lines(&explained)?)
}

/// `POD`, or `NAMESPACE/POD`.
fn pod(kubectl: &Kubectl, named: &str) -> Result<Pod, KubectlError> {
    let (namespace, name) = match named.split_once('/') {
        Some((namespace, name)) => (vec![format!("--namespace={namespace}")], name),
        None => (kubectl.namespace(), named),
    };
    let which: Vec<&str> = ["pod", name].into_iter().chain(namespace.iter().map(String::as_str)).collect();
    Ok(Pod::of(&kubectl.get::<Value>(&which)?))
}
