//! One network's records on this node: who is attached, in the engine's store.

mod end;

use std::io::ErrorKind;
use std::path::Path;

use gingham_cni::config::NetworkName;
use gingham_engine::attachment::{AttachmentKey, Context, Pod};
use gingham_engine::boot_id::{self, BootIdError};
use gingham_engine::clock;
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries, Masquerade, recorded};
use gingham_engine::runtime::{LogLine, Policy};
use gingham_engine::settings::Settings;
use gingham_engine::store::{ReadLedger, Store, StoreError, StoreLedger, StoreReader};

use crate::adoption::{self, AdoptionError, ReferenceLeases};
use crate::failpoint;
use crate::history::Recorder;
use crate::holdings::Held;
use crate::lock::{self, Lock, LockError};
use crate::log;
use crate::sandbox;

pub(crate) use end::ENDED_AT_ONCE;
pub use end::End;

/// Why the records cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The kernel does not say which boot this is. CNI code 5.
    #[error(transparent)]
    BootId(#[from] BootIdError),
    /// A lock cannot be had. CNI code 11 if others have it, else 5.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The attachment is there already. CNI code 104.
    #[error(
        "interface {} of container {} is already attached to this network: duplicate allocation is not allowed; run DEL for it first",
        key.interface, key.container_id
    )]
    AlreadyAttached { key: AttachmentKey },
    /// The reference's leases cannot be adopted. CNI code 5.
    #[error(transparent)]
    Adoption(#[from] AdoptionError),
    /// The store failed. CNI code 11 if others have it, else 5.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An unused table is no harm, and a DEL has not the time to read thousands of records.
const LOOKED_AT_MOST: u64 = 16;

pub struct Records<'a> {
    network: &'a NetworkName,
    directory: &'a Path,
    boot: String,
    now: u64,
    /// Those that are adopted on the first use; none where a policy does not allocate.
    reference: Option<ReferenceLeases>,
    /// The link that addresses are used on, if that is known.
    link: Option<String>,
    /// None if no history is kept.
    recorder: Option<Recorder>,
}

impl<'a> Records<'a> {
    /// Of a network, in a data directory. Opens nothing yet.
    pub fn of(
        network: &'a NetworkName,
        directory: &'a Path,
        reference: Option<ReferenceLeases>,
    ) -> Result<Self, RecordsError> {
        Ok(Self {
            network,
            directory,
            boot: boot_id::read()?,
            now: clock::now(),
            reference,
            link: None,
            recorder: None,
        })
    }

    #[must_use]
    pub fn on_link(self, link: Option<String>) -> Self {
        Self { link, ..self }
    }

    #[must_use]
    pub fn recorded_by(self, recorder: Option<Recorder>) -> Self {
        Self { recorder, ..self }
    }

    pub(crate) fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    pub fn link(&self) -> Option<&str> {
        self.link.as_deref()
    }

    /// Milliseconds since the epoch, the same for everything this process does.
    pub fn now(&self) -> u64 {
        self.now
    }

    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// Locks the store and begins the one transaction. The first time, leases of the reference are made durable before.
    pub fn write(&self) -> Result<StoreLedger, RecordsError> {
        let ledger = self.open_adopted()?;
        if let Some(recorder) = &self.recorder {
            recorder.opened(&ledger, self.now)?;
        }
        Ok(ledger)
    }

    fn open_adopted(&self) -> Result<StoreLedger, RecordsError> {
        let mut ledger = self.open()?;
        let Some(reference) = &self.reference else { return Ok(ledger) };
        if let Some(adoption) = ledger.adoption()? {
            reference.end_released(&mut ledger, adoption, self.now)?;
            return Ok(ledger);
        }
        let taken = reference.adopt(&mut ledger, &self.boot, self.now)?;
        if taken.is_empty() {
            // That there is nothing is recorded together with what comes.
            return Ok(ledger);
        }
        let _ = failpoint::reach("adopt.recorded");
        ledger.commit()?;
        let _ = failpoint::reach("adopt.done");
        reference.log(&taken);
        self.recorder.iter().for_each(Recorder::leases_adopted);
        self.open()
    }

