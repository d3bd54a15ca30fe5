//! What this node keeps of a network's cluster in its local store: one JSON value, of one of two kinds.

use gingham_engine::ledger::{Ledger, LedgerQueries};
use gingham_ownership::local::{LocalState, MembershipState};
use serde::{Deserialize, Serialize};

use crate::Cluster;
use crate::error::{Fault, settings};
use crate::node_identity;

/// What is kept of a fixed list of members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FixedState {
    /// This node.
    pub(crate) node: String,
    /// All members, sorted.
    pub(crate) fixed_members: Vec<String>,
    /// Of the policy's configuration that the share was made with.
    pub(crate) config: String,
    /// This node's share, as `FIRST-LAST`.
    pub(crate) share: Vec<String>,
}

/// Whether a node called its cluster store and never joined.
pub(crate) fn is_new(local: &LocalState) -> bool {
    local.membership() == MembershipState::New
}

pub(crate) fn another_store() -> Fault {
    settings(
        "cluster.store",
        "this node's blocks are recorded in another store, and in this one other nodes may claim them: move the cluster \
         (ginghamctl cluster migrate), or restore the key",
    )
}

/// What is kept.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    /// Nothing: no cluster was ever used here.
    Nothing,
    /// A member of a cluster with a store.
    Shared(LocalState),
    /// A member of a fixed list.
    Fixed(FixedState),
}

impl Cluster<'_> {
    /// Reads what is kept.
    pub(crate) fn kept<L: LedgerQueries>(&self, ledger: &L) -> Result<Kept, Fault> {
        let Some(bytes) = ledger.cluster_state()? else { return Ok(Kept::Nothing) };
        if let Ok(fixed) = serde_json::from_slice::<FixedState>(&bytes) {
            return Ok(Kept::Fixed(fixed));
        }
        let local =
            LocalState::read(&bytes, self.boot).map_err(|error| Fault::Unreadable { reason: error.to_string() })?;
        Ok(Kept::Shared(local))
    }

    /// The state of a member of a cluster with a store; a new one if nothing was ever kept.
    ///
    /// A node that handed out addresses without a cluster cannot join one: another node may have given out the same.
    pub(crate) fn local<L: LedgerQueries>(&self, ledger: &L) -> Result<LocalState, Fault> {
        self.local_of(self.kept(ledger)?, ledger)
    }

    /// The same of what was read before.
    pub(crate) fn local_of<L: LedgerQueries>(&self, kept: Kept, ledger: &L) -> Result<LocalState, Fault> {
        let is_first = matches!(&kept, Kept::Nothing) || matches!(&kept, Kept::Shared(local) if is_new(local));
        if is_first && ledger.attachment_count()? > 0 {
            return Err(settings(
                "cluster.store",
                "cannot join: containers have addresses from before this network had a cluster, and other nodes may \
                 hand out the same addresses; delete these containers first, or use a network of another name",
            ));
        }
        let kind = self.store_kind();
        match kept {
            Kept::Shared(local) if !self.is_ours(&local) => Err(another_store()),
            Kept::Shared(local) if is_new(&local) => Ok(LocalState::new(&self.node, local.disk()).of_store(kind)),
            Kept::Shared(local) if local.node() == self.node => Ok(local),
            Kept::Shared(local) => Err(settings(
                "cluster.node",
                format!(
                    "this node is {:?} in the cluster of network {}, and the configuration (or the host name) has {:?}; keep \
                     the name, or run ginghamctl cluster leave first",
                    local.node(),
                    self.network,
                    self.node
                ),
            )),
            Kept::Fixed(_) => Err(settings(
                "cluster.store",
                "this network was divided among the members of a fixed list; use another network name for a cluster with a store",
            )),
            Kept::Nothing => Ok(LocalState::new(&self.node, &node_identity::new_disk_id()?).of_store(kind)),
        }
    }

    pub(crate) fn is_ours(&self, local: &LocalState) -> bool {
        is_new(local) || local.store() == self.store_kind()
    }

    /// Only the Kubernetes API is told apart: nothing was ever moved between the others.
    pub(crate) fn store_kind(&self) -> &'static str {
        if self.has_leases() { "kubernetes" } else { "" }
    }

    pub(crate) fn keep_fixed<L: Ledger>(ledger: &mut L, fixed: &FixedState) -> Result<(), Fault> {
        let bytes = serde_json::to_vec(fixed).map_err(|error| Fault::Unreadable { reason: error.to_string() })?;
        Ok(ledger.put_cluster_state(&bytes)?)
    }
}
