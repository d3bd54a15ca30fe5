//! One step of a case: what happens, and what is expected then.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::action::Action;
use super::expectation::Expectation;
use super::request::numbered;
use super::situation::is_container_id;
use super::values::{List, Mac, OwnerName, Pause, PodName, requester};
use super::written::written;

written! {
    /// Exactly one of the keys that are an [`Action`], and the keys that go with it.
    #[serde(expecting = "a step: begin each with [[case.step]]")]
    pub struct Step {
        /// The container that requests addresses.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub add: Option<String>,
        /// The container that ends.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub del: Option<String>,
        /// The containers that end in one transaction.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub gc: Option<Vec<String>>,
        /// The container whose ADD fails after its addresses were leased.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub withdraw: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub advance: Option<Pause>,
        /// How far the clock is set back.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub set_back: Option<Pause>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub reboot: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub check_config: Option<bool>,
        /// The whole object under `ipam` from now on.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub reconfigure: Option<Map<String, Value>>,
        /// Leases of the reference host-local: addresses and containers.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub adopt: Option<BTreeMap<IpAddr, String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub set_state: Option<BTreeMap<String, String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub members: Option<Vec<String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub claim: Option<IpNet>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub unclaim: Option<IpNet>,
        /// The member whose share is asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub share: Option<String>,
        /// The pool, counted from 0, for which the policy proposes a block.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub next_block: Option<usize>,

        #[serde(skip_serializing_if = "Option::is_none")]
        pub interface: Option<String>,
        /// How often it happens; `{n}` in names is 1, 2 and so on.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub times: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub requester: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub pod: Option<PodName>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub pod_uid: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub service_account: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub owner: Option<OwnerName>,
        /// Facts of which the host knows that there are none: `service-account`, `owner`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub absent: Option<List<String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub labels: Option<BTreeMap<String, String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub annotations: Option<BTreeMap<String, String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub namespace_labels: Option<BTreeMap<String, String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub namespace_annotations: Option<BTreeMap<String, String>>,
        /// `CNI_ARGS`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub args: Option<BTreeMap<String, String>>,
        /// `args.cni.labels` of the configuration.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub args_labels: Option<BTreeMap<String, String>>,
        /// Requested addresses.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub ip: Option<List<IpAddr>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub mac: Option<Mac>,
        /// Name resolution that the host read from the file of `resolvConf`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub resolv_conf: Option<ResolvConf>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub seed: Option<u64>,
        /// The address that host-local gave last of each of its range sets.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub last_reserved: Option<List<IpAddr>>,
        /// The member that claims.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub by: Option<String>,

        #[serde(skip_serializing_if = "Option::is_none")]
        pub expect: Option<Expectation>,
    }
}

written! {
    /// Name resolution.
    #[serde(expecting = "a table such as { nameservers = [\"10.1.0.53\"] }")]
    pub struct ResolvConf {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub nameservers: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub domain: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub search: Vec<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub options: Vec<String>,
    }
}

/// Each repetition is a request, and each request runs twice.
const MOST_TIMES: u32 = 100_000;

