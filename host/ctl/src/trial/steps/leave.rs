//! DEL, and what it must not leave.

use gingham_net::link::{self, Link, Which};
use gingham_net::masquerade::{self, MasqueradeError};
use gingham_net::netlink::{Route, Socket};

use super::{Member, StepError, Trial};
use crate::clock::format_duration;
use crate::trial::container::INTERFACE;
use crate::trial::plugin::Verb;
use crate::trial::report::TrialReport;

impl Trial<'_> {
    /// Both leave, and it is verified that nothing is left.
    pub(super) fn leave(&self, members: &[Member; 2], report: &mut TrialReport<'_>) -> Result<(), StepError> {
        let mut times = Vec::new();
        for Member { container, .. } in members {
            times.push(format_duration(self.call(Verb::Del, container, &self.config.input(), report)?.took));
        }
        self.no_lease()?;
        no_interface_inside(members)?;
        let bridge = self.no_interface_outside()?;
        self.no_masquerade()?;
        let bridge = match bridge {
            Some(bridge) => format!("; bridge {} stays for the next container", bridge.name),
            None => String::new(),
        };
        let times = times.join(" and ");
        Ok(report
            .line("DEL", format!("both ended ({times}); no lease, no interface and no masquerade is left{bridge}"))?)
    }

    fn no_lease(&self) -> Result<(), StepError> {
        match self.held()?.first() {
            None => Ok(()),
            Some(held) => left(format!("the lease of container {}", held.key.container_id)),
        }
    }

    /// Of the links that the plugin makes only the bridge stays.
    fn no_interface_outside(&self) -> Result<Option<Link>, StepError> {
        let links = link::list(&mut Socket::<Route>::open()?, None)?;
        if let Some(veth) = links.iter().find(|link| link.is_veth()) {
            return left(format!("the interface {}", veth.name));
        }
        Ok(links.into_iter().find(|link| link.is_bridge() && link.name == self.config.bridge()))
    }

    fn no_masquerade(&self) -> Result<(), StepError> {
        let network = self.config.network.as_str();
        let listed = masquerade::open(network).and_then(|mut kernel| masquerade::list(&mut kernel, network));
        match listed {
            Ok(prefixes) if prefixes.is_empty() => Ok(()),
            // Where there is no NAT, none is left.
            Err(MasqueradeError::KernelLacks { .. }) => Ok(()),
            Ok(prefixes) => {
                let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
                left(format!("the masquerade of {}", prefixes.join(" and ")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn no_interface_inside(members: &[Member; 2]) -> Result<(), StepError> {
    for Member { container, .. } in members {
        let mut kernel = container.namespace.enter(Socket::<Route>::open)??;
        if link::get(&mut kernel, Which::Name(INTERFACE))?.is_some() {
            return left(format!("{INTERFACE} in container {}", container.id));
        }
    }
    Ok(())
}

fn left<T>(what: String) -> Result<T, StepError> {
    Err(StepError::LeftBehind { what })
}
