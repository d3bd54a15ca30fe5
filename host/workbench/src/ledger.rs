//! What is recorded of the network: leases, reservations and the policy's state, to read and to begin with.

use gingham_engine::address::Family;
use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries, Reservation};
use gingham_engine::memory_ledger::MemoryLedger;

use crate::error::ScenarioError;
use crate::scenario::{NAME, Scenario};

impl Scenario {
    /// The ledger as it is now, to read. Changes of it are lost.
    pub fn ledger(&self) -> MemoryLedger {
        self.store.ledger(NAME)
    }

    /// All attachments with their leases, ordered by container and interface.
    pub fn attachments(&self) -> Result<Vec<(AttachmentKey, AttachmentRecord)>, ScenarioError> {
        Ok(self.ledger().attachments()?)
    }

    /// Attachments that are there already, without a call of the policy.
    pub fn set_attachments(
        &mut self,
        attachments: impl IntoIterator<Item = (AttachmentKey, AttachmentRecord)>,
    ) -> Result<(), ScenarioError> {
        self.change_ledger(|ledger| {
            attachments.into_iter().try_for_each(|(key, record)| Ok(ledger.attach(&key, &record)?))
        })
    }

    /// The reservations, in address order, also those whose time is over.
    pub fn reservations(&self) -> Result<Vec<Reservation>, ScenarioError> {
        let ledger = self.ledger();
        let mut reservations = Vec::new();
        for family in Family::ALL {
            reservations.extend(ledger.reservations_within(family.whole())?);
        }
        Ok(reservations)
    }

    /// A reservation that is there already.
    pub fn set_reservation(&mut self, reservation: &Reservation) -> Result<(), ScenarioError> {
        self.change_ledger(|ledger| Ok(ledger.reserve(reservation)?))
    }

    /// A value of the policy's state.
    pub fn state(&self, key: &str) -> Result<Option<Vec<u8>>, ScenarioError> {
        Ok(self.ledger().state_value(key)?)
    }

    /// All keys of the policy's state, in byte order.
    pub fn state_keys(&self) -> Result<Vec<String>, ScenarioError> {
        Ok(self.ledger().state_keys("", None, usize::MAX)?)
    }

    /// Sets or deletes a value of the policy's state, as an earlier version of it might have left it.
    pub fn set_state(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), ScenarioError> {
        self.change_ledger(|ledger| Ok(ledger.put_state(key, value)?))
    }

    /// The node reboots: the leases of containers are gone, and their addresses free immediately. The policy's state and
    /// the reservations stay.
    pub fn reboot(&mut self) -> Result<(), ScenarioError> {
        self.change_ledger(|ledger| {
            for (key, _) in ledger.attachments()? {
                if !key.is_nodes_own() {
                    ledger.detach(&key, 0)?;
                }
            }
            ledger.end_cooldowns(0, usize::MAX)?;
            Ok(())
        })
    }

    fn change_ledger(
        &mut self,
        change: impl FnOnce(&mut MemoryLedger) -> Result<(), ScenarioError>,
    ) -> Result<(), ScenarioError> {
        let mut ledger = self.ledger();
        change(&mut ledger)?;
        Ok(ledger.commit()?)
    }
}
