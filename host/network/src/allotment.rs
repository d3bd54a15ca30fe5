//! What an attachment was given, as CNI has it.

use gingham_cni::result::{Dns, IpConfig, Route};
use gingham_engine::attachment;
use gingham_engine::ipam::IpamResult;
use gingham_engine::ledger::Cooling;
use ipnet::IpNet;

/// What an attachment was given, by a policy or another plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allotment {
    /// Addresses.
    pub ips: Vec<IpConfig>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Name resolution.
    pub dns: Dns,
    /// The networks the addresses lie in.
    pub prefixes: Vec<IpNet>,
    /// All networks of the policy, whose gateways share the bridge.
    pub networks: Vec<IpNet>,
    /// Those of the addresses that cooled when they were granted, and since when.
    pub cooling: Vec<Cooling>,
    /// Whether the gateways are this node's own leases: then no other address of their networks belongs on the bridge.
    pub own_gateways: bool,
    /// Whether a cluster's store was asked: then the ways to the other nodes may be new.
    pub asked_store: bool,
}

impl Allotment {
    /// What a policy granted.
    pub fn of(granted: IpamResult) -> Self {
        let answer = granted.answer;
        let ip = |assigned: attachment::Assigned| IpConfig {
            interface: None,
            address: assigned.address,
            gateway: assigned.gateway,
        };
        let route = |route: attachment::Route| Route {
            dst: route.destination,
            gw: route.gateway,
            mtu: route.mtu,
            advmss: route.advmss,
            priority: route.priority,
            table: route.table,
            scope: route.scope,
        };
        Self {
            ips: answer.addresses.into_iter().map(ip).collect(),
            routes: answer.routes.into_iter().map(route).collect(),
            dns: answer.dns.map(cni_dns).unwrap_or_default(),
            prefixes: granted.prefixes,
            networks: granted.networks,
            cooling: granted.cooling,
            ..Self::default()
        }
    }

    /// Without leave for gateways of other pools to be on the bridge.
    pub fn of_one_network(self) -> Self {
        Self { networks: Vec::new(), ..self }
    }
}

fn cni_dns(dns: attachment::Dns) -> Dns {
    let attachment::Dns { nameservers, domain, search, options } = dns;
    Dns { nameservers, domain: domain.unwrap_or_default(), search, options }
}
