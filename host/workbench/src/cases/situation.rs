//! What is there before the first step of a case, and that a node could be in it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use gingham_engine::ledger;
use gingham_engine::network_view::{KEY_BYTES, VALUE_BYTES};

use super::file::{Case, Lease};
use super::run::attachment;
use crate::error::ScenarioError;
use crate::scenario::{Scenario, millis};

/// What CNI requires of a container's id.
pub(super) const ID_RULE: &str =
    "use a letter or digit, then letters, digits, `_`, `.` and `-`, at most 255 bytes in all, as CNI requires";

const LONGEST_ID: usize = 255;

/// A situation that no node is in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SituationError {
    #[error("`leases` names {address} twice: an address has one holder")]
    LeasedTwice { address: IpAddr },
    #[error("`leases` names interface {interface} of container {container:?} twice: list its addresses in one entry")]
    AttachedTwice { container: String, interface: String },
    #[error("`reservations` names {address} twice: an address has one reservation")]
    ReservedTwice { address: IpAddr },
    #[error("invalid container id {id:?} in `leases`: {ID_RULE}")]
    ContainerId { id: String },
    #[error("a key of `{name}` has {length} bytes: a node keeps keys of 1 to {KEY_BYTES} bytes")]
    StateKey { name: &'static str, length: usize },
    #[error("the value of {key:?} in `{name}` has {length} bytes: a node keeps values of at most {VALUE_BYTES} bytes")]
    StateValue { name: &'static str, key: String, length: usize },
}

/// Puts what is there before the first step of a case into a scenario: leases, reservations and state.
pub fn record(scenario: &mut Scenario, case: &Case) -> Result<(), ScenarioError> {
    check(case)?;
    let now = scenario.now();
    scenario.set_attachments(case.leases.iter().map(|lease| attachment(lease, now)))?;
    for reservation in &case.reservations {
        let until = now.saturating_add(millis(reservation.holds.0));
        let (key, address) = (reservation.key.clone(), reservation.address);
        scenario.set_reservation(&ledger::Reservation { address, key, until })?;
    }
    case.state.iter().try_for_each(|(key, value)| scenario.set_state(key, Some(value.as_bytes())))
}

fn check(case: &Case) -> Result<(), SituationError> {
    check_leases(&case.leases)?;
    let mut reserved = BTreeSet::new();
    if let Some(twice) = case.reservations.iter().find(|reservation| !reserved.insert(reservation.address)) {
        return Err(SituationError::ReservedTwice { address: twice.address });
    }
    case.state.iter().try_for_each(|(key, value)| check_state("state", key, value))
}

fn check_leases(leases: &[Lease]) -> Result<(), SituationError> {
    let (mut addresses, mut attachments) = (BTreeSet::new(), BTreeSet::new());
    for lease in leases {
        if !is_container_id(&lease.container) {
            return Err(SituationError::ContainerId { id: lease.container.clone() });
        }
        let interface = lease.interface.as_deref().unwrap_or("eth0");
        if !attachments.insert((&lease.container, interface)) {
            let (container, interface) = (lease.container.clone(), interface.to_owned());
            return Err(SituationError::AttachedTwice { container, interface });
        }
        if let Some(twice) = lease.address.0.iter().find(|address| !addresses.insert(**address)) {
            return Err(SituationError::LeasedTwice { address: *twice });
        }
    }
    Ok(())
}

/// The bounds that a node has for the state of policies.
pub(super) fn check_state(name: &'static str, key: &str, value: &str) -> Result<(), SituationError> {
    if key.is_empty() || key.len() > KEY_BYTES {
        return Err(SituationError::StateKey { name, length: key.len() });
    }
    if value.len() > VALUE_BYTES {
        return Err(SituationError::StateValue { name, key: key.to_owned(), length: value.len() });
    }
    Ok(())
}

/// Whether a runtime could name a container so: the rule of the plugin, which this crate does not import.
pub(super) fn is_container_id(id: &str) -> bool {
    id.len() <= LONGEST_ID
        && id.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}
