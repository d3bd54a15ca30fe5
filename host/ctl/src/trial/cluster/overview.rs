//! The cluster as one of its nodes shows it, and whether it is as it should be.

use super::node::{NodeError, Trial};
use super::nodes::TrialNode;
use crate::cluster::{Overview, show};
use crate::output::Output;

/// The cluster as `ginghamctl cluster status` shows it on a node. A fault is the store's, and fails.
pub(super) fn look(trial: &Trial<'_>, node: &TrialNode) -> Result<(Overview, String), NodeError> {
    trial.administer(node, |place| {
        let (overview, fault) = Overview::of(place)?;
        if let Some(fault) = fault {
            return Err(place.fault(fault));
        }
        let mut text = Output::Collected(Vec::new());
        show(&overview, &mut text)?;
        Ok((overview, text.into_text()))
    })
}
