//! The messages of `runtime.v1.RuntimeService` that the tests send and read, with the fields they use. Names in Rust are
//! ours; the tags are those of the Kubernetes project's `api.proto`.

use std::collections::BTreeMap;

use prost::Message;

/// `SANDBOX_READY`.
pub(super) const READY: i32 = 0;

/// `PodSandboxMetadata`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Metadata {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) uid: String,
    #[prost(string, tag = "3")]
    pub(super) namespace: String,
    #[prost(uint32, tag = "4")]
    pub(super) attempt: u32,
}

/// `PortMapping`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Port {
    /// 0 is TCP.
    #[prost(int32, tag = "1")]
    pub(super) protocol: i32,
    #[prost(int32, tag = "2")]
    pub(super) container: i32,
    #[prost(int32, tag = "3")]
    pub(super) host: i32,
    #[prost(string, tag = "4")]
    pub(super) address: String,
}

/// `LinuxPodSandboxConfig`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct LinuxConfig {
    #[prost(string, tag = "1")]
    pub(super) cgroup_parent: String,
}

/// `PodSandboxConfig`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Config {
    #[prost(message, optional, tag = "1")]
    pub(super) metadata: Option<Metadata>,
    #[prost(string, tag = "2")]
    pub(super) hostname: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) ports: Vec<Port>,
    #[prost(btree_map = "string, string", tag = "7")]
    pub(super) annotations: BTreeMap<String, String>,
    #[prost(message, optional, tag = "8")]
    pub(super) linux: Option<LinuxConfig>,
}

/// `RunPodSandboxRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Run {
    #[prost(message, optional, tag = "1")]
    pub(super) config: Option<Config>,
    #[prost(string, tag = "2")]
    pub(super) handler: String,
}

/// `RunPodSandboxResponse`, `StopPodSandboxRequest` and `RemovePodSandboxRequest`: they look the same.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Sandbox {
    #[prost(string, tag = "1")]
    pub(super) id: String,
}

/// `StopPodSandboxResponse` and `RemovePodSandboxResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Empty {}

/// `ListPodSandboxRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct List {}

/// `ListPodSandboxResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Listed {
    #[prost(message, repeated, tag = "1")]
    pub(super) items: Vec<SandboxState>,
}

/// `PodSandbox`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SandboxState {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(int32, tag = "3")]
    pub(super) state: i32,
}

/// `PodSandboxStatusRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SandboxStatusRequest {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(bool, tag = "2")]
    pub(super) verbose: bool,
}

/// `PodSandboxStatusResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SandboxStatusAnswer {
    #[prost(message, optional, tag = "1")]
    pub(super) status: Option<SandboxStatus>,
    /// What `verbose` adds: JSON under the key "info".
    #[prost(btree_map = "string, string", tag = "2")]
    pub(super) info: BTreeMap<String, String>,
}

/// `PodSandboxStatus`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SandboxStatus {
    #[prost(int32, tag = "3")]
    pub(super) state: i32,
    #[prost(message, optional, tag = "5")]
    pub(super) network: Option<Network>,
}

/// `PodSandboxNetworkStatus`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Network {
    #[prost(string, tag = "1")]
    pub(super) address: String,
}

/// `StatusRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RuntimeStatusRequest {
    #[prost(bool, tag = "1")]
    pub(super) verbose: bool,
}

/// `StatusResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RuntimeStatus {
    /// What `verbose` adds: JSON; under "cniconfig" the networks as containerd has read them.
    #[prost(btree_map = "string, string", tag = "2")]
    pub(super) info: BTreeMap<String, String>,
}
