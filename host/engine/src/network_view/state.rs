//! Interface `state`: a policy's own keys and values, with what one call of it changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::{KEY_BYTES, NetworkView};
use crate::ledger::{Ledger, LedgerQueries};
use crate::runtime::view::{StateError, StateView, ViewError};
use crate::store_error::StoreError;

/// Bytes of a network's policy state: keys and values.
pub const STATE_BYTES: u64 = 1 << 20;
pub const VALUE_BYTES: usize = 64 << 10;
const KEYS_LISTED: usize = 1000;

/// Where the bytes of a shadow's state are counted.
const SHADOW_SIZE: &str = "size";

/// Whose state it is: the two policies see nothing of each other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateOwner {
    Policy,
    Shadow,
}

/// The changes of one call, beside the ledger; no value stands for a deleted key.
#[derive(Debug)]
pub(super) struct StateChanges {
    pub(super) owner: StateOwner,
    by_key: BTreeMap<String, Option<Vec<u8>>>,
    /// Bytes of all keys and values with these changes.
    size: u64,
}

impl StateChanges {
    pub(super) fn new(owner: StateOwner, ledger: &impl LedgerQueries) -> Result<Self, StoreError> {
        let size = match owner {
            StateOwner::Policy => ledger.state_size()?,
            StateOwner::Shadow => {
                let digits = ledger.shadow_value(SHADOW_SIZE)?.and_then(|digits| String::from_utf8(digits).ok());
                digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
            }
        };
        Ok(Self { owner, by_key: BTreeMap::new(), size })
    }

    pub(super) fn write<L: Ledger>(&self, ledger: &mut L) -> Result<(), StoreError> {
        match self.owner {
            StateOwner::Policy => {
                self.by_key.iter().try_for_each(|(key, value)| ledger.put_state(key, value.as_deref()))
            }
            StateOwner::Shadow if self.by_key.is_empty() => Ok(()),
            StateOwner::Shadow => {
                let mut values = self.by_key.iter();
                values.try_for_each(|(key, value)| ledger.put_shadow_value(&of_shadow(key), value.as_deref()))?;
                ledger.put_shadow_value(SHADOW_SIZE, Some(self.size.to_string().as_bytes()))
            }
        }
    }

    fn recorded(&self, ledger: &impl LedgerQueries, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.owner {
            StateOwner::Policy => ledger.state_value(key),
            StateOwner::Shadow => ledger.shadow_value(&of_shadow(key)),
        }
    }

    fn recorded_keys(
        &self,
        ledger: &impl LedgerQueries,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        match self.owner {
            StateOwner::Policy => ledger.state_keys(prefix, after, most),
            StateOwner::Shadow => {
                let keys = ledger.shadow_keys(&of_shadow(prefix), after.map(of_shadow).as_deref(), most)?;
                Ok(keys.into_iter().map(|key| key[1..].to_owned()).collect())
            }
        }
    }

    /// The changed keys with this prefix: those with a value, and the deleted ones.
    fn with_prefix(&self, prefix: &str) -> (BTreeSet<String>, BTreeSet<String>) {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let of_prefix = self.by_key.range::<str, _>(from).take_while(|(key, _)| key.starts_with(prefix));
        let (mut set, mut deleted) = (BTreeSet::new(), BTreeSet::new());
        for (key, value) in of_prefix {
            let kind = if value.is_some() { &mut set } else { &mut deleted };
            kind.insert(key.clone());
        }
        (set, deleted)
    }
}

impl<L: LedgerQueries> StateView for NetworkView<L> {
    fn state_value(&mut self, key: &str) -> Result<Option<Vec<u8>>, ViewError> {
        self.charge(1)?;
        match self.state.by_key.get(key) {
            Some(value) => Ok(value.clone()),
            None if key.is_empty() || key.len() > KEY_BYTES => Ok(None),
            None => Ok(self.state.recorded(&self.ledger, key)?),
        }
    }

    fn set_state(&mut self, key: &str, value: Vec<u8>) -> Result<Result<(), StateError>, ViewError> {
        if key.is_empty() || key.len() > KEY_BYTES {
            return Ok(Err(StateError::BadKey));
        }
        if value.len() > VALUE_BYTES {
            return Ok(Err(StateError::TooLong));
        }
        let before = self.state_value(key)?.map_or(0, |old| key.len() + old.len());
        let size = (self.state.size + (key.len() + value.len()) as u64).saturating_sub(before as u64);
        if size > STATE_BYTES {
            return Ok(Err(StateError::Full));
        }
        self.state.size = size;
        self.state.by_key.insert(key.to_owned(), Some(value));
        Ok(Ok(()))
    }

    fn delete_state(&mut self, key: &str) -> Result<(), ViewError> {
        if let Some(old) = self.state_value(key)? {
            self.state.size = self.state.size.saturating_sub((key.len() + old.len()) as u64);
            self.state.by_key.insert(key.to_owned(), None);
        }
        Ok(())
    }

    fn state_keys(&mut self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, ViewError> {
        if prefix.len() > KEY_BYTES {
            return Ok(Vec::new());
        }
        let after = after.map(|after| &after[..after.floor_char_boundary(KEY_BYTES)]);
        let (mut keys, deleted) = self.state.with_prefix(prefix);
        let steps = keys.len() + deleted.len();
        keys.retain(|key| after.is_none_or(|after| key.as_str() > after));
        // As many more as are deleted.
        let listed = self.state.recorded_keys(&self.ledger, prefix, after, KEYS_LISTED + deleted.len())?;
        self.charge((steps + listed.len()) as u64)?;
        keys.extend(listed.into_iter().filter(|key| !deleted.contains(key)));
        Ok(keys.into_iter().take(KEYS_LISTED).collect())
    }
}

/// Not among the host's own keys for the shadow.
fn of_shadow(key: &str) -> String {
    format!("={key}")
}
