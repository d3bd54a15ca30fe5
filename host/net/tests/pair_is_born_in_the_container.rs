//! A veth pair comes into being in one step, with all it was asked for, and goes in one step; nothing is left of one
//! that could not be made.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod testbed;

use gingham_net::link::{self, BridgePort, Change, Which};
use gingham_net::netlink::ErrorKind;
use gingham_net::netns::NetNs;
use gingham_net::veth::{self, Pair};
use gingham_net::{Mac, NetError, bridge, sysctl};
use testbed::{Container, Kernel, on_a_fresh_host, pair};

#[test]
fn with_all_it_was_asked_for() {
    on_a_fresh_host(|host| {
        let bridge = bridge::ensure(host, "br0", None, false).unwrap();
        let netns = NetNs::create().unwrap();
        let mac: Mac = "c2:11:22:33:44:55".parse().unwrap();
        let wanted = Pair {
            mac: Some(mac),
            mtu: Some(1400),
            bridge: Some(bridge.index),
            alias: Some("gingham mynet web-1 eth0"),
            ..pair("veth1", &netns)
        };
        let veth = veth::create(host, &wanted).unwrap();
        let ours = link::by_name(host, "veth1").unwrap().unwrap();
        assert_eq!((ours.index, ours.mac, ours.mtu), (veth.host_index, Some(veth.host_mac), 1400));
        assert_eq!((ours.master, ours.up, ours.is_veth()), (Some(bridge.index), true, true));
        assert_eq!(ours.alias.as_deref(), Some("gingham mynet web-1 eth0"));
        assert_eq!((ours.peer, ours.port), (Some(veth.container_index), Some(BridgePort::default())));
        assert!(ours.peer_netns.is_some());
        assert!(link::by_name(host, "eth0").unwrap().is_none());

        let theirs = inside(&netns, |kernel| link::by_name(kernel, "eth0")).unwrap().unwrap();
        assert_eq!((theirs.index, theirs.mac, theirs.mtu), (veth.container_index, Some(mac), 1400));
        assert_eq!((theirs.up, theirs.peer), (false, Some(veth.host_index)));
        assert_eq!(veth.container_mac, mac);
    });
}

#[test]
fn the_ports_settings_are_what_was_asked_for() {
    on_a_fresh_host(|host| {
        let bridge = bridge::ensure(host, "br0", None, false).unwrap();
        let all = [(false, false), (true, false), (false, true), (true, true)];
        for (number, (hairpin, isolated)) in (1..).zip(all) {
            let port = BridgePort { hairpin, isolated };
            let container = Container::join_by(host, &bridge, number, port, &[], &[]);
            assert_eq!(link::by_name(host, &container.host_name).unwrap().unwrap().port, Some(port));
        }
    });
}

#[test]
fn a_bridges_ports_are_listed_and_no_others() {
    on_a_fresh_host(|host| {
        let one = bridge::ensure(host, "br0", None, false).unwrap();
        let other = bridge::ensure(host, "br1", None, false).unwrap();
        let netns = [(); 3].map(|()| NetNs::create().unwrap());
        let on = |bridge: Option<u32>, name, netns| Pair { bridge, alias: Some("ours"), ..pair(name, netns) };
        veth::create(host, &on(Some(one.index), "veth1", &netns[0])).unwrap();
        veth::create(host, &on(Some(other.index), "veth2", &netns[1])).unwrap();
        veth::create(host, &on(None, "veth3", &netns[2])).unwrap();
        let ports = link::ports(host, one.index).unwrap();
        assert_eq!(ports.iter().map(|port| &*port.name).collect::<Vec<_>>(), ["veth1"]);
        assert_eq!(ports[0].alias.as_deref(), Some("ours"));
        assert_eq!(link::list(host, None).unwrap().len(), 6);
    });
}

