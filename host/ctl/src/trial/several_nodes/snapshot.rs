//! The cluster as one of its nodes shows it, and whether it is as it should be.

use super::node::{NodeError, Trial};
use super::nodes::TrialNode;
use crate::membership::{Snapshot, show};
use crate::output::Output;

/// The cluster as `ginghamctl cluster status` shows it on a node. A fault is the store's, and fails.
pub(super) fn snapshot(trial: &Trial<'_>, node: &TrialNode) -> Result<(Snapshot, String), NodeError> {
    trial.administer(node, |session| {
        let (snapshot, fault) = Snapshot::of(session)?;
        if let Some(fault) = fault {
            return Err(session.fault(fault));
        }
        let mut text = Output::Collected(Vec::new());
        show(&snapshot, &mut text)?;
        Ok((snapshot, text.into_text()))
    })
}
