//! What another version of a network's policy makes of requests that the present one grants, found out without changing
//! anything.

use gingham_engine::attachment::{AttachmentKey, Pod};
use gingham_engine::ipam::IpamError;
use gingham_engine::memory_ledger::MemoryStore;
use gingham_engine::runtime::Policy;

use super::TriedPod;
use crate::error::NetworkError;
use crate::network::{Addresses, Network};

/// Each is asked of both versions.
const MOST_PODS: usize = 8;

/// A request that the present version of a policy grants and another one refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub pod: Pod,
    /// In the policy's words.
    pub reason: String,
}

impl Network {
    /// The first such request, if addresses come from the policy of this name: of a pod of which nothing is known, and of some
    /// that have addresses now.
    ///
    /// # Errors
    /// [`NetworkError`] if the present version cannot be asked.
    pub fn refused_by(&self, name: &str, new: &Policy) -> Result<Option<Refusal>, NetworkError> {
        let Some(addresses) = self.addresses()?.filter(|addresses| addresses.choice.name == name) else {
            return Ok(None);
        };
        let present = addresses.management.policy(&addresses.choice)?;
        for pod in addresses.pods_to_try()? {
            if addresses.refusal(present, &pod)?.is_none()
                && let Some(reason) = addresses.refusal(new, &pod)?
            {
                return Ok(Some(Refusal { pod, reason }));
            }
        }
        Ok(None)
    }
}

impl Addresses<'_> {
    fn pods_to_try(&self) -> Result<Vec<Pod>, NetworkError> {
        let mut pods = vec![Pod::default()];
        if let Some(ledger) = self.management.records()?.look()? {
            use gingham_engine::ledger::LedgerQueries as _;
            let attached = ledger.attachments()?.into_iter().filter(|(key, _)| !key.is_nodes_own());
            pods.extend(attached.map(|(_, record)| record.pod).take(MOST_PODS - 1));
        }
        Ok(pods)
    }

    /// Why a version refuses the request; none if it grants it, and if it fails: that is found out where it serves.
    fn refusal(&self, policy: &Policy, pod: &Pod) -> Result<Option<String>, NetworkError> {
        let key = AttachmentKey { container_id: "dry-run".to_owned(), interface: "eth0".to_owned() };
        let part = self.part_of_node(policy)?;
        let tried = TriedPod { pod: pod.clone(), ..TriedPod::default() };
        Ok(match self.ask(&MemoryStore::new(), (policy, part.as_ref()), key, &tried)? {
            Err(error @ IpamError::Refused { .. }) => Some(error.to_string()),
            Ok(_) | Err(_) => None,
        })
    }
}
