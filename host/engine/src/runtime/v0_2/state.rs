//! Interface `state`: a policy's own keys and values.

use super::bindings::gingham::ipam::state as wit;
use crate::runtime::state::HostState;
use crate::runtime::view::StateError;
use crate::runtime::weight::Weight;

impl wit::Host for HostState {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.charge_for(key.len())?;
        let Some(view) = &mut self.view else { return Ok(None) };
        let value = view.state_value(&key)?;
        self.charge_for(value.as_ref().map_or(0, Vec::len))?;
        Ok(value)
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), wit::StateError>> {
        self.charge_for(key.len() + value.len())?;
        let Some(view) = &mut self.view else { return Ok(Ok(())) };
        Ok(view.set_state(&key, value)?.map_err(|error| match error {
            StateError::Full => wit::StateError::Full,
            StateError::BadKey => wit::StateError::BadKey,
            StateError::TooLong => wit::StateError::TooLong,
        }))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.charge_for(key.len())?;
        self.view.as_mut().map_or(Ok(()), |view| Ok(view.delete_state(&key)?))
    }

    fn keys(&mut self, prefix: String, after: Option<String>) -> wasmtime::Result<Vec<String>> {
        self.charge_for(prefix.len() + after.bytes())?;
        let Some(view) = &mut self.view else { return Ok(Vec::new()) };
        let keys = view.state_keys(&prefix, after.as_deref())?;
        self.charge_for(keys.bytes())?;
        Ok(keys)
    }
}
