//! What lines of a history hold. Fields that are unknown to a reader are ignored, and new ones need a default.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::attachment::{
    Answer, AttachmentKey, AwaitedFacts, Context, Dns, Fact, Labels, Owner, Pod, PodFacts, Problem, Refusal, Request,
    Requester,
};
use crate::ipam::ShadowAnswer;
use crate::ranges::RangeSet;
use crate::runtime::Usage;

/// Who decides, by which configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Start {
    /// See [`FORMAT`](super::FORMAT).
    pub format: u32,
    /// The version of Gingham that wrote it.
    pub gingham: String,
    pub network: String,
    pub node: String,
    /// The kernel's boot id. With another one all attachments have ended, except those that nodes hold for themselves.
    pub boot: String,
    pub policy: RecordedPolicy,
    /// The `ipam` object of the configuration with all its keys, without what the runtime sent and without passwords.
    pub ipam: Map<String, Value>,
    /// Whether names, labels, annotations, arguments and hardware addresses of pods are pseudonyms.
    pub hashed_personal_data: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedPolicy {
    pub name: String,
    /// `sha256:` and 64 hexadecimal digits; none where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What a network holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Snapshot {
    pub leases: Vec<HeldAddresses>,
    pub cooling: Vec<CoolingAddress>,
    pub reservations: Vec<ReservedAddress>,
    /// The policy's keys and values.
    pub state: Vec<StateEntry>,
    /// False if something was left out: there was too much, or it is personal data of pods that no pseudonym stands for.
    pub complete: bool,
}

/// The leases of an attachment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeldAddresses {
    pub container_id: String,
    pub interface: String,
    #[serde(skip_serializing_if = "is_default")]
    pub pod: Pod,
    pub addresses: Vec<IpAddr>,
    /// Milliseconds since the epoch.
    pub since: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CoolingAddress {
    pub address: IpAddr,
    /// Milliseconds since the epoch.
    pub freed_at: u64,
    /// Who held it. Empty where an earlier version freed it.
    #[serde(default)]
    pub container_id: String,
    #[serde(default)]
    pub interface: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub pod: Pod,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedAddress {
    pub address: IpAddr,
    pub key: String,
    /// Milliseconds since the epoch.
    pub until: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateEntry {
    pub key: String,
    /// The bytes in hexadecimal digits.
    pub value: String,
}

impl StateEntry {
    pub fn new(key: String, value: &[u8]) -> Self {
        let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or('0');
        Self { key, value: value.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect() }
    }

    /// None if the text is no list of bytes.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let digits: Option<Vec<u32>> = self.value.chars().map(|digit| digit.to_digit(16)).collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
        digits.chunks(2).map(|pair| u8::try_from(pair.first()? * 16 + pair.last()?).ok()).collect()
    }
}

/// A request and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requested {
    pub request: RecordedRequest,
    /// In a cluster: the ranges of the blocks that this node held when the policy chose, "10.32.0.0-10.32.0.255".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<Vec<String>>,
    pub outcome: Outcome,
    /// What the call cost; none where the policy did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<RecordedUsage>,
    /// What the shadow policy would have answered, if the network has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowAnswer>,
}

impl Requested {
    pub fn new(request: RecordedRequest, outcome: Outcome) -> Self {
        Self { request, blocks: None, outcome, usage: None, shadow: None }
    }

    /// The blocks, as [`Prepared::restrict`](crate::ipam::Prepared::restrict) takes them. None outside of clusters.
    pub fn held_blocks(&self) -> Option<RangeSet> {
        let ranges = self.blocks.as_ref()?.iter().filter_map(|range| range.parse().ok());
        Some(RangeSet::new(ranges.collect()))
    }
}

/// Everything that a policy can see of a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordedRequest {
    pub requester: Requester,
    pub container_id: String,
    pub interface: String,
    #[serde(skip_serializing_if = "is_default")]
    pub pod: Pod,
    #[serde(skip_serializing_if = "is_default")]
    pub service_account: Fact<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub owner: Fact<Owner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Labels>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_labels: Option<Labels>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_annotations: Option<Labels>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_labels: Option<Labels>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cni_args: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub args_labels: Labels,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requested: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<[u8; 6]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolv_conf: Option<Dns>,
    /// `runtimeConfig.ipRanges`: a key of the policy's configuration for this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_ranges: Option<Value>,
    /// Milliseconds since the epoch.
    pub now: u64,
    /// 64 bits: more than a floating-point number holds.
    pub seed: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node_addresses: Vec<IpAddr>,
}