    /// The same for an allocation by this policy, whose adoption hook is called before.
    pub fn write_for(
        &self,
        policy: (&Policy, &Settings, &Context),
        log: &mut Vec<LogLine>,
    ) -> Result<StoreLedger, RecordsError> {
        Ok(adoption::offer_to_policy(self.write()?, policy, self.now, log)?)
    }

    fn open(&self) -> Result<StoreLedger, RecordsError> {
        let store = Store::open(self.directory, &self.boot, self.now)?;
        store.events().iter().for_each(log::warn);
        tracing::debug!(network = self.network.as_str(), directory = %self.directory.display(), "lease store locked");
        Ok(store.into_ledger(self.network.as_str())?)
    }

    /// A transaction for a question of what would be. It must not be committed, and nothing is adopted for it. None if nothing
    /// was ever recorded here in this boot.
    pub(crate) fn uncommitted(&self) -> Result<Option<StoreLedger>, RecordsError> {
        let is_used = self.look()?.is_some();
        is_used.then(|| self.open()).transpose()
    }

    /// A look at the records; none if nothing was ever recorded here in this boot.
    pub fn read(&self) -> Result<Option<ReadLedger>, RecordsError> {
        let ledger = self.look()?;
        if !self.is_to_be_adopted(ledger.as_ref())? {
            return Ok(ledger);
        }
        drop(ledger);
        drop(self.write()?);
        self.look()
    }

    /// Whether leases of the reference wait for adoption.
    pub fn is_to_be_adopted(&self, ledger: Option<&ReadLedger>) -> Result<bool, RecordsError> {
        let Some(reference) = &self.reference else { return Ok(false) };
        let is_done = ledger.map_or(Ok(false), ReadLedger::is_adopted)?;
        Ok(!is_done && reference.is_worth_a_look())
    }

    /// The same, without adoption.
    pub fn look(&self) -> Result<Option<ReadLedger>, RecordsError> {
        match self.reader()? {
            Some(store) => Ok(Some(store.ledger(self.network.as_str())?)),
            None => Ok(None),
        }
    }

    /// None if nothing was ever recorded here in this boot.
    pub(crate) fn reader(&self) -> Result<Option<StoreReader>, RecordsError> {
        let Some(store) = self.reader_of_any_boot()? else { return Ok(None) };
        Ok((store.boot()? == self.boot).then_some(store))
    }

    /// What outlives a boot is in it before the first ADD as well.
    pub(crate) fn reader_of_any_boot(&self) -> Result<Option<StoreReader>, RecordsError> {
        match Store::open_read_only(self.directory) {
            Err(damage @ StoreError::Damaged { .. }) => {
                // Opening it for writing puts it aside if it is of an earlier boot.
                drop(self.open().map_err(|_| damage)?);
                Ok(Store::open_read_only(self.directory)?)
            }
            // No lease can be recorded there. ADD and STATUS open it for writing and report it.
            Err(StoreError::Directory { source, .. }) if source.kind() == ErrorKind::NotADirectory => Ok(None),
            opened => Ok(opened?),
        }
    }

    /// What is known of an attachment before it has addresses.
    pub fn fresh(&self, netns: &Path, pod: Pod, masquerade: Option<Masquerade>) -> AttachmentRecord {
        AttachmentRecord {
            addresses: Vec::new(),
            since: self.now,
            boot: self.boot.clone(),
            netns: netns.to_string_lossy().into_owned(),
            pod,
            policy: None,
            reason: None,
            masquerade,
            sandbox: sandbox::identify(netns),
            link: self.link.clone(),
        }
    }

    /// Records an attachment whose addresses are another's business.
    pub fn attach(&self, key: &AttachmentKey, record: &AttachmentRecord) -> Result<(), RecordsError> {
        let mut ledger = self.write()?;
        if recorded(&ledger, key)?.is_some() {
            return Err(RecordsError::AlreadyAttached { key: key.clone() });
        }
        ledger.attach(key, record)?;
        ledger.commit()?;
        tracing::debug!(container = key.container_id, "attachment recorded");
        Ok(())
    }

