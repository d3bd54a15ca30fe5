//! What no node could be in.

use std::net::IpAddr;

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
    #[error("{}, and pools are counted from 0: there is no pool {pool}", pools(*.count))]
    NoSuchPool { pool: usize, count: usize },
    #[error("{address} is leased to {holder}: adopt another address")]
    Leased { address: IpAddr, holder: String },
    #[error("container {container:?} holds addresses already: adopt those of another container")]
    Attached { container: String },
    #[error(transparent)]
    Situation(#[from] SituationError),
    /// A question that a scenario asks for itself, such as for the room in its pools, was not answered.
    #[error(transparent)]
    Ipam(#[from] IpamError),
    /// Two leases of one address, two attachments of one name, or a key that cannot be recorded.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// `there is 1 pool`, `there are 2 pools`.
fn pools(count: usize) -> String {
    if count == 1 { "there is 1 pool".to_owned() } else { format!("there are {count} pools") }
}

fn list(grids: &[Grid]) -> String {
    grids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
