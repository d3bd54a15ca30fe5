//! Kernel settings below `/proc/sys/net`.
//!
//! The kernel resolves these files by the network namespace of the thread that opens them, so settings of a container
//! must be made inside [`NetNs::enter`](crate::netns::NetNs::enter).

use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use crate::error::{About, SysctlUnset};
use crate::link::{self, Which};
use crate::netlink::{Route, Socket};
use crate::{NetError, notice, route};

const FORWARDING_IPV4: &str = "ipv4/ip_forward";
const FORWARDING_IPV6: &str = "ipv6/conf/all/forwarding";
const FORWARDS: &str = "1";

/// Where a container may have the node's `/proc/sys/net` mounted to write to: runtimes make `/proc/sys` read-only.
const WRITABLE: &str = "/host/proc/sys/net";

/// The value of the setting `name`, which is its path below `/proc/sys/net`, without the line's end.
///
/// # Errors
/// The kernel has no such setting, or it may not be read.
pub fn get(name: &str) -> Result<String, NetError> {
    let path = path(name);
    let mut value = String::with_capacity(16);
    fs::File::open(&path).and_then(|mut file| file.read_to_string(&mut value)).map_err(|source| NetError::Sysctl {
        setting: in_full(name),
        path,
        source,
    })?;
    value.truncate(value.trim_end().len());
    Ok(value)
}

/// Sets the setting `name`, which is its path below `/proc/sys/net`. Written only if it has another value: where
/// `/proc/sys` is read-only, what is right already is no error.
///
/// # Errors
/// The kernel has no such setting, or it may not be written.
pub fn set(name: &str, value: &str) -> Result<(), NetError> {
    let present = get(name)?;
    if present == value {
        return Ok(());
    }
    let unset = |path, source| {
        let unset = SysctlUnset { setting: in_full(name), wanted: value.to_owned(), present, path, source };
        NetError::from(Box::new(unset))
    };
    let write = |path: &PathBuf| fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes());
    let (path, writable) = (path(name), PathBuf::from(format!("{WRITABLE}/{name}")));
    match write(&path) {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => match write(&writable) {
            // Nothing is mounted there, so the usual file is named.
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => Err(unset(path, error)),
            // As without the capability NET_ADMIN.
            written => written.map_err(|source| unset(writable, source)),
        },
        written => written.map_err(|source| unset(path, source)),
    }
}

/// The same for a setting that things work without: that it cannot be written is a [notice](crate::notice). One that
/// this kernel does not have is none.
pub(crate) fn prefer(name: &str, value: &str) {
    if let Err(error) = if_there(set(name, value)) {
        notice::put(true, format!("{error}; it works without"));
    }
}

/// Lets the kernel forward IPv4 packets between interfaces. Written only if it is not so already: writing it resets
/// other settings.
///
/// # Errors
/// The setting may not be written.
pub fn forward_ipv4() -> Result<(), NetError> {
    set(FORWARDING_IPV4, "1")
}

/// Lets the kernel forward IPv6 packets between interfaces; written only if it is not so already.
///
/// A kernel that forwards drops the routes that it learned from router advertisements, and learns no more, except on
/// interfaces with `accept_ra` 2. So those that have such routes get that before.
///
/// # Errors
/// A setting may not be written, or the kernel has no IPv6.
pub fn forward_ipv6() -> Result<(), NetError> {
    if get(FORWARDING_IPV6)? == FORWARDS {
        return Ok(());
    }
    let mut kernel = Socket::<Route>::open().about(|| "in order to forward IPv6".to_owned())?;
    for interface in route::advertised(&mut kernel)? {
        let Some(link) = link::get(&mut kernel, Which::Index(interface))? else { continue };
        let setting = format!("ipv6/conf/{}/accept_ra", link.name);
        // With 0 a program learns the routes in the kernel's place, whether the kernel forwards or not.
        if get(&setting)? == "1" {
            set(&setting, "2")?;
            let text = format!(
                "{} is 2 from now on: {} has routes by router advertisement, and the kernel would drop them when it \
                 forwards IPv6",
                in_full(&setting),
                link.name
            );
            notice::put(false, text);
        }
    }
    set(FORWARDING_IPV6, FORWARDS)
}

/// Ignores router advertisements on an interface, if the setting may be written: what a container sends must not give the
/// host addresses or routes. Nothing is done, and nothing needs to be, where the kernel has no IPv6.
pub(crate) fn refuse_router_advertisements(interface: &str) {
    prefer(&format!("ipv6/conf/{interface}/accept_ra"), "0");
}

/// Takes the absence of a setting, as of all of IPv6's in a kernel without it, for success.
pub(crate) fn if_there(result: Result<(), NetError>) -> Result<(), NetError> {
    match result {
        Err(NetError::Sysctl { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// As `sysctl` has it: a dot within an interface's name is a slash.
fn in_full(name: &str) -> String {
    let parts = name.split('/').map(|part| part.replace('.', "/"));
    parts.fold("net".to_owned(), |full, part| format!("{full}.{part}"))
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/sys/net/{name}"))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::NLM_F_CREATE;
    use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType};
    use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

    use super::*;
    use crate::bridge;
    use crate::netlink::Message;
    use crate::netns::NetNs;

    #[test]
    fn a_setting_is_named_in_full() {
        assert_eq!(in_full("ipv4/ip_forward"), "net.ipv4.ip_forward");
        assert_eq!(in_full("ipv6/conf/br0.100/accept_ra"), "net.ipv6.conf.br0/100.accept_ra");
    }

    /// Adds a default route as the kernel does for a router's advertisement.
    fn learn_default_route(kernel: &mut Socket<Route>, interface: u32) {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet6;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Ra;
        message.header.kind = RouteType::Unicast;
        message.attributes = vec![RouteAttribute::Oif(interface)];
        let message = Message::of(&RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE);
        kernel.request("add", &message).unwrap();
    }

    #[test]
    fn interfaces_with_advertised_routes_go_on_learning_when_the_kernel_forwards() {
        NetNs::create()
            .unwrap()
            .enter(|| {
                let mut kernel = Socket::<Route>::open().unwrap();
                let [learning, managed, other] = ["uplink", "managed", "other"].map(|name| {
                    let bridge = bridge::ensure(&mut kernel, name, None, false).unwrap();
                    fs::write(path(&format!("ipv6/conf/{name}/accept_ra")), "1").unwrap();
                    bridge.index
                });
                fs::write(path("ipv6/conf/managed/accept_ra"), "0").unwrap();
                learn_default_route(&mut kernel, learning);
                learn_default_route(&mut kernel, managed);
                assert_ne!(other, learning);
                forward_ipv6().unwrap();
                let values =
                    ["uplink", "managed", "other"].map(|name| get(&format!("ipv6/conf/{name}/accept_ra")).unwrap());
                assert_eq!(values, ["2", "0", "1"]);
                assert_eq!(get(FORWARDING_IPV6).unwrap(), "1");
                let said = |notice: &notice::Notice| {
                    !notice.is_warning && notice.text.starts_with("net.ipv6.conf.uplink.accept_ra is 2 from now on")
                };
                assert!(notice::take().iter().any(said));
            })
            .unwrap();
    }
}
