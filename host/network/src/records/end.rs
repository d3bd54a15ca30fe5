//! How records end: those of attachments, with the release hook, and reservations.

use std::net::IpAddr;

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ipam::{self, Hooks};
use gingham_engine::ledger::{Cooling, Ledger, LedgerQueries};
use gingham_engine::store::StoreError;

use super::{Records, RecordsError};
use crate::{adoption, log};

/// How an attachment ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A container had its addresses, or may have had them: they cool.
    Used,
    /// No container had them. Those that were cooling when they were allocated go on cooling.
    NeverUsed(Vec<Cooling>),
}

/// How many attachments end in one transaction. A release hook takes up to 50 ms for each, and others wait 4 s for the store.
pub(crate) const ENDED_AT_ONCE: usize = 64;

impl Records<'_> {
    /// Forgets attachments and calls the release hook. One that was never recorded is no error. A damaged store is a
    /// warning.
    pub fn forget<'h>(
        &self,
        keys: &[&AttachmentKey],
        end: &End,
        hooks: impl Into<Hooks<'h>>,
    ) -> Result<(), RecordsError> {
        let hooks = hooks.into();
        for some in keys.chunks(ENDED_AT_ONCE) {
            match self.forget_at_once(some, end, hooks) {
                Err(RecordsError::Store(damage @ StoreError::Damaged { .. })) => {
                    // The link is gone. No address is given out until the store is rebuilt, from what is left then.
                    for AttachmentKey { container_id, interface } in some {
                        log::warn(format!(
                            "the lease of container {container_id} ({interface}) is not freed: {damage}"
                        ));
                    }
                }
                done => done?,
            }
        }
        Ok(())
    }

    fn forget_at_once(&self, keys: &[&AttachmentKey], end: &End, hooks: Hooks<'_>) -> Result<(), RecordsError> {
        if !self.directory.is_dir() && !self.is_to_be_adopted(None)? {
            // To free nothing, no directory has to be made.
            if self.directory.exists() {
                log::warn(format!(
                    "ipam.dataDir: {} is not a directory, so no lease is freed; set the directory that leases were \
                     recorded in, and run `ginghamctl gc`",
                    self.directory.display()
                ));
            }
            return Ok(());
        }
        let ledger = match self.write() {
            // What blocks a writer blocks a reader as well.
            Err(error @ RecordsError::Store(StoreError::Busy { .. })) => return Err(error),
            // A store that cannot be written is no error for an attachment that is not in it.
            Err(_) if self.known(keys).is_ok_and(|known| known.iter().all(Option::is_none)) => return Ok(()),
            opened => opened?,
        };
        let adoption = if self.reference.is_some() { ledger.adoption()? } else { None };
        let mut log = Vec::new();
        let released = match (end, keys) {
            (End::NeverUsed(cooling), [key]) => ipam::withdraw(ledger, key, self.now, cooling, hooks, &mut log)
                .map(|record| record.map(|record| ((*key).clone(), record)).into_iter().collect()),
            (End::Used | End::NeverUsed(_), keys) => {
                ipam::release_all(ledger, keys.iter().copied(), self.now, hooks, &mut log)
            }
        };
        log::policy(hooks.policy.map_or("", |(policy, ..)| policy.name()), &log);
        let released = released?;
        if let Some(recorder) = &self.recorder {
            recorder.ended(&released, end, self.now);
        }
        for (key, record) in released {
            tracing::debug!(container = key.container_id, addresses = ?record.addresses, "leases freed");
            if let Some(adoption) = &adoption {
                adoption::forget_files(adoption, &key, &record.addresses).iter().for_each(log::warn);
            }
        }
        Ok(())
    }

    /// Ends the reservation of an address, or those under a key. Returns their addresses, each with the attachment that
    /// holds it all the same.
    pub fn end_reservations(&self, key_or_address: &str) -> Result<Vec<(IpAddr, Option<AttachmentKey>)>, RecordsError> {
        if !self.directory.exists() {
            return Ok(Vec::new());
        }
        let mut ledger = self.write()?;
        let of_key = ledger.reservations_of(key_or_address)?.into_iter().map(|reservation| reservation.address);
        let named = key_or_address.parse::<IpAddr>().ok();
        let mut ended = Vec::new();
        for address in of_key.chain(named) {
            if ledger.end_reservation(address)? {
                ended.push((address, ledger.holder(address)?));
            }
        }
        ledger.commit()?;
        if let Some(recorder) = self.recorder.as_ref().filter(|_| !ended.is_empty()) {
            let addresses: Vec<IpAddr> = ended.iter().map(|(address, _)| *address).collect();
            recorder.reservations_ended(&addresses, self.now);
        }
        Ok(ended)
    }
}
