//! What is written on the links that Gingham makes: whose they are. By this alone they are told from others'.

use gingham_net::link::Link;

/// How all of them begin.
const OURS: &str = "gingham ";

/// Bytes the kernel keeps of an alias (`IFALIASZ` with its ending zero).
const LONGEST: usize = 255;

/// How the aliases of all of a network's links begin.
pub(crate) fn of_network(network: &str) -> String {
    format!("{OURS}{network} ")
}

/// That of a container's link: `gingham NETWORK CONTAINER INTERFACE`, cut at what the kernel keeps.
pub(crate) fn of_attachment(network: &str, container: &str, interface: &str) -> String {
    let mut alias = format!("{}{container} {interface}", of_network(network));
    alias.truncate(alias.floor_char_boundary(LONGEST));
    alias
}

/// Whether a link is a container's of a network of ours.
pub(crate) fn is_on(link: &Link) -> bool {
    link.alias.as_ref().is_some_and(|alias| alias.starts_with(OURS))
}
