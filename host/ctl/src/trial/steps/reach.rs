//! Who reaches whom.

use std::net::IpAddr;
use std::time::Duration;

use gingham_net::netns::NetNs;

use super::{Member, StepError, Trial};
use crate::clock::format_duration;
use crate::trial::report::TrialReport;
use crate::trial::udp_echo::{EchoError, UdpEcho};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Without an answer for so long, containers count as isolated.
const SILENCE: Duration = Duration::from_millis(500);

impl Trial<'_> {
    /// The containers ping each other and the gateway.
    pub(super) fn reach(&self, members: &[Member; 2], report: &mut TrialReport<'_>) -> Result<(), StepError> {
        let [one, other] = members;
        if one.answer.ips.is_empty() {
            return Ok(report.line("ping", "skipped: no addresses on this network")?);
        }
        for (from, to) in [(one, other), (other, one)] {
            let targets: Vec<IpAddr> = to.answer.ips.iter().map(|ip| ip.address.addr()).collect();
            if self.config.is_isolated() {
                silence(from, to, &targets, report)?;
            } else {
                answers(from, (to.container.id, &to.container.namespace), &targets, report)?;
            }
        }
        for from in members {
            let gateways: Vec<IpAddr> = from.answer.ips.iter().filter_map(|ip| ip.gateway).collect();
            if self.config.is_gateway() && !gateways.is_empty() {
                answers(from, ("gateway", &NetNs::current()?), &gateways, report)?;
            }
        }
        if !self.config.is_gateway() {
            report.line("", "gateway skipped: without isGateway the node does not have its address")?;
        }
        Ok(())
    }
}

fn answers(
    from: &Member,
    (to, namespace): (&str, &NetNs),
    targets: &[IpAddr],
    report: &mut TrialReport<'_>,
) -> Result<(), StepError> {
    let mut told = Vec::new();
    for target in targets {
        let echo = UdpEcho::open(&from.container.namespace, namespace, *target);
        let time = echo.and_then(|mut echo| echo.ping(ANSWER_TIMEOUT)).map_err(|source| StepError::Ping {
            from: from.container.id,
            to: format!("{to} at {target}"),
            source,
        })?;
        told.push(format!("{target} answered in {}", format_duration(time)));
    }
    Ok(report.line("ping", format!("{} -> {to:<7}  {}", from.container.id, told.join(", ")))?)
}

fn silence(from: &Member, to: &Member, targets: &[IpAddr], report: &mut TrialReport<'_>) -> Result<(), StepError> {
    let (from_id, to_id) = (from.container.id, to.container.id);
    for target in targets {
        let echo = UdpEcho::open(&from.container.namespace, &to.container.namespace, *target);
        match echo.and_then(|mut echo| echo.ping(SILENCE)) {
            Err(EchoError::Silence(_)) => {}
            Ok(_) => return Err(StepError::NotIsolated { from: from_id, to: format!("{to_id} at {target}") }),
            Err(source) => return Err(StepError::Ping { from: from_id, to: to_id.to_owned(), source }),
        }
    }
    Ok(report.line("ping", format!("{from_id} -> {to_id:<7}  no answer, because of portIsolation"))?)
}