/// A step that does nothing, or too much; the sentence follows its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    #[error("the step does nothing: give it one of add, del, advance, reboot, check-config, reconfigure, …")]
    Nothing,
    #[error("`{first}` and `{second}` are two steps: write [[case.step]] for each")]
    Several { first: &'static str, second: &'static str },
    #[error("`{key}` does not go with `{other}`")]
    Misplaced { key: &'static str, other: &'static str },
    #[error("`{key} = false` does nothing: leave the step out")]
    False { key: &'static str },
    #[error("invalid requester {requester:?}: expected pod, container, node or script")]
    Requester { requester: String },
    #[error("invalid fact {fact:?} in `absent`: expected service-account or owner")]
    Absent { fact: String },
    #[error("invalid `times = {times}`: use a number from 1 to {MOST_TIMES}")]
    Times { times: u32 },
    #[error("invalid container id {id:?} in `{key}`: {}", super::situation::ID_RULE)]
    ContainerId { key: &'static str, id: String },
}

impl Step {
    /// What the step does, and that nothing is in it that does not go with it.
    pub fn action(&self) -> Result<Action, StepError> {
        let actions: Vec<Action> = self.actions().into_iter().filter(|(_, given)| *given).map(|(it, _)| it).collect();
        let action = match actions.as_slice() {
            [] => return Err(StepError::Nothing),
            [action] => *action,
            [first, second, ..] => return Err(StepError::Several { first: first.key(), second: second.key() }),
        };
        if self.reboot == Some(false) || self.check_config == Some(false) {
            return Err(StepError::False { key: action.key() });
        }
        let misplaced = self.keys().into_iter().find(|(_, given, with)| *given && !with.contains(&action));
        if let Some((key, ..)) = misplaced {
            return Err(StepError::Misplaced { key, other: action.key() });
        }
        if let Some(times) = self.times.filter(|times| !(1..=MOST_TIMES).contains(times)) {
            return Err(StepError::Times { times });
        }
        if let Some(id) = self.containers().find(|id| !is_container_id(id)) {
            return Err(StepError::ContainerId { key: action.key(), id });
        }
        if let Some(requester) = self.requester.as_ref().filter(|name| requester(name).is_none()) {
            return Err(StepError::Requester { requester: requester.clone() });
        }
        let mut absent = self.absent.iter().flat_map(|absent| &absent.0);
        match absent.find(|fact| !["service-account", "owner"].contains(&fact.as_str())) {
            Some(fact) => Err(StepError::Absent { fact: fact.clone() }),
            None => self.check_expectation(action),
        }
    }

    /// The ids of the containers that it names; those of repetitions are alike.
    fn containers(&self) -> impl Iterator<Item = String> {
        let one = [&self.add, &self.del, &self.withdraw].into_iter().flatten();
        let all = one.chain(self.gc.iter().flatten()).chain(self.adopt.iter().flat_map(BTreeMap::values));
        all.map(|id| numbered(id, self, 1))
    }

    fn check_expectation(&self, action: Action) -> Result<Action, StepError> {
        let Some(expected) = &self.expect else { return Ok(action) };
        let misplaced = expected.misplaced(action).map(|key| (key, action.key()));
        match misplaced.or_else(|| expected.contradiction()) {
            Some((key, other)) => Err(StepError::Misplaced { key, other }),
            None => Ok(action),
        }
    }

    fn actions(&self) -> [(Action, bool); 16] {
        [
            (Action::Add, self.add.is_some()),
            (Action::Del, self.del.is_some()),
            (Action::Gc, self.gc.is_some()),
            (Action::Withdraw, self.withdraw.is_some()),
            (Action::Advance, self.advance.is_some()),
            (Action::SetBack, self.set_back.is_some()),
            (Action::Reboot, self.reboot.is_some()),
            (Action::CheckConfig, self.check_config.is_some()),
            (Action::Reconfigure, self.reconfigure.is_some()),
            (Action::Adopt, self.adopt.is_some()),
            (Action::SetState, self.set_state.is_some()),
            (Action::Members, self.members.is_some()),
            (Action::Claim, self.claim.is_some()),
            (Action::Unclaim, self.unclaim.is_some()),
            (Action::Share, self.share.is_some()),
            (Action::NextBlock, self.next_block.is_some()),
        ]
    }

    /// The other keys, whether they are given, and what they go with.
    fn keys(&self) -> [(&'static str, bool, &'static [Action]); 20] {
        const ADD: &[Action] = &[Action::Add];
        const ATTACHMENT: &[Action] = &[Action::Add, Action::Del, Action::Withdraw];
        [
            ("interface", self.interface.is_some(), ATTACHMENT),
            ("times", self.times.is_some(), &[Action::Add, Action::Del]),
            ("requester", self.requester.is_some(), ADD),
            ("pod", self.pod.is_some(), ADD),
            ("pod-uid", self.pod_uid.is_some(), ADD),
            ("service-account", self.service_account.is_some(), ADD),
            ("owner", self.owner.is_some(), ADD),
            ("absent", self.absent.is_some(), ADD),
            ("labels", self.labels.is_some(), ADD),
            ("annotations", self.annotations.is_some(), ADD),
            ("namespace-labels", self.namespace_labels.is_some(), ADD),
            ("namespace-annotations", self.namespace_annotations.is_some(), ADD),
            ("args", self.args.is_some(), ADD),
            ("args-labels", self.args_labels.is_some(), ADD),
            ("ip", self.ip.is_some(), ADD),
            ("mac", self.mac.is_some(), ADD),
            ("resolv-conf", self.resolv_conf.is_some(), ADD),
            ("seed", self.seed.is_some(), ADD),
            ("last-reserved", self.last_reserved.is_some(), &[Action::Adopt]),
            ("by", self.by.is_some(), &[Action::Claim]),
        ]
    }
}
