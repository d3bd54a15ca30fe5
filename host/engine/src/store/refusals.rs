//! What pods were refused, until the node agent has made Events of it.

use heed::RwTxn;

use super::environment::{Durability, Environment};
use super::key;
use super::snapshot::Snapshot;
use super::{Store, StoreError, StoreReader};
use crate::pod_refusal::{MOST_REFUSALS, PodRefusal};

impl Store {
    /// Leaves a refusal for the agent; one more of its kind if the pod's last one still waits.
    ///
    /// # Errors
    /// Any [`StoreError`]; nothing is left then.
    pub fn leave_refusal(self, refusal: PodRefusal) -> Result<(), StoreError> {
        let Some(key) = key_of(&refusal) else { return Ok(()) };
        let txn = self.environment.read()?;
        let snapshot = Snapshot::new(&self.environment, &txn);
        let (mut waiting, mut earlier) = (0, None);
        snapshot.scan(key::REFUSALS, |found, value| {
            waiting += 1;
            if found == key {
                earlier = Some(read(&snapshot, value)?);
            }
            Ok(true)
        })?;
        drop(txn);
        if earlier.is_none() && waiting >= MOST_REFUSALS {
            return Ok(());
        }
        let refusal = match &earlier {
            Some(earlier) if earlier.pod == refusal.pod => refusal.after(earlier),
            _ => refusal,
        };
        let mut txn = self.environment.write()?;
        put(&self.environment, &mut txn, &key, &refusal)?;
        self.environment.commit(txn, Durability::LastMayBeUndone)
    }

    /// Forgets refusals that were reported. What came meanwhile stays.
    ///
    /// # Errors
    /// Any [`StoreError`]; they all wait then.
    pub fn forget_refusals(self, reported: &[PodRefusal]) -> Result<(), StoreError> {
        let read = self.environment.read()?;
        let waiting = read_all(&Snapshot::new(&self.environment, &read))?;
        drop(read);
        let mut txn = self.environment.write()?;
        for (now, was) in waiting.iter().filter_map(|now| Some((now, reported.iter().find(|was| is_same(now, was))?))) {
            let Some(key) = key_of(now) else { continue };
            if now.count > was.count {
                let since = PodRefusal { count: now.count - was.count, ..now.clone() };
                put(&self.environment, &mut txn, &key, &since)?;
            } else {
                self.environment.tree().delete(&mut txn, &key).map_err(|error| fault(&self.environment, error))?;
            }
        }
        self.environment.commit(txn, Durability::LastMayBeUndone)
    }
}

impl StoreReader {
    /// Those that wait, by pod.
    pub fn refusals(&self) -> Result<Vec<PodRefusal>, StoreError> {
        let txn = self.environment.read()?;
        read_all(&Snapshot::new(&self.environment, &txn))
    }
}

fn is_same(one: &PodRefusal, other: &PodRefusal) -> bool {
    (&one.network, &one.pod, one.reason) == (&other.network, &other.pod, other.reason)
}

/// None where the runtime named no pod, or one that has no name in Kubernetes.
fn key_of(refusal: &PodRefusal) -> Option<Vec<u8>> {
    let (namespace, name) = (refusal.pod.namespace.as_ref()?, refusal.pod.name.as_ref()?);
    key::refusal(&format!("{namespace}/{name}\0{}\0{}", refusal.reason.name(), refusal.network))
}

fn read_all(snapshot: &Snapshot<'_>) -> Result<Vec<PodRefusal>, StoreError> {
    let mut all = Vec::new();
    snapshot.scan(key::REFUSALS, |_, value| {
        all.push(read(snapshot, value)?);
        Ok(true)
    })?;
    Ok(all)
}

fn read(snapshot: &Snapshot<'_>, value: &[u8]) -> Result<PodRefusal, StoreError> {
    serde_json::from_slice(value).map_err(|_| snapshot.broken("a refusal"))
}

fn put<'e>(
    environment: &'e Environment,
    txn: &mut RwTxn<'e>,
    key: &[u8],
    refusal: &PodRefusal,
) -> Result<(), StoreError> {
    let json = serde_json::to_vec(refusal).map_err(|error| fault(environment, heed::Error::Encoding(error.into())))?;
    environment.tree().put(txn, key, &json).map_err(|error| fault(environment, error))
}

fn fault(environment: &Environment, error: heed::Error) -> StoreError {
    StoreError::lmdb("keep refusals in the lease store", environment.path(), error)
}
