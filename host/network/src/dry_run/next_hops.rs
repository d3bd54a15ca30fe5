//! Whether the kernel will take a container's routes: it refuses a next hop that is not on a link.

use std::net::IpAddr;

use gingham_cni::error::Code;
use gingham_net::route::Route;
use ipnet::IpNet;

use crate::error::NetworkError;

/// Each next hop is in the network of one of the addresses, or in the destination of a route without one.
pub(super) fn require_reachable(addresses: &[IpNet], routes: &[Route]) -> Result<(), NetworkError> {
    let on_link = routes.iter().filter(|route| route.gateway.is_none()).map(|route| route.destination);
    let on_link: Vec<IpNet> = addresses.iter().copied().chain(on_link).collect();
    let is_link_local = |hop: IpAddr| matches!(hop, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let is_unreachable = |hop: &IpAddr| !is_link_local(*hop) && !on_link.iter().any(|network| network.contains(hop));
    let unreachable = routes.iter().find_map(|route| route.gateway.filter(is_unreachable).map(|hop| (route, hop)));
    let Some((route, hop)) = unreachable else { return Ok(()) };
    let addresses = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let text = format!(
        "the container cannot reach {hop}, the gateway of its route to {}: it is in no network of its addresses \
         ({addresses}); use a gateway in one of them, or add a route to it without one",
        route.destination
    );
    Err(NetworkError::new(Code::CONFIG, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(addresses: &[&str], routes: &[(&str, Option<&str>)]) -> Result<(), String> {
        let addresses: Vec<IpNet> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let route = |(destination, gateway): &(&str, Option<&str>)| Route {
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            ..Route::to(destination.parse().unwrap())
        };
        let routes: Vec<Route> = routes.iter().map(route).collect();
        require_reachable(&addresses, &routes).map_err(|error| error.to_string())
    }

    #[test]
    fn a_next_hop_is_on_a_link() {
        let default = ("0.0.0.0/0", Some("10.9.9.1"));
        let refused = verdict(&["10.7.0.2/24"], &[default]).unwrap_err();
        assert!(refused.contains("10.9.9.1") && refused.contains("10.7.0.2/24"), "{refused}");
        assert_eq!(verdict(&["10.9.9.2/24"], &[default]), Ok(()));
        assert_eq!(verdict(&["10.7.0.2/32"], &[("10.9.9.1/32", None), default]), Ok(()));
        assert_eq!(verdict(&["fd00::2/64"], &[("::/0", Some("fe80::1"))]), Ok(()));
    }
}