impl RecordedRequest {
    pub fn new(request: &Request, context: &Context, ip_ranges: Option<&Value>) -> Self {
        let facts = &request.facts;
        Self {
            requester: request.requester,
            container_id: request.key.container_id.clone(),
            interface: request.key.interface.clone(),
            pod: request.pod.clone(),
            service_account: facts.service_account.clone(),
            owner: facts.owner.clone(),
            labels: facts.labels.clone(),
            annotations: facts.annotations.clone(),
            namespace_labels: facts.namespace_labels.clone(),
            namespace_annotations: facts.namespace_annotations.clone(),
            node_labels: context.node_labels.clone(),
            cni_args: request.cni_args.clone(),
            args_labels: request.args_labels.clone(),
            requested: request.requested.clone(),
            mac: request.mac,
            resolv_conf: request.resolv_conf.clone(),
            ip_ranges: ip_ranges.cloned(),
            now: request.now,
            seed: request.seed,
            node_addresses: request.node_addresses.clone(),
        }
    }

    /// The request as a policy gets it. It has no network namespace.
    pub fn request(&self) -> Request {
        let facts = PodFacts {
            service_account: self.service_account.clone(),
            owner: self.owner.clone(),
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            namespace_labels: self.namespace_labels.clone(),
            namespace_annotations: self.namespace_annotations.clone(),
        };
        Request {
            requester: self.requester,
            key: AttachmentKey { container_id: self.container_id.clone(), interface: self.interface.clone() },
            netns: String::new(),
            pod: self.pod.clone(),
            facts,
            awaited: AwaitedFacts::default(),
            cni_args: self.cni_args.clone(),
            args_labels: self.args_labels.clone(),
            requested: self.requested.clone(),
            mac: self.mac,
            resolv_conf: self.resolv_conf.clone(),
            now: self.now,
            seed: self.seed,
            node_addresses: self.node_addresses.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The leases are committed.
    Granted(Answer),
    /// By the policy.
    Refused(Refused),
    /// By the guard, a limit, the store or the cluster.
    Failed { message: String },
}

/// A policy's refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    pub kind: RefusedKind,
    pub message: String,
    /// Of `invalidConfig`: the key at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Of `tryAgain`, if the policy knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RefusedKind {
    Exhausted,
    Unavailable,
    TryAgain,
    Denied,
    InvalidConfig,
    Other,
}

impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        let of = |kind, message: &String| Self { kind, message: message.clone(), key: None, after_ms: None };
        match refusal {
            Refusal::Exhausted(message) => of(RefusedKind::Exhausted, message),
            Refusal::Unavailable(message) => of(RefusedKind::Unavailable, message),
            Refusal::Denied(message) => of(RefusedKind::Denied, message),
            Refusal::Other(message) => of(RefusedKind::Other, message),
            Refusal::TryAgain { message, after } => {
                let after_ms = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
                Self { after_ms, ..of(RefusedKind::TryAgain, message) }
            }
            Refusal::InvalidConfig(problem) => {
                Self { key: Some(problem.key.clone()), ..of(RefusedKind::InvalidConfig, &problem.message) }
            }
        }
    }
}

impl Refused {
    pub fn refusal(&self) -> Refusal {
        let message = self.message.clone();
        match self.kind {
            RefusedKind::Exhausted => Refusal::Exhausted(message),
            RefusedKind::Unavailable => Refusal::Unavailable(message),
            RefusedKind::TryAgain => Refusal::TryAgain { message, after: self.after_ms.map(Duration::from_millis) },
            RefusedKind::Denied => Refusal::Denied(message),
            RefusedKind::InvalidConfig => {
                Refusal::InvalidConfig(Problem { key: self.key.clone().unwrap_or_default(), message })
            }
            RefusedKind::Other => Refusal::Other(message),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedUsage {
    pub fuel: u64,
    pub host_calls: u64,
    /// Bytes.
    pub memory: u64,
}

impl From<Usage> for RecordedUsage {
    fn from(usage: Usage) -> Self {
        Self { fuel: usage.fuel, host_calls: usage.host_calls, memory: usage.memory as u64 }
    }
}

/// An attachment that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ended {
    pub container_id: String,
    pub interface: String,
    #[serde(skip_serializing_if = "is_default")]
    pub pod: Pod,
    pub addresses: Vec<IpAddr>,
    /// Whether a container may have had the addresses: they cool from then on. Otherwise they are free immediately, except for
    /// `stillCooling`.
    pub was_used: bool,
    /// Addresses that were cooling when they were allocated and go on cooling.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub still_cooling: Vec<CoolingAddress>,
    /// The verb: DEL, GC, or ADD (one that failed, or that found its predecessor gone). Of tools: "tool" for
    /// `ginghamctl release`, "stale" where the container was found gone by `ginghamctl gc`, the node agent or an ADD.
    pub by: String,
    /// Milliseconds since the epoch: the time that the policy's release hook got.
    pub now: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
