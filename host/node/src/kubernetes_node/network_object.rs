//! The network's object: created if it is missing, and watched.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gingham_kubernetes::{Api, ApiError, Informer, InformerSettings, Resource, SILENCE, Selection, Signal};
use serde_json::Value;

use super::values::{Values, ValuesError};
use super::{KubernetesNodeError, deadline};

pub(super) struct NetworkObject<'a> {
    api: &'a Api,
    values: (&'a Path, &'a Values),
    signal: Arc<Signal>,
    seen: u64,
    informer: Informer,
    /// As it was taken last.
    taken: Option<Arc<Value>>,
}

impl<'a> NetworkObject<'a> {
    pub(super) fn new(api: &'a Api, values: (&'a Path, &'a Values)) -> Self {
        let signal = Arc::default();
        let selection = Selection::fields(&format!("metadata.name={}", values.1.name));
        let settings = InformerSettings { resource: Resource::networks(), selection, silence: SILENCE };
        let informer = Informer::start(api.clone(), settings, Some, &signal);
        Self { api, values, signal, seen: 0, informer, taken: None }
    }

    /// Calls `changed` if the object is another than in the last call that succeeded.
    pub(super) fn step(
        &mut self,
        changed: impl FnOnce(&Value) -> Result<(), KubernetesNodeError>,
    ) -> Result<(), KubernetesNodeError> {
        let Some(cached) = self.informer.cached() else {
            return self.informer.failure().map_or(Ok(()), |reason| Err(KubernetesNodeError::Watch(reason)));
        };
        // The node's configuration stays when the object is deleted: pods use the network.
        let Some(object) = cached.objects.values().next() else { return self.create() };
        // A member that joins makes the object as well, without what people decide.
        if object.pointer("/spec/config").is_none_or(Value::is_null) {
            return self.complete(object);
        }
        if self.taken.as_ref().is_some_and(|taken| Arc::ptr_eq(taken, object)) {
            return Ok(());
        }
        changed(object)?;
        self.taken = Some(Arc::clone(object));
        Ok(())
    }

    /// Until something is heard.
    pub(super) fn wait(&mut self, patience: Duration) {
        self.seen = self.signal.wait(self.seen, patience);
    }

    /// With the object's version, so that nothing that somebody writes meanwhile is lost.
    fn complete(&self, object: &Value) -> Result<(), KubernetesNodeError> {
        let (mut whole, wanted) = (object.clone(), self.wanted()?);
        whole["apiVersion"] = wanted["apiVersion"].clone();
        whole["kind"] = wanted["kind"].clone();
        whole["spec"]["config"] = wanted["spec"]["config"].clone();
        match self.api.replace(&Resource::networks(), None, &whole, deadline()) {
            Err(ApiError::Refused { status, .. }) if status.code == 409 => Ok(()),
            replaced => Ok(replaced.map(drop)?),
        }
    }

    /// Another agent may be first.
    fn create(&self) -> Result<(), KubernetesNodeError> {
        match self.api.create(&Resource::networks(), &self.wanted()?, deadline()) {
            Err(ApiError::Refused { status, .. }) if status.code == 409 => Ok(()),
            created => Ok(created.map(drop)?),
        }
    }

    /// The object of the values as they are now.
    fn wanted(&self) -> Result<Value, KubernetesNodeError> {
        let (directory, at_start) = self.values;
        let values = Values::read(directory)?;
        if values.name != at_start.name {
            let (before, now) = (at_start.name.clone(), values.name);
            return Err(ValuesError::OtherName { before, now }.into());
        }
        values.check()?;
        Ok(values.object())
    }
}
