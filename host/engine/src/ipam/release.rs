//! The end of an attachment.

use std::net::IpAddr;

use super::error::{IpamError, call_error};
use super::prepared::prepare;
use crate::attachment::{AttachmentKey, Ended};
use crate::ledger::{AttachmentRecord, Ledger, recorded};
use crate::network_view::NetworkView;
use crate::runtime::{CallError, LogLevel, LogLine, Policy};
use crate::settings::Settings;
use crate::store_error::StoreError;

/// Ends an attachment: its leases are freed and cool, whatever the policy thinks. Unknown attachments are no error.
///
/// A policy that wants to know is told within the same transaction; its failure is logged and changes nothing.
///
/// # Errors
/// If the store fails; then nothing has changed.
pub fn release<L: Ledger + 'static>(
    ledger: L,
    key: &AttachmentKey,
    now: u64,
    policy: Option<(&Policy, &Settings)>,
    log: &mut Vec<LogLine>,
) -> Result<Option<AttachmentRecord>, StoreError> {
    end(ledger, key, now, policy, log, |ledger, key| ledger.detach(key, now))
}

/// Ends an attachment whose addresses no container ever had: the same, but they are free immediately. Those of `cooling`
/// go on cooling, as in [`Granted::cooling`](super::Granted::cooling).
///
/// # Errors
/// If the store fails; then nothing has changed.
pub fn withdraw<L: Ledger + 'static>(
    ledger: L,
    key: &AttachmentKey,
    now: u64,
    cooling: &[(IpAddr, u64)],
    policy: Option<(&Policy, &Settings)>,
    log: &mut Vec<LogLine>,
) -> Result<Option<AttachmentRecord>, StoreError> {
    end(ledger, key, now, policy, log, |ledger, key| ledger.withdraw(key, cooling))
}

fn end<L: Ledger + 'static>(
    mut ledger: L,
    key: &AttachmentKey,
    now: u64,
    policy: Option<(&Policy, &Settings)>,
    log: &mut Vec<LogLine>,
    forget: impl FnOnce(&mut L, &AttachmentKey) -> Result<Option<AttachmentRecord>, StoreError>,
) -> Result<Option<AttachmentRecord>, StoreError> {
    let Some((known_as, _)) = recorded(&ledger, key)? else { return Ok(None) };
    let Some(record) = forget(&mut ledger, &known_as)? else { return Ok(None) };
    let told = policy.filter(|(policy, _)| policy.has_release());
    let ledger = match told {
        None => ledger,
        Some((policy, settings)) => {
            let ended = Ended { key: key.clone(), addresses: record.addresses.clone(), pod: record.pod.clone(), now };
            tell(ledger, policy, settings, &ended, log)?
        }
    };
    ledger.commit()?;
    Ok(Some(record))
}

fn tell<L: Ledger + 'static>(
    ledger: L,
    policy: &Policy,
    settings: &Settings,
    ended: &Ended,
    log: &mut Vec<LogLine>,
) -> Result<L, StoreError> {
    let mut prepared = match prepare::<L>(policy, settings, log) {
        Ok(prepared) => prepared,
        Err(IpamError::Store(store)) => return Err(store),
        Err(error) => {
            log.push(not_told(&error.to_string()));
            return Ok(ledger);
        }
    };
    prepared.session.show(NetworkView::new(ledger, prepared.pools.clone(), settings.exclude.clone())?);
    let result = prepared.session.release(&settings.policy_config, ended);
    log.append(&mut prepared.session.take_log());
    let view = prepared.session.hide().ok_or(StoreError::Lost)?;
    match result {
        Ok(()) => view.into_ledger(),
        Err(CallError::Store(store)) => Err(store),
        Err(error @ (CallError::Policy(_) | CallError::Process(_))) => {
            log.push(not_told(&call_error(policy, error).to_string()));
            Ok(view.into_ledger_without_notes())
        }
    }
}

fn not_told(reason: &str) -> LogLine {
    LogLine { level: LogLevel::Warn, message: format!("the address is free, but the policy was not told: {reason}") }
}
