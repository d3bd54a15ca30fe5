//! The network's object: created if it is missing, and watched.

use gingham_kubernetes::{Api, ApiError, Event, Next, Resource, SILENCE, Selection, Stop};
use serde_json::Value;

use super::values::Values;
use super::{KubernetesNodeError, deadline};

pub(super) struct NetworkObject<'a> {
    api: &'a Api,
    values: &'a Values,
}

impl<'a> NetworkObject<'a> {
    pub(super) fn new(api: &'a Api, values: &'a Values) -> Self {
        Self { api, values }
    }

    /// Calls `changed` with the object as it is, and with each change of it, until the watch ends or something fails.
    pub(super) fn follow(
        &mut self,
        mut changed: impl FnMut(&Value) -> Result<(), KubernetesNodeError>,
    ) -> Result<(), KubernetesNodeError> {
        let (networks, name) = (Resource::networks(), &self.values.name);
        let selection = Selection::fields(&format!("metadata.name={name}"));
        let listed = self.api.list(&networks, &selection, deadline())?;
        match listed.items.first() {
            Some(object) => changed(object)?,
            None => self.create()?,
        }
        let mut watch = self.api.watch(&networks, &selection, &listed.version, &Stop::new(), deadline())?;
        loop {
            match watch.next(SILENCE) {
                Next::Event(Event::Added(object) | Event::Modified(object)) => changed(&object)?,
                // The node's configuration stays: pods use the network. An object that is missing is created by the next list.
                // After silence the connection may be dead.
                Next::Event(Event::Deleted(_)) | Next::Ended(_) | Next::Expired(_) | Next::Stopped | Next::Silence => {
                    return Ok(());
                }
                Next::Event(Event::Bookmark(_)) => {}
            }
        }
    }

    /// Another agent may be first.
    fn create(&self) -> Result<(), KubernetesNodeError> {
        match self.api.create(&Resource::networks(), &self.values.object(), deadline()) {
            Err(ApiError::Refused { status, .. }) if status.code == 409 => Ok(()),
            created => Ok(created.map(drop)?),
        }
    }
}
