//! What was seen after a call: its answer, the leases, and the kernel's state.

use gingham_net::address::{self};
use gingham_net::link::{self, Link};
use gingham_net::netlink::{Route, Socket};
use gingham_tests::kernel;
use gingham_tests::node::Container;
use serde_json::{Value, json};

use crate::case::{ASKED_FOR, Case};
use crate::guards;
use crate::masquerade;

/// What was seen after one step.
#[derive(Debug, Clone)]
pub(crate) struct Observation {
    /// What the plugin said.
    pub(crate) answer: Answer,
    /// It, as it was printed.
    pub(crate) text: String,
    /// "10.1.0.2 c1 eth0"
    pub(crate) leases: Vec<String>,
    /// "0: 10.1.0.2": the last address that was handed out, by range set.
    pub(crate) turn: Vec<String>,
    /// Links, addresses, routes, masquerade, guards; `null` where no kernel is involved.
    pub(crate) state: Value,
    /// For people.
    pub(crate) stderr: String,
}

/// What a plugin said on standard output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// Success, with an object.
    Result(Value),
    /// Success, with nothing.
    Silence,
    /// Exit code 1 and an error object.
    Error {
        /// `code`
        code: u64,
        /// `msg`
        msg: String,
        /// `details`
        details: String,
    },
    /// Something else: exit code and text.
    Other(Option<i32>, String),
}

impl Answer {
    /// Reads what came out.
    pub(crate) fn of(exit: Option<i32>, stdout: &str) -> Self {
        let other = || Self::Other(exit, stdout.to_owned());
        let json: Result<Value, _> = serde_json::from_str(stdout);
        match (exit, json) {
            (Some(0), Err(_)) if stdout.is_empty() => Self::Silence,
            (Some(0), Ok(value)) if value.is_object() => Self::Result(value),
            (Some(1), Ok(value)) => match value["code"].as_u64() {
                Some(code) => Self::Error { code, msg: text(&value["msg"]), details: text(&value["details"]) },
                None => other(),
            },
            _ => other(),
        }
    }

    /// Whether the call succeeded.
    pub(crate) fn is_success(&self) -> bool {
        matches!(self, Self::Result(_) | Self::Silence)
    }

    /// The error's sentence with its details, or nothing.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Error { msg, details, .. } if details.is_empty() => msg.clone(),
            Self::Error { msg, details, .. } => format!("{msg}; {details}"),
            _ => String::new(),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What the calling thread's namespace and the containers have; guards against spoofed addresses, if the case has some.
pub(crate) fn state_of(case: &Case, containers: &[Container]) -> Value {
    let bridge = case.bridge();
    let mut kernel = Socket::<Route>::open().unwrap();
    let links = link::list(&mut kernel, None).unwrap();
    let found = links.iter().find(|link| link.name == bridge);
    let mut ports: Vec<Value> =
        links.iter().filter(|link| link.is_veth() && link.name != bridge).map(|link| port(link, found)).collect();
    ports.sort_by_key(Value::to_string);
    let inside = containers.iter().map(|container| (container.id.clone(), container.inside(inside)));
    json!({
        "bridge": found.map(|link| of_bridge(&mut kernel, link)),
        "ports": ports,
        "forwarding": {
            "ipv4": setting("ipv4/ip_forward"),
            "ipv6": setting("ipv6/conf/all/forwarding"),
        },
        "containers": inside.collect::<serde_json::Map<String, Value>>(),
        "masqueraded": case.has_masquerade().then(masquerade::of_containers),
        "guards": case.has_guards().then(|| guards::of(containers)),
    })
}

fn setting(name: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/net/{name}")).unwrap().trim().to_owned()
}

fn of_bridge(kernel: &mut Socket<Route>, link: &Link) -> Value {
    json!({
        "kind": link.kind, "mtu": link.mtu, "up": link.up, "promiscuous": link.promiscuous,
        "addresses": addresses(kernel, link.index),
    })
}

fn port(link: &Link, bridge: Option<&Link>) -> Value {
    let port = link.port.unwrap_or_default();
    let plugged = link.master.is_some() && link.master == bridge.map(|bridge| bridge.index);
    json!({"mtu": link.mtu, "up": link.up, "hairpin": port.hairpin, "isolated": port.isolated, "plugged": plugged})
}

fn inside() -> Value {
    let mut kernel = Socket::<Route>::open().unwrap();
    let links = link::list(&mut kernel, None).unwrap();
    let describe = |link: &Link| {
        let mut kernel = Socket::<Route>::open().unwrap();
        let mac = link.mac.map(|mac| mac.to_string()).filter(|mac| mac == ASKED_FOR);
        let state = json!({"mtu": link.mtu, "up": link.up, "asked_for_mac": mac,
            "addresses": addresses(&mut kernel, link.index), "routes": routes(&link.name)});
        (link.name.clone(), state)
    };
    links.iter().filter(|link| link.name != "lo").map(describe).collect::<serde_json::Map<String, Value>>().into()
}

/// All but the kernel's own link-local ones.
fn addresses(kernel: &mut Socket<Route>, index: u32) -> Vec<String> {
    let mut found = address::list(kernel, index).unwrap();
    found.retain(|address| !matches!(address.net.addr(), std::net::IpAddr::V6(v6) if v6.is_unicast_link_local()));
    let shown = |address: &address::Address| match address.broadcast {
        Some(broadcast) => format!("{} brd {broadcast}", address.net),
        None => address.net.to_string(),
    };
    let mut shown: Vec<String> = found.iter().map(shown).collect();
    shown.sort();
    shown
}

/// All but those that the kernel makes for link-local and multicast addresses.
fn routes(interface: &str) -> Vec<String> {
    let own = |destination: ipnet::IpNet| match destination {
        ipnet::IpNet::V4(_) => true,
        ipnet::IpNet::V6(v6) => !v6.addr().is_unicast_link_local() && !v6.addr().is_multicast(),
    };
    let routes = kernel::all_routes(interface).into_iter().filter(|route| own(route.destination));
    let shown = |route: gingham_net::route::Route| {
        let via = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
        let with: Vec<String> = [
            ("mtu", route.mtu),
            ("advmss", route.advmss),
            ("priority", route.priority),
            ("table", route.table),
            ("scope", route.scope.map(u32::from)),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!(" {name} {value}")))
        .collect();
        format!("{}{via}{}", route.destination, with.concat())
    };
    let mut shown: Vec<String> = routes.map(shown).collect();
    shown.sort();
    shown
}
