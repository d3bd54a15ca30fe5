//! The IPAM result of one attachment.

use std::net::IpAddr;

use ipnet::IpNet;

use super::shadow::ShadowAnswer;
use crate::attachment::Answer;
use crate::ledger::{Cooling, LedgerQueries};
use crate::network_view::NetworkView;
use crate::runtime::Usage;
use crate::store_error::StoreError;

/// The addresses, routes and name resolution of one attachment: a policy's answer that passed the guard, and what the host
/// needs to know of it. All of the host passes this one type on, up to the CNI result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpamResult {
    pub answer: Answer,
    /// The prefixes of the ranges its addresses lie in, in the order of the addresses: what masquerade leaves alone.
    pub prefixes: Vec<IpNet>,
    /// The prefixes of all ranges of the policy, each once.
    pub networks: Vec<IpNet>,
    /// Those of its addresses that were cooling when they were allocated.
    pub cooling: Vec<Cooling>,
    pub usage: Usage,
    /// What the network's shadow policy would have answered.
    pub shadow: Option<ShadowAnswer>,
}

impl IpamResult {
    pub(super) fn of<L: LedgerQueries>(
        answer: Answer,
        view: &NetworkView<L>,
        usage: Usage,
    ) -> Result<Self, StoreError> {
        let networks = view.pools().networks();
        let mut result = Self { answer, prefixes: Vec::new(), networks, cooling: Vec::new(), usage, shadow: None };
        for address in result.addresses().collect::<Vec<_>>() {
            result.prefixes.extend(view.pools().locate(address).map(|(_, part)| part.prefix));
            let Some(since) = view.ledger().cooling_since(address)? else { continue };
            let last_holder = view.ledger().last_holder(address)?.map(|(holder, _)| holder);
            result.cooling.push(Cooling { address, since, last_holder });
        }
        Ok(result)
    }

    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.answer.addresses.iter().map(|assigned| assigned.address.addr())
    }
}
