//! What is expected of a step.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use gingham_engine::address::IpRange;
use gingham_engine::attachment::Refusal;
use gingham_engine::ipam::IpamError;
use ipnet::IpNet;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::action::Action;
use super::values::List;
use super::written::written;

/// What is expected of a step. What is not given is not compared, except that an `add` is granted.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Expectation(pub Box<Expected>);

written! {
    /// The keys of `expect`.
    #[serde(expecting = "keys such as expect.addresses")]
    pub struct Expected {
        /// Whether it is `expect = "granted"`.
        #[serde(skip)]
        pub granted: bool,
        /// All addresses, each with its prefix length, in order.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub addresses: Option<List<IpNet>>,
        /// The gateway of each address.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub gateway: Option<List<IpAddr>>,
        /// All routes, in order: `0.0.0.0/0 via 10.1.0.1`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub routes: Option<List<String>>,
        /// The name servers.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub dns: Option<List<String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub refused: Option<RefusalKind>,
        /// Part of the refusal's text.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub message: Option<String>,
        /// Part of the policy's sentence.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub reason: Option<String>,
        /// Parts of lines of the log.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub log: Option<List<String>>,
        /// The addresses that are freed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub freed: Option<List<IpAddr>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub pools: Option<Vec<ExpectedPool>>,
        /// Parts of the problems of the configuration, in order.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub problems: Option<List<String>>,
        /// A member's share.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub ranges: Option<List<IpRange>>,
        /// The block that is proposed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub block: Option<IpNet>,
        /// All leases after the step: addresses and containers.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub leases: Option<BTreeMap<IpAddr, String>>,
        /// All reservations after the step: addresses and keys.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub reservations: Option<BTreeMap<IpAddr, String>>,
        /// Values of the policy's state after the step.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub state: Option<BTreeMap<String, String>>,
        /// Keys of the policy's state after the step, at most.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub state_keys: Option<u64>,
        /// Bytes of the policy's state, keys and values together, at most.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub state_bytes: Option<u64>,
        /// All claimed blocks after the step, and who holds them.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub claims: Option<BTreeMap<IpNet, String>>,
        /// Fuel at most, of all calls of the step.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub fuel: Option<u64>,
        /// Host calls at most.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub host_calls: Option<u64>,
        /// Bytes of linear memory at most.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub memory: Option<u64>,
    }
}

written! {
    /// A pool; what is not given is not compared.
    #[serde(expecting = "a table such as { name = \"a\" }")]
    pub struct ExpectedPool {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub ranges: Option<List<IpRange>>,
        /// The gateways of the ranges.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub gateway: Option<List<IpAddr>>,
        /// Whether all ranges are draining.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub draining: Option<bool>,
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// By the policy or for the configuration, for whatever reason.
    Any,
    Exhausted,
    Unavailable,
    TryAgain,
    Denied,
    /// The configuration is refused, or the policy refuses the request because of it.
    InvalidConfig,
    Other,
    /// The attachment has addresses already.
    AlreadyAttached,
}

impl RefusalKind {
    /// The kind of an error. None for what is no refusal: a crash, or an answer that the guard does not let through.
    pub fn of(error: &IpamError) -> Option<Self> {
        match error {
            IpamError::Refused { refusal, .. } => Some(match refusal {
                Refusal::Exhausted(_) => Self::Exhausted,
                Refusal::Unavailable(_) => Self::Unavailable,
                Refusal::TryAgain { .. } => Self::TryAgain,
                Refusal::Denied(_) => Self::Denied,
                Refusal::InvalidConfig(_) => Self::InvalidConfig,
                Refusal::Other(_) => Self::Other,
            }),
            IpamError::Problems { .. } => Some(Self::InvalidConfig),
            IpamError::AlreadyAttached { .. } => Some(Self::AlreadyAttached),
            IpamError::Fault { .. }
            | IpamError::Pools { .. }
            | IpamError::Guard { .. }
            | IpamError::Cluster { .. }
            | IpamError::Process { .. }
            | IpamError::FactAwaited { .. }
            | IpamError::Store(_) => None,
        }
    }

    /// Whether it stands for that kind.
    pub fn includes(self, kind: Self) -> bool {
        self == Self::Any || self == kind
    }
}

impl fmt::Display for RefusalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Exhausted => "exhausted",
            Self::Unavailable => "unavailable",
            Self::TryAgain => "try-again",
            Self::Denied => "denied",
            Self::InvalidConfig => "invalid-config",
            Self::Other => "other",
            Self::AlreadyAttached => "already-attached",
        })
    }
}

