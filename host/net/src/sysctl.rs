//! Kernel settings below `/proc/sys/net`.
//!
//! The kernel resolves these files by the network namespace of the thread that opens them, so settings of a container
//! must be made inside [`NetNs::enter`](crate::netns::NetNs::enter).

use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use crate::NetError;

const FORWARDING_IPV4: &str = "ipv4/ip_forward";
const FORWARDING_IPV6: &str = "ipv6/conf/all/forwarding";

/// The value of the setting `name`, which is its path below `/proc/sys/net`, without the line's end.
///
/// # Errors
/// The kernel has no such setting, or it may not be read.
pub fn get(name: &str) -> Result<String, NetError> {
    let path = path(name);
    let mut value = String::with_capacity(16);
    fs::File::open(&path).and_then(|mut file| file.read_to_string(&mut value)).map_err(|source| NetError::Sysctl {
        operation: "read",
        path,
        source,
    })?;
    value.truncate(value.trim_end().len());
    Ok(value)
}

/// Sets the setting `name`, which is its path below `/proc/sys/net`.
///
/// # Errors
/// The kernel has no such setting, or it may not be written.
pub fn set(name: &str, value: &str) -> Result<(), NetError> {
    let path = path(name);
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|source| NetError::Sysctl { operation: "write", path, source })
}

/// Lets the kernel forward IPv4 packets between interfaces. Written only if it is not so already: writing it resets
/// other settings.
///
/// # Errors
/// The setting may not be written.
pub fn forward_ipv4() -> Result<(), NetError> {
    forward(FORWARDING_IPV4)
}

/// Lets the kernel forward IPv6 packets between interfaces; written only if it is not so already.
///
/// # Errors
/// The setting may not be written, or the kernel has no IPv6.
pub fn forward_ipv6() -> Result<(), NetError> {
    forward(FORWARDING_IPV6)
}

fn forward(name: &str) -> Result<(), NetError> {
    if get(name)? == "1" { Ok(()) } else { set(name, "1") }
}

/// Ignores router advertisements on an interface: what a container sends must not give the host addresses or routes.
/// Nothing is done, and nothing needs to be, where the kernel has no IPv6.
///
/// # Errors
/// The setting may not be written.
pub(crate) fn refuse_router_advertisements(interface: &str) -> Result<(), NetError> {
    if_there(set(&format!("ipv6/conf/{interface}/accept_ra"), "0"))
}

/// Takes the absence of a setting, as of all of IPv6's in a kernel without it, for success.
pub(crate) fn if_there(result: Result<(), NetError>) -> Result<(), NetError> {
    match result {
        Err(NetError::Sysctl { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/sys/net/{name}"))
}
