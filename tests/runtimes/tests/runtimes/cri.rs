//! What a kubelet says to containerd: gRPC calls over its socket.

mod messages;

use std::collections::BTreeMap;
use std::time::Duration;

use gingham_tests::node::Container;
use http::uri::PathAndQuery;
use prost::Message;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::containerd::SOCKET;
use crate::program::until;
use crate::{connections, host};
use messages::{
    Config, Empty, LinuxConfig, List, Listed, Metadata, Port, Run, RuntimeStatus, RuntimeStatusRequest, Sandbox,
    SandboxState, SandboxStatusAnswer, SandboxStatusRequest,
};

/// Longer than any call takes on a loaded machine, 50 at once included.
const PATIENCE: Duration = Duration::from_mins(2);

/// A kubelet, as far as containerd can tell.
pub(crate) struct Kubelet {
    runtime: Runtime,
    channel: Channel,
}

/// A pod that is to run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Ports of the node and of the pod.
    pub(crate) ports: Vec<(u16, u16)>,
}

/// A pod's sandbox that runs.
pub(crate) struct Running {
    /// The address that containerd tells the kubelet.
    pub(crate) address: String,
    /// Its network namespace.
    pub(crate) container: Container,
}

impl Pod {
    /// A pod of a namespace.
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned(), ..Self::default() }
    }

    fn config(&self) -> Config {
        let uid = format!("uid-of-{}", self.name);
        let metadata = Metadata { name: self.name.clone(), uid, namespace: self.namespace.clone(), attempt: 0 };
        let port = |&(host, container): &(u16, u16)| Port {
            protocol: 0,
            container: container.into(),
            host: host.into(),
            address: String::new(),
        };
        Config {
            metadata: Some(metadata),
            hostname: self.name.clone(),
            ports: self.ports.iter().map(port).collect(),
            annotations: self.annotations.clone(),
            linux: Some(LinuxConfig { cgroup_parent: format!("/{}", host::cgroup()) }),
        }
    }
}

impl Kubelet {
    /// Connects to the node's containerd.
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let endpoint = Endpoint::from_shared(format!("unix://{SOCKET}")).unwrap().timeout(PATIENCE);
        let channel = runtime.block_on(async { endpoint.connect_lazy() });
        let kubelet = Self { runtime, channel };
        // containerd serves `ctr` before it has read what it knows of sandboxes.
        until("the CRI service is ready", || kubelet.call::<_, Listed>("ListPodSandbox", List {}).ok().map(drop));
        kubelet
    }

    /// Waits until containerd has read the node's networks anew, and goes by a plugin of that type.
    pub(crate) fn wait_for_plugin(&self, kind: &str) {
        let kind = format!("\\\"type\\\":\\\"{kind}\\\"");
        until("containerd sees the new configuration", || {
            let answer: RuntimeStatus = self.call("Status", RuntimeStatusRequest { verbose: true }).unwrap();
            answer.info["cniconfig"].contains(&kind).then_some(())
        });
    }

    /// `RunPodSandbox`.
    pub(crate) fn run(&self, pod: &Pod) -> Result<String, Status> {
        self.run_at_once(std::slice::from_ref(pod)).pop().unwrap()
    }

    /// `RunPodSandbox` for all of them at the same time; the answers come in their order.
    pub(crate) fn run_at_once(&self, pods: &[Pod]) -> Vec<Result<String, Status>> {
        let calls = pods.iter().map(|pod| Run { config: Some(pod.config()), handler: String::new() });
        self.at_once("RunPodSandbox", calls)
            .into_iter()
            .map(|answer| answer.map(|sandbox: Sandbox| sandbox.id))
            .collect()
    }

    /// `StopPodSandbox` for all of them at the same time.
    pub(crate) fn stop_at_once(&self, sandboxes: &[String]) -> Vec<Result<(), Status>> {
        let calls = sandboxes.iter().map(|id| Sandbox { id: id.clone() });
        self.at_once("StopPodSandbox", calls).into_iter().map(|answer| answer.map(|Empty {}| ())).collect()
    }

    /// `StopPodSandbox` and `RemovePodSandbox`, as a kubelet takes a pod away.
    pub(crate) fn take_away(&self, sandboxes: &[String]) {
        for stopped in self.stop_at_once(sandboxes) {
            stopped.unwrap();
        }
        let calls = sandboxes.iter().map(|id| Sandbox { id: id.clone() });
        for removed in self.at_once::<_, Empty>("RemovePodSandbox", calls) {
            removed.unwrap();
        }
    }

    /// `ListPodSandbox`: the sandboxes that are ready, or those that are not.
    pub(crate) fn sandboxes(&self, ready: bool) -> Vec<String> {
        let listed: Listed = self.call("ListPodSandbox", List {}).unwrap();
        let is_wanted = |sandbox: &SandboxState| (sandbox.state == messages::READY) == ready;
        listed.items.into_iter().filter(is_wanted).map(|sandbox| sandbox.id).collect()
    }

    /// `PodSandboxStatus` of a sandbox that is ready.
    pub(crate) fn running(&self, id: &str) -> Running {
        let call = SandboxStatusRequest { id: id.to_owned(), verbose: true };
        let answer: SandboxStatusAnswer = self.call("PodSandboxStatus", call).unwrap();
        let status = answer.status.unwrap();
        assert_eq!(status.state, messages::READY, "{id}");
        let info: serde_json::Value = serde_json::from_str(&answer.info["info"]).unwrap();
        Running {
            address: status.network.unwrap().address,
            container: connections::of_process(id, info["pid"].as_u64().unwrap()),
        }
    }

    fn call<Q, A>(&self, method: &'static str, call: Q) -> Result<A, Status>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        self.runtime.block_on(unary(self.channel.clone(), method, call))
    }

    /// Calls at the same time; the answers come in the order of the calls.
    fn at_once<Q, A>(&self, method: &'static str, calls: impl IntoIterator<Item = Q>) -> Vec<Result<A, Status>>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        self.runtime.block_on(async {
            let mut under_way = JoinSet::new();
            for (index, call) in calls.into_iter().enumerate() {
                let channel = self.channel.clone();
                under_way.spawn(async move { (index, unary(channel, method, call).await) });
            }
            let mut answers = under_way.join_all().await;
            answers.sort_by_key(|(index, _)| *index);
            answers.into_iter().map(|(_, answer)| answer).collect()
        })
    }
}

async fn unary<Q, A>(channel: Channel, method: &str, call: Q) -> Result<A, Status>
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
{
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::try_from(format!("/runtime.v1.RuntimeService/{method}")).unwrap();
    Ok(client.unary(Request::new(call), path, ProstCodec::default()).await?.into_inner())
}
