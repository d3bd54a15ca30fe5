//! Interface `state`: a policy's own keys and values.

use super::bindings::gingham::ipam::state as wit;
use crate::runtime::state::HostState;
use crate::runtime::view::{LeaseView, NoteError};
use crate::runtime::weight::Weight;

impl<V: LeaseView + 'static> wit::Host for HostState<V> {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.charge_for(key.len())?;
        let Some(view) = &mut self.view else { return Ok(None) };
        let note = view.note(&key)?;
        self.charge_for(note.as_ref().map_or(0, Vec::len))?;
        Ok(note)
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), wit::StateError>> {
        self.charge_for(key.len() + value.len())?;
        let Some(view) = &mut self.view else { return Ok(Ok(())) };
        Ok(view.set_note(&key, value)?.map_err(|error| match error {
            NoteError::Full => wit::StateError::Full,
            NoteError::BadKey => wit::StateError::BadKey,
            NoteError::TooLong => wit::StateError::TooLong,
        }))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.charge_for(key.len())?;
        self.view.as_mut().map_or(Ok(()), |view| Ok(view.delete_note(&key)?))
    }

    fn keys(&mut self, prefix: String, after: Option<String>) -> wasmtime::Result<Vec<String>> {
        self.charge_for(prefix.len() + after.bytes())?;
        let Some(view) = &mut self.view else { return Ok(Vec::new()) };
        let keys = view.note_keys(&prefix, after.as_deref())?;
        self.charge_for(keys.bytes())?;
        Ok(keys)
    }
}
