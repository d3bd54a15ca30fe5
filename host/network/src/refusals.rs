//! What a pod is refused is left for the node agent, which makes an Event of it: people look at the pod, not at logs of
//! runtimes.

use gingham_cni::error::Code;
use gingham_engine::attachment::Pod;
use gingham_engine::clock;
use gingham_engine::pod_refusal::{PodRefusal, RefusalReason};
use gingham_engine::store::Store;

use crate::address_management::AddressManagement;
use crate::error::NetworkError;
use crate::records::{Records, RecordsError};

impl AddressManagement<'_> {
    /// Leaves what an ADD failed for, if it is a refusal and an agent makes Events. That it cannot be left is no reason for
    /// another error.
    pub fn leave_refusal(&self, error: &NetworkError, records: &Records<'_>) {
        // Others are faults of this node or its configuration: they are in its log, and the Event would hide the cause.
        if ![Code::TRY_AGAIN, Code::EXHAUSTED, Code::DENIED].contains(&error.code) {
            return;
        }
        let pod = self.request.pod();
        if pod.namespace.is_none() || pod.name.is_none() {
            return;
        }
        if let Err(fault) = self.leave(pod, error, records) {
            tracing::debug!("the refusal is not left for the node agent: {fault}");
        }
    }

    fn leave(&self, pod: Pod, error: &NetworkError, records: &Records<'_>) -> Result<(), RecordsError> {
        let is_reported = records.reader()?.map_or(Ok(false), |store| store.feed().map(|feed| feed.events))?;
        if !is_reported {
            return Ok(());
        }
        let reason = RefusalReason::of(self.last_refusal.get());
        let refusal = PodRefusal::new(self.call.config.name.as_str(), pod, reason, &error.to_string(), clock::now());
        Ok(Store::open(records.directory(), records.boot(), records.now())?.leave_refusal(refusal)?)
    }
}
