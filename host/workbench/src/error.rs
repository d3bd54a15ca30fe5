//! What no node could be in.

use gingham_engine::ipam::IpamError;
use gingham_engine::settings::SettingsError;
use gingham_engine::store::StoreError;
use gingham_ownership::grid::Grid;
use ipnet::IpNet;
use serde_json::Value;

use crate::cases::SituationError;

/// A scenario that cannot be. What a policy does wrong is in a [`Run`](crate::Run) instead.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error("the configuration is the object under `ipam`, and not {ipam}")]
    NoObject { ipam: Value },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("{policy} is not a cluster policy: it exports no gingham:ipam/cluster (in Rust: `policy!(…, cluster)`)")]
    NotCluster { policy: String },
    #[error("{holder} holds {block} already")]
    Held { block: IpNet, holder: String },
    #[error("{block} is unclaimed")]
    Unclaimed { block: IpNet },
    #[error("{block} is not a block of {}", list(.grids))]
    OffGrid { block: IpNet, grids: Vec<Grid> },
    #[error(transparent)]
    Situation(#[from] SituationError),
    /// A question that a scenario asks for itself, such as for the room in its pools, was not answered.
    #[error(transparent)]
    Ipam(#[from] IpamError),
    /// Two leases of one address, two attachments of one name, or a key that cannot be recorded.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn list(grids: &[Grid]) -> String {
    grids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
