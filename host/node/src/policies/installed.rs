//! What the names of policies stand for on this node, read again only after a change on disk: machine code is loaded for it.

use std::collections::BTreeMap;

use tracing::debug;

use super::installation;
use super::turn::Found;
use crate::disk_state::DiskState;
use crate::facts::Places;

pub(super) struct InstalledPolicies {
    places: Places,
    disk: DiskState,
    found: BTreeMap<String, Option<Found>>,
}

impl InstalledPolicies {
    pub(super) fn new(places: &Places) -> Self {
        let disk = DiskState::of([places.library.clone()]);
        Self { places: places.clone(), disk, found: BTreeMap::new() }
    }

    /// Whether the library may have changed since this was called last. Then everything is read again.
    pub(super) fn has_changed(&mut self) -> bool {
        let has_changed = self.disk.has_changed();
        if has_changed {
            self.found.clear();
        }
        has_changed
    }

    pub(super) fn find(&mut self, name: &str) -> Option<Found> {
        match self.found.get(name) {
            Some(found) => found.clone(),
            None => self.find_again(name),
        }
    }

    /// After this agent has changed it.
    pub(super) fn find_again(&mut self, name: &str) -> Option<Found> {
        debug!(policy = name, "loading machine code for a report");
        let found = installation::found(name, &self.places);
        self.found.insert(name.to_owned(), found.clone());
        found
    }
}
