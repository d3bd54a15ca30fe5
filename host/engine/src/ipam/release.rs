//! The end of an attachment.

use super::error::{IpamError, call_error};
use super::prepared::prepare;
use super::shadow::{self, ShadowPolicy};
use crate::attachment::{Adopted, AttachmentKey, Context, Ended};
use crate::ledger::{AttachmentRecord, Cooling, Ledger, recorded};
use crate::network_view::NetworkView;
use crate::runtime::{CallError, LogLevel, LogLine, Policy, Session};
use crate::settings::Settings;
use crate::store_error::StoreError;

/// Who wants to know that an attachment ended: the network's policy, and its shadow.
#[derive(Clone, Copy, Default)]
pub struct Hooks<'h> {
    pub policy: Option<(&'h Policy, &'h Settings, &'h Context)>,
    pub shadow: Option<(&'h ShadowPolicy, &'h Context)>,
}

impl<'h> From<Option<(&'h Policy, &'h Settings, &'h Context)>> for Hooks<'h> {
    fn from(policy: Option<(&'h Policy, &'h Settings, &'h Context)>) -> Self {
        Self { policy, shadow: None }
    }
}

/// Ends an attachment: its leases are freed and cool, whatever the policy thinks. Unknown attachments are no error.
///
/// A release hook is called within the same transaction; its failure is logged and changes nothing.
///
/// # Errors
/// If the store fails; then nothing has changed.
pub fn release<'h, L: Ledger + 'static>(
    ledger: L,
    key: &AttachmentKey,
    now: u64,
    policy: impl Into<Hooks<'h>>,
    log: &mut Vec<LogLine>,
) -> Result<Option<AttachmentRecord>, StoreError> {
    Ok(release_all(ledger, [key], now, policy, log)?.pop().map(|(_, record)| record))
}

/// Ends several attachments, as [`release`] does, in one transaction. Returns those that there were.
pub fn release_all<'k, 'h, L: Ledger + 'static>(
    mut ledger: L,
    keys: impl IntoIterator<Item = &'k AttachmentKey>,
    now: u64,
    policy: impl Into<Hooks<'h>>,
    log: &mut Vec<LogLine>,
) -> Result<Vec<(AttachmentKey, AttachmentRecord)>, StoreError> {
    let (policy, mut ended) = (policy.into(), Vec::new());
    for key in keys {
        let (rest, record) = end(ledger, key, now, policy, log, |ledger, key| ledger.detach(key, now))?;
        ledger = rest;
        ended.extend(record.map(|record| (key.clone(), record)));
    }
    if !ended.is_empty() {
        ledger.commit()?;
    }
    Ok(ended)
}

/// Ends an attachment whose addresses no container ever had: the same, but they are free immediately. Those of `cooling`
/// go on cooling, as in [`Granted::cooling`](super::Granted::cooling).
///
/// # Errors
/// If the store fails; then nothing has changed.
pub fn withdraw<'h, L: Ledger + 'static>(
    ledger: L,
    key: &AttachmentKey,
    now: u64,
    cooling: &[Cooling],
    policy: impl Into<Hooks<'h>>,
    log: &mut Vec<LogLine>,
) -> Result<Option<AttachmentRecord>, StoreError> {
    let (ledger, record) = end(ledger, key, now, policy.into(), log, |ledger, key| ledger.withdraw(key, cooling))?;
    if record.is_some() {
        ledger.commit()?;
    }
    Ok(record)
}

fn end<L: Ledger + 'static>(
    mut ledger: L,
    key: &AttachmentKey,
    now: u64,
    hooks: Hooks<'_>,
    log: &mut Vec<LogLine>,
    forget: impl FnOnce(&mut L, &AttachmentKey) -> Result<Option<AttachmentRecord>, StoreError>,
) -> Result<(L, Option<AttachmentRecord>), StoreError> {
    let Some((known_as, _)) = recorded(&ledger, key)? else { return Ok((ledger, None)) };
    let Some(record) = forget(&mut ledger, &known_as)? else { return Ok((ledger, None)) };
    let ended = || Ended { key: key.clone(), addresses: record.addresses.clone(), pod: record.pod.clone(), now };
    if let Some((policy, settings, context)) = hooks.policy.filter(|(policy, ..)| policy.has_release()) {
        let failed = "the address is free, but the release hook failed: ";
        ledger = call_hook(ledger, (policy, settings, context), now, failed, log, |session, config| {
            session.release(config, &ended())
        })?;
    }
    if let Some((shadow, context)) = hooks.shadow {
        ledger = shadow::release(ledger, shadow, &ended(), context, log)?;
    }
    Ok((ledger, Some(record)))
}

/// Calls the adoption hook, within the transaction that `ledger` is. What it writes is kept, and
/// a failure is logged: the leases are adopted whatever the policy thinks.
pub fn call_adoption_hook<L: Ledger + 'static>(
    ledger: L,
    (policy, settings, context): (&Policy, &Settings, &Context),
    adopted: &Adopted,
    log: &mut Vec<LogLine>,
) -> Result<L, StoreError> {
    let failed = "leases were adopted, but the adoption hook failed: ";
    let policy = (policy, settings, context);
    call_hook(ledger, policy, adopted.now, failed, log, |session, config| session.adopt(config, adopted))
}

fn call_hook<L: Ledger + 'static>(
    ledger: L,
    (policy, settings, context): (&Policy, &Settings, &Context),
    now: u64,
    failed: &str,
    log: &mut Vec<LogLine>,
    call: impl FnOnce(&mut Session, &str) -> Result<(), CallError>,
) -> Result<L, StoreError> {
    let failed = |reason: &str| LogLine { level: LogLevel::Warn, message: format!("{failed}{reason}") };
    let mut prepared = match prepare(policy, settings, context, log) {
        Ok(prepared) => prepared,
        Err(IpamError::Store(store)) => return Err(store),
        Err(error) => {
            log.push(failed(&error.to_string()));
            return Ok(ledger);
        }
    };
    let view = NetworkView::new(ledger, prepared.pools.clone(), settings.exclude.clone())?;
    prepared.session.show(view.at(now));
    let result = call(&mut prepared.session, &settings.policy_config);
    log.append(&mut prepared.session.take_log());
    let view: NetworkView<L> = prepared.session.hide().ok_or(StoreError::Lost)?;
    match result {
        Ok(()) => view.into_ledger(),
        Err(CallError::Store(store)) => Err(store),
        Err(error @ (CallError::Policy(_) | CallError::Process(_) | CallError::FactAwaited { .. })) => {
            log.push(failed(&call_error(policy, error).to_string()));
            Ok(view.into_ledger_without_changes())
        }
    }
}
