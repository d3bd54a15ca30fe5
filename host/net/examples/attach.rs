//! Times the kernel work of attaching containers to a bridge and taking them off again, step by step.
//!
//! Run it in namespaces of its own: `cargo run -p gingham-net --example attach -- 200`

use std::error::Error;
use std::time::{Duration, Instant};

use gingham_net::address::DuplicateDetection;
use gingham_net::container::{self, Interface};
use gingham_net::link::{self, BridgePort, OperationalState, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use gingham_net::veth::{self, Pair};
use gingham_net::{bridge, route, sysctl};

const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Times(Vec<(&'static str, Vec<Duration>)>);

impl Times {
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.record(name, start.elapsed());
        result
    }

    fn record(&mut self, name: &'static str, time: Duration) {
        match self.0.iter_mut().find(|(other, _)| *other == name) {
            Some((_, times)) => times.push(time),
            None => self.0.push((name, vec![time])),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let count: u32 = std::env::args().nth(1).map_or(Ok(100), |count| count.parse())?;
    let mut times = Times::default();
    for number in 0..count {
        let container = NetNs::create()?;
        let start = Instant::now();
        let mut host = times.step("open host socket", Socket::<Route>::open)?;
        let name = format!("veth{number}");
        attach(&mut times, &mut host, &container, &name, number)?;
        times.record("= attach", start.elapsed());
        if number % 2 == 0 {
            times.step("= detach, host's end", || link::delete(&mut host, Which::Name(&name)))?;
        } else {
            let mut inside = container.enter(Socket::<Route>::open)??;
            times.step("= detach, container's end", || link::delete(&mut inside, Which::Name("eth0")))?;
        }
    }
    for (name, mut samples) in times.0 {
        samples.sort();
        let (median, p95) = (samples[samples.len() / 2], samples[samples.len() * 95 / 100]);
        println!("{name:28} {:5} times, median {median:10.1?}, p95 {p95:10.1?}", samples.len());
    }
    Ok(())
}

fn attach(
    times: &mut Times,
    host: &mut Socket<Route>,
    container: &NetNs,
    name: &str,
    number: u32,
) -> Result<(), Box<dyn Error>> {
    let gateway = "10.88.0.1/16".parse()?;
    let bridge = times.step("bridge", || bridge::ensure(host, "attach0", None, false))?;
    let veth = times.step("veth pair", || {
        veth::create(
            host,
            &Pair {
                host_name: name,
                container_name: "eth0",
                container,
                mac: None,
                mtu: None,
                bridge: Some(bridge.index),
                port: BridgePort::default(),
                alias: Some("gingham example"),
            },
        )
    })?;
    let addresses = [format!("10.88.{}.{}/16", number / 250, number % 250 + 2).parse()?];
    let mut default = route::Route::to("0.0.0.0/0".parse()?);
    default.gateway = Some("10.88.0.1".parse()?);
    let interface = Interface {
        index: veth.container_index,
        name: "eth0",
        addresses: &addresses,
        routes: &[default],
        detection: DuplicateDetection::Off,
    };
    let mut inside = times.step("container", || container::configure(container, &interface))?;
    times.step("gateway address", || bridge::ensure_address(host, &bridge, gateway, false))?;
    times.step("forwarding", sysctl::forward_ipv4)?;
    let state = link::get(host, Which::Index(veth.host_index))?.map(|link| link.state);
    let late = state != Some(OperationalState::Up);
    times.record(if late { "(operational late)" } else { "(operational at once)" }, Duration::ZERO);
    times.step("wait until forwarding", || bridge::wait_until_forwarding(host, &bridge, veth.host_index, PATIENCE))?;
    times.step("announce", || container::announce(&mut inside, veth.container_index, veth.container_mac))?;
    Ok(())
}
