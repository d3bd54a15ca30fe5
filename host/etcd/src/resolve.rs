//! Addresses of host names.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use gingham_ownership::endpoint::Endpoint;
use gingham_ownership::shared_store::StoreFault;

/// The addresses of an endpoint. The system's resolver knows no deadline, so it works on a thread that is left behind if
/// it takes too long.
pub(crate) fn resolve(endpoint: &Endpoint, limit: Instant) -> Result<Vec<SocketAddr>, StoreFault> {
    if let Ok(address) = endpoint.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, endpoint.port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let (host, port) = (endpoint.host.clone(), endpoint.port);
    let resolver = thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        // The receiver is gone if it took too long.
        let _ = sender.send((host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>));
    });
    let unreachable = |reason: &str| StoreFault::Unreachable(format!("{endpoint}: {:?} {reason}", endpoint.host));
    resolver.map_err(|error| unreachable(&format!("cannot be resolved: {error}")))?;
    match receiver.recv_timeout(limit.saturating_duration_since(Instant::now())) {
        Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
        Ok(Ok(_)) => Err(unreachable("has no address")),
        Ok(Err(error)) => Err(unreachable(&format!("cannot be resolved: {error}"))),
        Err(_) => Err(unreachable("is not resolved in time")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn addresses_are_taken_as_they_are_and_names_are_looked_up() {
        let limit = Instant::now() + Duration::from_secs(5);
        let resolve = |url: &str| resolve(&url.parse().unwrap(), limit);
        assert_eq!(resolve("http://[::1]:7"), Ok(vec!["[::1]:7".parse().unwrap()]));
        assert!(resolve("http://localhost:7").unwrap().contains(&"127.0.0.1:7".parse().unwrap()));
        let fault = resolve("http://no-such-host.invalid:7").unwrap_err();
        assert!(fault.to_string().contains("no-such-host.invalid"), "{fault}");
    }
}
