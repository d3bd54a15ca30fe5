//! The alias on each link that Gingham makes: whose it is. This alone distinguishes them from the links of others.
//!
//! Names that are too long for the kernel are cut to a beginning and a hash.

use gingham_net::link::Link;
use gingham_net::truncate_name;

/// How all of them begin.
const OURS: &str = "gingham ";

/// Bytes of an alias: the kernel's `IFALIASZ` of 256 has room for two ending zeros, its own and netlink's.
pub const LONGEST: usize = 254;

/// Bytes of a network's name that is written whole. With it, and with an interface's 15, the shortest form of a container
/// fits.
const LONGEST_NETWORK: usize = 200;

/// How the aliases of all of a network's links begin.
pub fn of_network(network: &str) -> String {
    format!("{OURS}{} ", truncate_name(network, LONGEST_NETWORK))
}

/// That of a container's link: `gingham NETWORK CONTAINER INTERFACE`.
pub fn of_attachment(network: &str, container: &str, interface: &str) -> String {
    let beginning = of_network(network);
    let room = LONGEST.saturating_sub(beginning.len() + 1 + interface.len());
    format!("{beginning}{} {interface}", truncate_name(container, room))
}

/// Whether a link is a container's of a network of ours.
pub fn is_on(link: &Link) -> bool {
    link.alias.as_ref().is_some_and(|alias| alias.starts_with(OURS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_written_whole() {
        assert_eq!(of_attachment("mynet", "c1", "eth0"), "gingham mynet c1 eth0");
        let (network, container) = ("n".repeat(180), "c".repeat(63));
        let alias = of_attachment(&network, &container, "e");
        assert_eq!((alias.len(), alias), (LONGEST, format!("gingham {network} {container} e")));
    }

    #[test]
    fn what_does_not_fit_stays_different() {
        let [network, container] = ["n".repeat(254), "c".repeat(254)];
        let all: Vec<String> = ["1", "2"]
            .iter()
            .flat_map(|of_network| ["1", "2"].map(|of_container| (of_network, of_container)))
            .map(|(n, c)| of_attachment(&format!("{network}{n}"), &format!("{container}{c}"), "interface-of-15"))
            .collect();
        for (index, alias) in all.iter().enumerate() {
            assert!(alias.len() <= LONGEST && alias.ends_with(" interface-of-15"), "{alias}");
            assert!(!all[index + 1..].contains(alias), "{alias}");
            assert_eq!(alias.starts_with(&of_network(&format!("{network}1"))), index < 2, "{alias}");
        }
        assert_ne!(of_attachment("n", &container, "eth0"), of_attachment("n", &container, "eth1"));
    }
}
