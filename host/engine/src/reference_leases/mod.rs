//! The leases of the reference IPAM plugin `host-local`: adopted when a network moves here, written back for the way
//! back.
//!
//! # What the reference keeps
//!
//! A directory for each network, by default `/var/lib/cni/networks/NETWORK`, with
//!
//! - a file for each leased address, named by the address; its text is the container's id, a line break (CR LF) and the
//!   interface. Versions before 0.8.0 wrote the id alone;
//! - `last_reserved_ip.N`: the address given last of range set N;
//! - `lock`, which it holds with `flock(2)` while it is in the directory.
//!
//! # Which side knows the truth
//!
//! Each network is adopted once, in one transaction of the store that records the leases and, as the last thing, that
//! they are recorded ([`Adoption`]). A crash before its commit leaves everything as it was, and the next use repeats it.
//! Adoption changes nothing in the reference's directory. From then on a lease that was adopted and ends here takes its
//! file with it ([`forget`]), so the directory never names containers that are gone. A file that goes without us was taken
//! by the reference's DEL, and the lease that was adopted from it ends ([`Adoption::watched`]). [`hand_back`] is the way
//! back: files first, then the store forgets.
//!
//! A lease of an earlier boot is not adopted: a network namespace cannot outlive the kernel that made it.

mod adopt;
mod directory;
mod hand_back;

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::attachment::AttachmentKey;

pub use adopt::{Adopted, Circumstances, Conflict, adopt};
pub(crate) use directory::is_networks;
pub use directory::{Directory, Found, Lease, LeftOut, ReferenceError, holds_leases};
pub use hand_back::{HandedBack, forget, hand_back, names};

/// Where the reference keeps its networks' directories unless `ipam.dataDir` says otherwise.
pub const REFERENCE_DIR: &str = "/var/lib/cni/networks";

/// What the store keeps of an adoption: that it is done. It does not outlive a boot, as the leases do not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// When: milliseconds since the epoch.
    pub at: u64,
    /// The directories that leases were adopted from; empty if there were none.
    #[serde(default)]
    pub from: Vec<PathBuf>,
    /// Whose leases were adopted and may still be ended by the reference: some runtimes take a container from its network
    /// by the configuration of the day when it joined.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<AttachmentKey>,
    /// When the directories were last looked at for that: milliseconds since the epoch.
    #[serde(default)]
    pub looked_at: u64,
    /// Whether the policy's adoption hook is still to be called.
    #[serde(default)]
    pub untold: bool,
    /// The address given last of each range set, for the policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_reserved: Vec<LastReserved>,
}

/// The address given last of a range set, by the set's index: what the reference goes on from.
pub type LastReserved = (u32, IpAddr);
