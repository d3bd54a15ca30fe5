//! What was done, as steps of a case.

use std::collections::BTreeMap;
use std::time::Duration;

use gingham_engine::attachment::AttachmentKey;

use super::CheckError;
use crate::Scenario;
use crate::cases::{Expectation, Expected, Pause, RefusalKind, Step};

/// Steps, each with what came of it: only the last one is not as it should be.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
}

impl Script {
    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.push(Step { advance: Some(Pause(by)), ..Step::default() });
    }

    pub(super) fn set_back(&mut self, by: Duration) {
        self.push(Step { set_back: Some(Pause(by)), ..Step::default() });
    }

    pub(super) fn collect(&mut self, keys: &[AttachmentKey]) {
        if !keys.is_empty() {
            let containers = keys.iter().map(|key| key.container_id.clone()).collect();
            self.push(Step { gc: Some(containers), ..Step::default() });
        }
    }

    pub(super) fn expect(&mut self, expected: Expected) {
        if let Some(step) = self.steps.last_mut() {
            step.expect = Some(Expectation(Box::new(expected)));
        }
    }

    pub(super) fn expect_refusal(&mut self, kind: RefusalKind) {
        self.expect(Expected { refused: Some(kind), ..Expected::default() });
    }

    pub(super) fn expect_granted(&mut self) {
        if let Some(step) = self.steps.last_mut() {
            step.expect = None;
        }
    }

    pub(super) fn expect_no_reservation(&mut self) {
        self.expect(Expected { reservations: Some(BTreeMap::new()), ..Expected::default() });
    }

    /// The same without what changed nothing: refused ADDs, and DELs of what had ended.
    pub(super) fn without_idle_steps(&self) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let is_last = index + 1 == self.steps.len();
            let is_refused = step.expect.as_ref().is_some_and(|expected| expected.0.refused.is_some());
            let is_repeated = step.del.is_some() && steps.last().is_some_and(|last| last.del == step.del);
            if is_last || !(is_repeated || step.add.is_some() && is_refused) {
                steps.push(step.clone());
            }
        }
        Self { steps }
    }

    /// The last ADD again, after all containers have ended and so long a time has passed.
    pub(super) fn repeat_later(&mut self, scenario: &Scenario, after: Duration) -> Result<(), CheckError> {
        let Some(add) = self.steps.last().cloned() else { return Ok(()) };
        let keys: Vec<AttachmentKey> = scenario.attachments()?.into_iter().map(|(key, _)| key).collect();
        self.collect(&keys);
        self.advance(scenario.settings().cooldown + after);
        self.push(Step { expect: None, ..add });
        Ok(())
    }
}
