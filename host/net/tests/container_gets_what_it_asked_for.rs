//! A container's interface has exactly the addresses, routes and settings that were asked for, and what the kernel
//! refuses is told with the object and the kernel's reason.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod testbed;

use std::time::{Duration, Instant};

use gingham_net::address::{self, DuplicateDetection};
use gingham_net::container::{self, Interface};
use gingham_net::link::{self, Change, OperationalState, Which};
use gingham_net::netns::NetNs;
use gingham_net::route::{self, Route};
use gingham_net::veth::{self, Pair};
use gingham_net::{NetError, sysctl};
use testbed::{Container, Kernel, PATIENCE, bridge, default_route, net, on_a_fresh_host, pair};

const MAIN_TABLE: u32 = 254;
const GLOBAL: u8 = 0;
const LINK: u8 = 253;

#[test]
fn addresses_and_routes_of_both_families() {
    on_a_fresh_host(|host| {
        let bridge = bridge(host, &["10.1.0.1/24", "fd00:1::1/64"]);
        let routes = [default_route("10.1.0.1"), default_route("fd00:1::1")];
        let container = Container::join(host, &bridge, 1, &["10.1.0.2/24", "fd00:1::2/64"], &routes);
        let (addresses, found) = container.inside(|kernel| looked_at(kernel, container.veth.container_index));
        let mut addresses: Vec<_> = addresses.iter().map(|address| address.net).collect();
        addresses.retain(|address| !address.to_string().starts_with("fe80:"));
        assert_eq!(addresses, [net("10.1.0.2/24"), net("fd00:1::2/64")]);
        for wanted in &routes {
            let same = |route: &&Route| route.destination == wanted.destination && route.gateway == wanted.gateway;
            let route = found.iter().find(same).unwrap_or_else(|| panic!("no {wanted:?} in {found:?}"));
            assert!(route.is_default());
            assert_eq!(route.table, Some(MAIN_TABLE));
        }
        for network in ["10.1.0.0/24", "fd00:1::/64"] {
            assert!(found.iter().any(|route| route.destination == net(network)), "{network}: {found:?}");
        }
    });
}

#[test]
fn routes_with_everything_that_can_be_said() {
    on_a_fresh_host(|host| {
        let bridge = bridge(host, &[]);
        let wanted = [
            Route {
                gateway: Some("10.1.0.1".parse().unwrap()),
                mtu: Some(1300),
                advmss: Some(1200),
                priority: Some(50),
                table: Some(100),
                scope: Some(GLOBAL),
                ..Route::to(net("192.0.2.0/24"))
            },
            Route { scope: Some(LINK), table: Some(5000), ..Route::to(net("198.51.100.0/24")) },
            Route {
                gateway: Some("fd00:1::1".parse().unwrap()),
                mtu: Some(1400),
                priority: Some(7),
                table: Some(4_000_000),
                scope: Some(GLOBAL),
                ..Route::to(net("2001:db8::/32"))
            },
        ];
        let container = Container::join(host, &bridge, 1, &["10.1.0.2/24", "fd00:1::2/64"], &wanted);
        let (_, found) = container.inside(|kernel| looked_at(kernel, container.veth.container_index));
        for route in &wanted {
            assert!(found.contains(route), "no {route:?} in {found:?}");
        }
    });
}

#[test]
fn what_is_not_said_about_a_route_is_the_usual() {
    on_a_fresh_host(|host| {
        let bridge = bridge(host, &[]);
        // Bits below the prefix do not count, and the same route twice is one.
        let wanted = [Route::to(net("192.0.2.7/24")), Route::to(net("192.0.2.0/24")), default_route("10.1.0.1")];
        let container = Container::join(host, &bridge, 1, &["10.1.0.2/24"], &wanted);
        let (_, found) = container.inside(|kernel| looked_at(kernel, container.veth.container_index));
        let usual = |route: Route, scope| Route { table: Some(MAIN_TABLE), scope: Some(scope), ..route };
        let direct = usual(Route::to(net("192.0.2.0/24")), LINK);
        assert_eq!(found.iter().filter(|route| **route == direct).count(), 1, "{found:?}");
        assert!(found.contains(&usual(default_route("10.1.0.1"), GLOBAL)), "{found:?}");
    });
}

#[test]
fn an_ipv4_network_has_its_broadcast_address_if_it_can_have_one() {
    on_a_fresh_host(|host| {
        let bridge = bridge(host, &[]);
        for (number, address, broadcast) in
            [(1, "10.1.0.2/24", Some("10.1.0.255")), (2, "10.1.0.2/30", Some("10.1.0.3")), (3, "10.1.0.2/31", None)]
        {
            let container = Container::join(host, &bridge, number, &[address], &[]);
            let (addresses, _) = container.inside(|kernel| looked_at(kernel, container.veth.container_index));
            let found = addresses.iter().find(|found| found.net == net(address)).unwrap();
            assert_eq!(found.broadcast.map(|broadcast| broadcast.to_string()).as_deref(), broadcast);
        }
    });
}

