//! Looking at what ADD left: leases in the store, masquerade in the kernel.

use gingham_net::masquerade;

use super::{Member, StepError, Trial};
use crate::clock;
use crate::holdings::{Held, Holdings};
use crate::leases::{self, State};
use crate::trial::address_source::AddressSource;
use crate::trial::report::TrialReport;

impl Trial<'_> {
    /// Shows the leases; each address of each answer has to be among them.
    pub(super) fn leases(&self, members: &[Member; 2], report: &mut TrialReport<'_>) -> Result<(), StepError> {
        let held = self.held()?;
        if matches!(self.address_source, AddressSource::BuiltIn { .. } | AddressSource::Installed(_)) {
            for Member { container, answer } in members {
                let is_leased = |address| {
                    held.iter()
                        .any(|held| held.key.container_id == container.id && held.record.addresses.contains(&address))
                };
                if let Some(ip) = answer.ips.iter().find(|ip| !is_leased(ip.address.addr())) {
                    return Err(StepError::NoLease { container: container.id, address: ip.address.to_string() });
                }
            }
        }
        Ok(report.line("leases", leases::table(&held, State::InUse, clock::now()))?)
    }

    /// Who is attached to the network.
    pub(super) fn held(&self) -> Result<Vec<Held>, StepError> {
        Ok(Holdings::read(self.config.data_dir(), Some(&self.config.network))?.attachments)
    }

    /// Shows what is masqueraded; each address has to be, if the configuration says so.
    pub(super) fn masquerade(&self, members: &[Member; 2], report: &mut TrialReport<'_>) -> Result<(), StepError> {
        if !self.config.is_masqueraded() || members.iter().all(|member| member.answer.ips.is_empty()) {
            return Ok(());
        }
        let network = self.config.network.as_str();
        let mut kernel = masquerade::open(network)?;
        for Member { container, answer } in members {
            for ip in &answer.ips {
                if !masquerade::covers(&mut kernel, network, ip.address.addr())? {
                    return Err(StepError::NotMasqueraded { container: container.id, address: ip.address.to_string() });
                }
            }
        }
        let addresses = masquerade::list(&mut kernel, network)?;
        let addresses = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        Ok(report.line("NAT", format!("what {addresses} send to other networks leaves with the node's address"))?)
    }
}
