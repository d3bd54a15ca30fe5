//! In which ways a store differs from one etcd that answers each call once, and what is done about it. Each can be
//! switched off.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // Switches, each for itself.
pub struct StoreProperties {
    /// A call may be carried out at any time after its sender has given up, also after a read did not find it.
    pub late_writes: bool,
    /// An update that changes nothing is answered as written, with the version that was there, and writes nothing.
    pub no_op_updates: bool,
    /// A list is two reads: that of the members comes after that of the blocks.
    pub split_lists: bool,
    /// Others write to records without changing what they say, which makes their versions later.
    pub foreign_writes: bool,
    /// Signs of life are Leases that machines renew without a process of ours, and that can be deleted while they run.
    pub leases: bool,
    /// Against no-op updates: below the protocol, each write gets a value that the record does not have yet.
    pub nonces: bool,
    /// Against split lists: the members are read as they were when the blocks were read.
    pub exact_lists: bool,
}

impl Default for StoreProperties {
    fn default() -> Self {
        Self::ETCD
    }
}

impl StoreProperties {
    pub const ETCD: Self = Self {
        late_writes: true,
        no_op_updates: false,
        split_lists: false,
        foreign_writes: false,
        leases: false,
        nonces: false,
        exact_lists: false,
    };

    /// The Kubernetes API, as `host/kubernetes` uses it.
    pub const KUBERNETES: Self = Self {
        late_writes: true,
        no_op_updates: true,
        split_lists: true,
        foreign_writes: true,
        leases: true,
        nonces: true,
        exact_lists: true,
    };
}