#[test]
fn settings_of_the_interface() {
    on_a_fresh_host(|host| {
        let bridge = bridge(host, &[]);
        let container = Container::join(host, &bridge, 1, &["fd00:1::2/64"], &[]);
        container.inside(|_| {
            for (name, value) in [
                ("ipv4/conf/eth0/arp_notify", "1"),
                ("ipv6/conf/eth0/ndisc_notify", "1"),
                ("ipv6/conf/eth0/accept_dad", "0"),
                ("ipv6/conf/eth0/keep_addr_on_down", "1"),
                ("ipv6/conf/eth0/disable_ipv6", "0"),
            ] {
                assert_eq!(sysctl::get(name).unwrap(), value, "{name}");
            }
        });
    });
}

#[test]
fn ipv6_is_switched_on_where_a_runtime_has_switched_it_off() {
    on_a_fresh_host(|host| {
        let bridge = bridge(host, &[]);
        let netns = NetNs::create().unwrap();
        for scope in ["all", "default", "lo"] {
            netns.enter(|| sysctl::set(&format!("ipv6/conf/{scope}/disable_ipv6"), "1")).unwrap().unwrap();
        }
        let veth = veth::create(host, &Pair { bridge: Some(bridge.index), ..pair("veth1", &netns) }).unwrap();
        let container = Container { netns, veth, host_name: "veth1".to_owned() };
        container.configure(&["fd00:1::2/64"], &[], DuplicateDetection::Off);
        container.inside(|_| {
            assert_eq!(sysctl::get("ipv6/conf/eth0/disable_ipv6").unwrap(), "0");
            assert_eq!(sysctl::get("ipv6/conf/lo/disable_ipv6").unwrap(), "0");
        });
        container.udp("fd00:1::2");
    });
}

#[test]
fn duplicate_detection_finds_a_second_holder_and_clears_a_single_one() {
    on_a_fresh_host(|host| {
        let bridge = bridge(host, &[]);
        let _first = Container::join(host, &bridge, 1, &["fd00:1::2/64"], &[]);
        let second = Container::join(host, &bridge, 2, &[], &[]);
        let configure = |address: &str| {
            let addresses = [net(address)];
            let index = second.veth.container_index;
            let detection = DuplicateDetection::On;
            let interface = Interface { index, name: "eth0", addresses: &addresses, routes: &[], detection };
            container::configure(&second.netns, &interface)
        };
        let error = configure("fd00:1::2/64").unwrap_err();
        assert!(
            matches!(&error, NetError::DuplicateAddress { address, .. } if *address == net("fd00:1::2/64")),
            "{error}"
        );
        second.inside(|kernel| {
            assert!(address::delete(kernel, second.veth.container_index, net("fd00:1::2/64")).unwrap());
            assert!(!address::delete(kernel, second.veth.container_index, net("fd00:1::2/64")).unwrap());
        });
        configure("fd00:1::3/64").unwrap();
        second.udp("fd00:1::3");
    });
}

#[test]
fn an_unreachable_gateway_is_named_with_the_kernels_reason() {
    on_a_fresh_host(|host| {
        let bridge = bridge(host, &[]);
        let container = Container::join(host, &bridge, 1, &["10.1.0.2/24"], &[]);
        let error = container.inside(|kernel| {
            route::add(kernel, container.veth.container_index, &default_route("10.9.0.1")).unwrap_err().to_string()
        });
        assert!(error.starts_with("cannot add the route to 0.0.0.0/0 via 10.9.0.1 over"), "{error}");
        assert!(error.contains("the kernel reports: Nexthop has invalid gateway"), "{error}");
    });
}

#[test]
fn a_link_whose_other_end_is_down_is_not_operational() {
    on_a_fresh_host(|host| {
        let netns = NetNs::create().unwrap();
        let veth = veth::create(host, &pair("veth1", &netns)).unwrap();
        let patience = Duration::from_millis(50);
        let error = link::wait_until_operational(host, veth.host_index, patience).unwrap_err();
        assert!(
            matches!(&error, NetError::NotOperational { name, state: OperationalState::LowerLayerDown | OperationalState::Down, .. } if name == "veth1"),
            "{error:?}"
        );
    });
}

#[test]
fn waiting_for_a_link_ends_when_the_kernel_says_so() {
    on_a_fresh_host(|host| {
        let netns = NetNs::create().unwrap();
        let veth = veth::create(host, &pair("veth1", &netns)).unwrap();
        let mut inside = netns.enter(Kernel::open).unwrap().unwrap();
        let start = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // The other thread is asleep by now, or will see the change at once: both are right.
                let up = Change { up: Some(true), ..Change::default() };
                link::change(&mut inside, Which::Index(veth.container_index), &up).unwrap();
            });
            let link = link::wait_until_operational(host, veth.host_index, PATIENCE).unwrap();
            assert_eq!(link.state, OperationalState::Up);
        });
        assert!(start.elapsed() < PATIENCE / 2);
    });
}

fn looked_at(kernel: &mut Kernel, index: u32) -> (Vec<address::Address>, Vec<Route>) {
    (address::list(kernel, index).unwrap(), route::list(kernel, index).unwrap())
}
