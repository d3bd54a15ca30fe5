//! What happens on a node: pods join and leave, and the cluster is asked.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use gingham_engine::library::LIBRARY_DIR;
use gingham_network::error::NetworkError;
use gingham_network::network::Network;
use gingham_testbed::TestbedError;

use super::nodes::TrialNode;
use super::store::Store;
use crate::cli::KubernetesArguments;
use crate::membership::{CommandError, Session};
use crate::trial::answer::{Answer, AnswerError};
use crate::trial::config::TrialConfig;
use crate::trial::container::Container;
use crate::trial::plugin::{Answered, Plugin, PluginError, Verb};

/// What all steps need.
pub(super) struct Trial<'a> {
    pub(super) config: &'a TrialConfig,
    pub(super) plugin: &'a Plugin,
    /// `gingham-node`, if it is there.
    pub(super) agent: Option<&'a Path>,
    pub(super) pod_namespace: &'a str,
    pub(super) store: &'a Store,
}

/// What went wrong on a node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeError {
    #[error(transparent)]
    Testbed(#[from] TestbedError),
    #[error("{node}: {source}")]
    Plugin { node: String, source: PluginError },
    #[error("{node}: ADD of {pod}: {source}")]
    Answer { node: String, pod: &'static str, source: AnswerError },
    #[error("{node}: ADD of {pod} answered without an address")]
    NoAddress { node: String, pod: &'static str },
    #[error("{node}: {source}")]
    Network { node: String, source: NetworkError },
    #[error("{node}: {source}")]
    Cluster { node: String, source: CommandError },
}

/// A pod that has joined.
pub(super) struct Pod {
    pub(super) container: Container,
    /// Its first address.
    pub(super) address: IpAddr,
    /// All of them, for people.
    pub(super) addresses: String,
    pub(super) logged: Vec<String>,
    pub(super) took: Duration,
}

impl Trial<'_> {
    /// What the plugin reads on this node.
    pub(super) fn input(&self, node: &TrialNode) -> String {
        self.config.input_with_cluster(self.store.cluster(&node.name, node.address))
    }

    /// Lets a pod join.
    pub(super) fn add(&self, node: &TrialNode, id: &'static str) -> Result<Pod, NodeError> {
        let name = || node.name.clone();
        let (container, answered) = node.on(|| -> Result<_, NodeError> {
            let container = Container::create(id)?;
            let answered = self.call(node, Verb::Add, &container)?;
            Ok((container, answered))
        })??;
        let answer =
            Answer::read(answered.said).map_err(|source| NodeError::Answer { node: name(), pod: id, source })?;
        let address = answer.ips.first().ok_or_else(|| NodeError::NoAddress { node: name(), pod: id })?.address.addr();
        let addresses = answer.addresses();
        Ok(Pod { container, address, addresses, logged: answered.logged, took: answered.took })
    }

    /// Lets a pod leave.
    pub(super) fn del(&self, node: &TrialNode, pod: &Pod) -> Result<Duration, NodeError> {
        Ok(node.on(|| self.call(node, Verb::Del, &pod.container))??.took)
    }

    fn call(&self, node: &TrialNode, verb: Verb, container: &Container) -> Result<Answered, NodeError> {
        let id = container.id;
        let arguments = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={id};K8S_POD_INFRA_CONTAINER_ID={id}",
            self.pod_namespace
        );
        let called = self.plugin.call(verb, container, &arguments, &self.input(node));
        called.map_err(|source| NodeError::Plugin { node: node.name.clone(), source })
    }

    /// Does on a node what `ginghamctl cluster` does.
    pub(super) fn administer<T: Send>(
        &self,
        node: &TrialNode,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, CommandError> + Send,
    ) -> Result<T, NodeError> {
        let name = || node.name.clone();
        let input = self.input(node);
        node.on(|| {
            let network = Network::read(&self.config.kind, Path::new(LIBRARY_DIR), input.as_bytes())
                .map_err(|source| NodeError::Network { node: name(), source })?;
            Session::in_network(&network, &KubernetesArguments::default(), work)
                .map_err(|source| NodeError::Cluster { node: name(), source })
        })?
    }
}