    /// Whether attachments are recorded whose addresses are another plugin's business.
    pub fn has_addressless(&self) -> Result<bool, RecordsError> {
        let ledger = match self.read() {
            // What is recorded there cannot be known, and this must not be in the way of DEL.
            Err(RecordsError::Store(StoreError::Damaged { .. })) => return Ok(false),
            opened => opened?,
        };
        let Some(ledger) = ledger else { return Ok(false) };
        Ok(ledger.attachments()?.iter().any(|(_, record)| record.addresses.is_empty()))
    }

    /// What is recorded of an attachment.
    pub fn attachment(&self, key: &AttachmentKey) -> Result<Option<AttachmentRecord>, RecordsError> {
        self.read()?.map_or(Ok(None), |ledger| Ok(recorded(&ledger, key)?.map(|(_, record)| record)))
    }

    /// The same of several, read at one moment and in their order.
    pub fn known(&self, keys: &[&AttachmentKey]) -> Result<Vec<Option<AttachmentRecord>>, RecordsError> {
        let Some(ledger) = self.read()? else { return Ok(vec![None; keys.len()]) };
        let known = |key: &&AttachmentKey| Ok(recorded(&ledger, key)?.map(|(_, record)| record));
        keys.iter().map(known).collect()
    }

    /// Records of attachments whether they are masqueraded. Those that ended meanwhile are left out.
    pub fn put_masquerades(&self, masquerades: &[(AttachmentKey, Masquerade)]) -> Result<(), RecordsError> {
        if masquerades.is_empty() {
            return Ok(());
        }
        let mut ledger = self.write()?;
        for (key, masquerade) in masquerades {
            ledger.put_masquerade(key, masquerade)?;
        }
        Ok(ledger.commit()?)
    }

    /// The same, with what else liveness depends on.
    pub fn held(&self, key: &AttachmentKey) -> Result<Option<Held>, RecordsError> {
        let Some(ledger) = self.read()? else { return Ok(None) };
        let Some((key, record)) = recorded(&ledger, key)? else { return Ok(None) };
        let adopted_from = ledger.adoption()?.map(|adoption| adoption.from).unwrap_or_default();
        Ok(Some(Held { network: self.network.as_str().to_owned(), key, record, adopted_from }))
    }

    pub fn directory(&self) -> &Path {
        self.directory
    }

    /// All attachments.
    pub fn attachments(&self) -> Result<Vec<(AttachmentKey, AttachmentRecord)>, RecordsError> {
        self.read()?.map_or(Ok(Vec::new()), |ledger| Ok(ledger.attachments()?))
    }

    /// Whether certainly no attachment is masqueraded. Many are not looked at one by one.
    pub fn has_no_masquerade(&self) -> Result<bool, RecordsError> {
        let ledger = match self.read() {
            // There may be one.
            Err(RecordsError::Store(StoreError::Damaged { .. })) => return Ok(false),
            opened => opened?,
        };
        let Some(ledger) = ledger else { return Ok(true) };
        if ledger.attachment_count()? > LOOKED_AT_MOST {
            return Ok(false);
        }
        Ok(ledger.attachments()?.iter().all(|(_, record)| record.masqueraded().is_empty()))
    }

    /// Waits for the masquerade's lock; see [`lock::nat`].
    pub fn lock_nat(&self) -> Result<Option<Lock>, RecordsError> {
        Ok(lock::nat(self.directory)?)
    }

    /// Keeps GC out; see [`lock::keep_gc_out`].
    pub fn keep_gc_out(&self) -> Result<Option<Lock>, RecordsError> {
        Ok(lock::keep_gc_out(self.directory)?)
    }

    /// Waits until no ADD is under way, and keeps new ones waiting.
    pub fn keep_adds_out(&self) -> Result<Option<Lock>, RecordsError> {
        Ok(lock::keep_adds_out(self.directory)?)
    }
}
