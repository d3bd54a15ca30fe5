//! The routes to containers on other nodes, as far as an ADD sees to them: its container's packets fit, and when the store
//! was asked anyway, the routes are brought up to date, unless the node agent does that.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use gingham_cluster::{Cluster, Fault, Policy as ClusterPolicy};
use gingham_cni::error::Code;
use gingham_engine::attachment;
use gingham_engine::settings::Settings;
use gingham_net::netlink::{Route, Socket};
use gingham_net::node_routes::{self, Mode, Report};
use gingham_ownership::grid::Grid;
use gingham_ownership::sync::SyncError;
use ipnet::IpNet;

use super::cluster_blocks::ClusterAllocation;
use crate::error::NetworkError;
use crate::log;
use crate::records::Records;

/// How long an ADD waits for what the store knows of the other nodes.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// The MTU of containers whose packets go through a tunnel, in bytes; none where they go as they are.
pub(super) fn tunnel_mtu(
    network: &str,
    settings: &Settings,
    records: &Records<'_>,
) -> Result<Option<u32>, NetworkError> {
    let mode = Cluster::new(network, settings, records.boot())?.mode()?;
    let Some(mode @ Mode::Vxlan(tunnel)) = &mode else { return Ok(None) };
    let uplink = node_routes::uplink(&mut Socket::<Route>::open()?, tunnel.local).map_err(kernel)?;
    Ok(Some(node_routes::container_mtu(mode, uplink.mtu)))
}

/// A container's address in the network that it needs to reach other nodes, and its routes there.
pub(super) fn container_network(address: IpAddr, range: IpNet, gateway: IpAddr) -> (IpNet, Vec<attachment::Route>) {
    let (address, routes) = node_routes::container_network(address, range, gateway);
    let route = |route: gingham_net::route::Route| attachment::Route {
        destination: route.destination,
        gateway: route.gateway,
        mtu: route.mtu,
        advmss: route.advmss,
        priority: route.priority,
        table: route.table,
        scope: route.scope.map(u32::from),
    };
    (address, routes.into_iter().map(route).collect())
}

impl ClusterAllocation<'_> {
    /// Brings the routes to the other nodes up to date. A failure is a warning: the container has its addresses.
    pub fn refresh_node_routes(&self, host: &mut Socket<Route>) {
        match self.refresh(host) {
            Ok(report) => warn(self.network, &report),
            Err(error) => {
                log::warn(format!("network {}: cannot refresh the routes to other nodes: {error}", self.network));
            }
        }
    }

    fn refresh(&self, host: &mut Socket<Route>) -> Result<Report, NetworkError> {
        let mut cluster = Cluster::new(self.network, self.settings, self.records.boot())?;
        let synced = cluster.sync(Instant::now() + STORE_TIMEOUT)?;
        let records = match synced {
            Ok(synced) => synced.snapshot,
            // Right for a node that is out, too.
            Err(SyncError { snapshot: Some(records), .. }) => records,
            Err(SyncError { error, snapshot: None }) => return Err(Fault::from(error).into()),
        };
        let cluster_policy = ClusterPolicy::new(self.policy, self.settings, &self.context(), &mut Vec::new())?;
        let ranges = cluster_policy.grids().iter().map(Grid::range).collect();
        match cluster.wanted(&records, self.bridge, ranges)? {
            Some(wanted) => node_routes::reconcile(host, &wanted).map_err(kernel),
            None => Ok(Report::default()),
        }
    }
}

fn kernel(error: impl std::fmt::Display) -> NetworkError {
    NetworkError::new(Code::KERNEL, error.to_string())
}

fn warn(network: &str, report: &Report) {
    let conflicts = report.conflicts.iter().map(ToString::to_string);
    let problems = report.problems.iter().map(ToString::to_string);
    conflicts.chain(problems).for_each(|text| log::warn(format!("network {network}: {text}")));
}