#[test]
fn without_a_bridge() {
    on_a_fresh_host(|host| {
        let netns = NetNs::create().unwrap();
        veth::create(host, &pair("veth1", &netns)).unwrap();
        let link = link::by_name(host, "veth1").unwrap().unwrap();
        assert_eq!((link.master, link.up, link.port), (None, true, None));
        assert_eq!(sysctl::get("ipv6/conf/veth1/accept_ra").unwrap(), "0");
    });
}

#[test]
fn a_taken_name_is_named_and_nothing_is_left() {
    on_a_fresh_host(|host| {
        let netns = NetNs::create().unwrap();
        let veth = veth::create(host, &pair("veth1", &netns)).unwrap();

        let error = veth::create(host, &pair("veth2", &netns)).unwrap_err();
        assert!(matches!(&error, NetError::ContainerInterfaceExists { name } if name == "eth0"), "{error}");
        assert!(link::by_name(host, "veth2").unwrap().is_none());

        let error = veth::create(host, &Pair { container_name: "eth1", ..pair("veth1", &netns) }).unwrap_err();
        assert!(matches!(&error, NetError::HostInterfaceExists { name } if name == "veth1"), "{error}");
        assert!(inside(&netns, |kernel| link::by_name(kernel, "eth1")).unwrap().is_none());

        let first = inside(&netns, |kernel| link::by_name(kernel, "eth0")).unwrap().unwrap();
        assert_eq!(first.index, veth.container_index);
    });
}

#[test]
fn what_fails_after_creation_takes_the_pair_with_it() {
    on_a_fresh_host(|host| {
        let netns = NetNs::create().unwrap();
        let long = "x".repeat(300);
        let error = veth::create(host, &Pair { alias: Some(&long), ..pair("veth1", &netns) }).unwrap_err();
        assert!(matches!(error.kind(), Some(ErrorKind::Invalid)), "{error}");
        assert!(error.to_string().contains("veth1"), "{error}");
        assert!(link::by_name(host, "veth1").unwrap().is_none());
        assert!(inside(&netns, |kernel| link::by_name(kernel, "eth0")).unwrap().is_none());
    });
}

#[test]
fn what_the_kernel_refuses_is_told_in_its_words() {
    on_a_fresh_host(|host| {
        let netns = NetNs::create().unwrap();
        let error = veth::create(host, &Pair { mtu: Some(70_000), ..pair("veth1", &netns) }).unwrap_err();
        assert!(matches!(error.kind(), Some(ErrorKind::Invalid)), "{error}");
        assert_eq!(
            error.to_string(),
            r#"cannot create the veth pair "veth1" (host) and "eth0" (container) with MTU 70000: Invalid argument"#
        );
        veth::create(host, &pair("veth1", &netns)).unwrap();
        let mtu = Change { mtu: Some(70_000), ..Change::default() };
        assert_eq!(
            link::change(host, Which::Name("veth1"), &mtu).unwrap_err().to_string(),
            r#"cannot change the interface "veth1": Invalid argument (the kernel reports: mtu greater than device maximum)"#
        );
    });
}

#[test]
fn it_goes_from_either_end_once() {
    on_a_fresh_host(|host| {
        for from_host in [true, false] {
            let netns = NetNs::create().unwrap();
            veth::create(host, &pair("veth1", &netns)).unwrap();
            let delete_first = |kernel: &mut Kernel, name| {
                assert!(link::delete(kernel, Which::Name(name)).unwrap());
                assert!(!link::delete(kernel, Which::Name(name)).unwrap());
            };
            if from_host {
                delete_first(host, "veth1");
            } else {
                inside(&netns, |kernel| delete_first(kernel, "eth0"));
            }
            assert!(link::by_name(host, "veth1").unwrap().is_none());
            assert!(inside(&netns, |kernel| link::by_name(kernel, "eth0")).unwrap().is_none());
        }
    });
}

fn inside<T: Send>(netns: &NetNs, work: impl FnOnce(&mut Kernel) -> T + Send) -> T {
    netns.enter(|| work(&mut Kernel::open().unwrap())).unwrap()
}
