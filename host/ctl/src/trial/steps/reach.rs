//! Who reaches whom.

use std::net::IpAddr;
use std::time::Duration;

use super::{Member, StepError, Trial};
use crate::clock::took;
use crate::trial::icmp::{PingError, ping};
use crate::trial::story::Story;

/// How long an answer may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long no answer has to come for one to believe that there is no way.
const SILENCE: Duration = Duration::from_millis(500);

impl Trial<'_> {
    /// The containers ping each other and the gateway.
    pub(super) fn reach(&self, members: &[Member; 2], story: &mut Story<'_>) -> Result<(), StepError> {
        let [one, other] = members;
        if one.answer.ips.is_empty() {
            return Ok(story.tell("ping", "not tried: without addresses there is nobody to call")?);
        }
        for (from, to) in [(one, other), (other, one)] {
            let targets: Vec<IpAddr> = to.answer.ips.iter().map(|ip| ip.address.addr()).collect();
            if self.config.is_isolated() {
                silence(from, to, &targets, story)?;
            } else {
                answers(from, to.container.id, &targets, story)?;
            }
        }
        for from in members {
            let gateways: Vec<IpAddr> = from.answer.ips.iter().filter_map(|ip| ip.gateway).collect();
            if self.config.is_gateway() && !gateways.is_empty() {
                answers(from, "gateway", &gateways, story)?;
            }
        }
        if !self.config.is_gateway() {
            story.tell("", "the gateway was not called: without isGateway it is no address of this node")?;
        }
        Ok(())
    }
}

fn answers(from: &Member, to: &str, targets: &[IpAddr], story: &mut Story<'_>) -> Result<(), StepError> {
    let mut told = Vec::new();
    for target in targets {
        let time = ping(&from.container.namespace, *target, PATIENCE).map_err(|source| StepError::Ping {
            from: from.container.id,
            to: format!("{to} at {target}"),
            source,
        })?;
        told.push(format!("{target} answered in {}", took(time)));
    }
    Ok(story.tell("ping", format!("{} -> {to:<7}  {}", from.container.id, told.join(", ")))?)
}

fn silence(from: &Member, to: &Member, targets: &[IpAddr], story: &mut Story<'_>) -> Result<(), StepError> {
    let (from_id, to_id) = (from.container.id, to.container.id);
    for target in targets {
        match ping(&from.container.namespace, *target, SILENCE) {
            Err(PingError::Silence(_)) => {}
            Ok(_) => return Err(StepError::NotIsolated { from: from_id, to: format!("{to_id} at {target}") }),
            Err(source) => return Err(StepError::Ping { from: from_id, to: to_id.to_owned(), source }),
        }
    }
    Ok(story.tell("ping", format!("{from_id} -> {to_id:<7}  no answer, as portIsolation wants it"))?)
}
