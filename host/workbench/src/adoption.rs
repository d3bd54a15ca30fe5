//! Leases of the reference IPAM plugin `host-local`, which served the network before.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gingham_engine::attachment::{Adopted, AttachmentKey};
use gingham_engine::ipam;
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::memory_ledger::MemoryLedger;
use gingham_engine::runtime::{LogLine, Policy};
use gingham_engine::store::StoreError;

use crate::error::ScenarioError;
use crate::scenario::{NAME, Scenario};

impl Scenario {
    /// Leases of the reference `host-local` are adopted, and the address that it gave last of its range sets. The adoption
    /// hook of the policy, if it has one, is called before the next request.
    pub fn adopt(
        &mut self,
        leases: impl IntoIterator<Item = (AttachmentKey, IpAddr)>,
        last_reserved: impl IntoIterator<Item = (u32, IpAddr)>,
    ) -> Result<(), ScenarioError> {
        let mut ledger = self.store.ledger(NAME);
        let mut adopted = Adopted { now: self.now, ..Adopted::default() };
        let mut addresses_of: BTreeMap<AttachmentKey, Vec<IpAddr>> = BTreeMap::new();
        for (key, address) in leases {
            if let Some(holder) = ledger.holder(address)? {
                return Err(ScenarioError::Leased { address, holder: holder.container_id });
            }
            addresses_of.entry(key).or_default().push(address);
        }
        for (key, addresses) in addresses_of {
            if ledger.attachment(&key)?.is_some() {
                return Err(ScenarioError::Attached { container: key.container_id });
            }
            adopted.addresses.extend(&addresses);
            ledger.attach(&key, &AttachmentRecord { addresses, since: self.now, ..AttachmentRecord::default() })?;
        }
        ledger.commit()?;
        adopted.addresses.sort_unstable();
        adopted.last_reserved = last_reserved.into_iter().collect();
        self.adopted = Some(adopted);
        Ok(())
    }

    /// Calls the adoption hook with the adopted leases, in the transaction of the next request.
    pub(crate) fn call_adoption_hook(
        &self,
        policy: &Policy,
        ledger: MemoryLedger,
        log: &mut Vec<LogLine>,
    ) -> Result<MemoryLedger, StoreError> {
        match &self.adopted {
            Some(adopted) if policy.has_adoption() => {
                ipam::call_adoption_hook(ledger, (policy, &self.settings, &self.context()), adopted, log)
            }
            _ => Ok(ledger),
        }
    }
}
