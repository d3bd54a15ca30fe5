//! The steps of a trial: two containers join, are looked at, reach each other, are checked, and leave.

mod inspect;
mod leave;
mod reach;

use std::io;

use gingham_engine::store::StoreError;
use gingham_net::NetError;
use gingham_net::masquerade::MasqueradeError;
use gingham_net::netlink::NetlinkError;
use gingham_net::netns::NetnsError;
use gingham_testbed::TestbedError;

use super::address_source::AddressSource;
use super::answer::{Answer, AnswerError};
use super::config::TrialConfig;
use super::container::Container;
use super::plugin::{Answered, Plugin, PluginError, Verb};
use super::pods::TrialPods;
use super::report::TrialReport;
use super::udp_echo::EchoError;
use crate::clock::format_duration;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Testbed(#[from] TestbedError),
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error("ADD of container {container}: {source}")]
    Answer { container: &'static str, source: AnswerError },
    #[error("ADD returned {address} for container {container}, but the store has no such lease")]
    NoLease { container: &'static str, address: String },
    #[error("ipMasq is set, but {address} of container {container} is not masqueraded after ADD")]
    NotMasqueraded { container: &'static str, address: String },
    #[error("container {from} does not reach {to}: {source}")]
    Ping { from: &'static str, to: String, source: EchoError },
    #[error("portIsolation is set, but container {from} reaches {to}")]
    NotIsolated { from: &'static str, to: String },
    #[error("DEL left behind {what}")]
    LeftBehind { what: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot list the trial's interfaces: {0}")]
    Netlink(#[from] NetlinkError),
    #[error("cannot list the trial's interfaces: {0}")]
    Links(#[from] NetError),
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    #[error(transparent)]
    Masquerade(#[from] MasqueradeError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// What all steps need.
struct Trial<'a> {
    config: &'a TrialConfig,
    address_source: &'a AddressSource,
    plugin: &'a Plugin,
    pods: &'a TrialPods<'a>,
}

/// A container that has joined.
struct Member {
    container: Container,
    answer: Answer,
}

/// The containers. Where nothing else is named, they run as pods of these names.
pub(super) const CONTAINERS: [&str; 2] = ["try-1", "try-2"];

/// Goes through all steps.
pub(super) fn walk(
    config: &TrialConfig,
    address_source: &AddressSource,
    plugin: &Plugin,
    pods: &TrialPods<'_>,
    report: &mut TrialReport<'_>,
) -> Result<(), StepError> {
    let trial = Trial { config, address_source, plugin, pods };
    let [one, other] = CONTAINERS;
    let members = [trial.join(one, report)?, trial.join(other, report)?];
    trial.leases(&members, report)?;
    trial.masquerade(&members, report)?;
    trial.reach(&members, report)?;
    trial.check(&members, report)?;
    trial.leave(&members, report)
}

impl Trial<'_> {
    fn join(&self, id: &'static str, report: &mut TrialReport<'_>) -> Result<Member, StepError> {
        let container = Container::create(id)?;
        let answered = self.call(Verb::Add, &container, &self.config.input(), report)?;
        let answer = Answer::read(answered.said).map_err(|source| StepError::Answer { container: id, source })?;
        let time = format_duration(answered.took);
        if id == CONTAINERS[0] {
            report.line("ADD", format!("{id} joined in {time}; the plugin's result:\n{}", answer.text.trim_end()))?;
        } else {
            report.line("ADD", format!("{id} joined in {time} with {}", answer.addresses()))?;
        }
        Ok(Member { container, answer })
    }

    fn check(&self, members: &[Member; 2], report: &mut TrialReport<'_>) -> Result<(), StepError> {
        let version = self.config.check_version();
        let mut times = Vec::new();
        for Member { container, answer } in members {
            let input = self.config.check_input(answer.previous(container, version));
            times.push(format_duration(self.call(Verb::Check, container, &input, report)?.took));
        }
        let times = times.join(" and ");
        let why = match self.config.version.as_str() {
            own if own == version => String::new(),
            own => format!("; called with CNI {version}, because {own} has no CHECK"),
        };
        Ok(report.line("CHECK", format!("both are as ADD made them ({times}){why}"))?)
    }

    fn call(
        &self,
        verb: Verb,
        container: &Container,
        input: &str,
        report: &mut TrialReport<'_>,
    ) -> Result<Answered, StepError> {
        let Container { id, .. } = container;
        let arguments = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={};K8S_POD_INFRA_CONTAINER_ID={id}",
            self.pods.namespace,
            self.pods.name(id)
        );
        let answered = self.plugin.call(verb, container, &arguments, input)?;
        for line in &answered.logged {
            report.line("log", line)?;
        }
        Ok(answered)
    }
}