impl Expectation {
    /// A key that the result of the action does not have.
    pub(super) fn misplaced(&self, action: Action) -> Option<&'static str> {
        const ADD: &[Action] = &[Action::Add];
        const REFUSING: &[Action] = &[Action::Add, Action::Share, Action::NextBlock];
        const ENDING: &[Action] = &[Action::Del, Action::Gc, Action::Withdraw];
        const CALLING: &[Action] = &[
            Action::Add,
            Action::Del,
            Action::Gc,
            Action::Withdraw,
            Action::CheckConfig,
            Action::Share,
            Action::NextBlock,
        ];
        let it = &self.0;
        let keys = [
            ("expect = \"granted\"", it.granted, REFUSING),
            ("expect.addresses", it.addresses.is_some(), ADD),
            ("expect.gateway", it.gateway.is_some(), ADD),
            ("expect.routes", it.routes.is_some(), ADD),
            ("expect.dns", it.dns.is_some(), ADD),
            ("expect.reason", it.reason.is_some(), ADD),
            ("expect.refused", it.refused.is_some(), REFUSING),
            ("expect.message", it.message.is_some(), REFUSING),
            ("expect.freed", it.freed.is_some(), ENDING),
            ("expect.pools", it.pools.is_some(), &[Action::CheckConfig]),
            ("expect.problems", it.problems.is_some(), &[Action::CheckConfig]),
            ("expect.ranges", it.ranges.is_some(), &[Action::Share]),
            ("expect.block", it.block.is_some(), &[Action::NextBlock]),
            ("expect.log", it.log.is_some(), CALLING),
            ("expect.fuel", it.fuel.is_some(), CALLING),
            ("expect.host-calls", it.host_calls.is_some(), CALLING),
            ("expect.memory", it.memory.is_some(), CALLING),
        ];
        keys.into_iter().find(|(_, given, with)| *given && !with.contains(&action)).map(|(key, ..)| key)
    }

    /// A key that would not be compared because of another: an answer's beside a refusal's, pools beside problems.
    pub(super) fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let it = &self.0;
        let refused = it.refused.map(|_| "expect.refused").or(it.message.as_ref().map(|_| "expect.message"));
        let has_problems = it.problems.as_ref().is_some_and(|problems| !problems.0.is_empty());
        let problems = has_problems.then_some("expect.problems");
        let keys = [
            ("expect.addresses", it.addresses.is_some(), refused),
            ("expect.gateway", it.gateway.is_some(), refused),
            ("expect.routes", it.routes.is_some(), refused),
            ("expect.dns", it.dns.is_some(), refused),
            ("expect.reason", it.reason.is_some(), refused),
            ("expect.ranges", it.ranges.is_some(), refused),
            ("expect.block", it.block.is_some(), refused),
            ("expect.pools", it.pools.is_some(), problems),
        ];
        keys.into_iter().find_map(|(key, given, other)| Some((key, other.filter(|_| given)?)))
    }
}

impl<'de> Deserialize<'de> for Expectation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExpectationVisitor)
    }
}

struct ExpectationVisitor;

impl<'de> Visitor<'de> for ExpectationVisitor {
    type Value = Expectation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("addresses with their prefix lengths, \"granted\", \"refused\", or keys such as expect.addresses")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Expectation, E> {
        let expected = match text {
            "granted" => Expected { granted: true, ..Expected::default() },
            "refused" => Expected { refused: Some(RefusalKind::Any), ..Expected::default() },
            addresses => Expected { addresses: Some(addresses_of(addresses)?), ..Expected::default() },
        };
        Ok(Expectation(Box::new(expected)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expectation, A::Error> {
        Expected::deserialize(MapAccessDeserializer::new(map)).map(|expected| Expectation(Box::new(expected)))
    }
}

fn addresses_of<E: serde::de::Error>(text: &str) -> Result<List<IpNet>, E> {
    let invalid = |part: &str| {
        E::custom(format_args!(
            "invalid expectation {part:?}: use addresses with their prefix lengths, such as \"10.1.0.2/24\", \"granted\" or \
             \"refused\""
        ))
    };
    let parts = text.split([' ', ',']).filter(|part| !part.is_empty());
    let addresses = parts.map(|part| part.parse().map_err(|_| invalid(part))).collect::<Result<Vec<_>, _>>()?;
    if addresses.is_empty() { Err(invalid(text)) } else { Ok(List(addresses)) }
}
