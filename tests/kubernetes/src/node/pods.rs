//! Pods of a node, seen from inside.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use gingham_net::netns::NetNs;

use super::Node;

/// Longer than any answer on one machine takes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

impl Node {
    /// The network namespace of a pod that has a lease here.
    ///
    /// # Errors
    /// No lease names the pod, or its namespace is gone.
    pub fn pod_network(&self, pod: &str) -> Result<NetNs, String> {
        let report = self.ctl(&["leases", "--json"]).json();
        let leases = report["leases"].as_array().into_iter().flatten();
        let lease = leases.into_iter().find(|lease| lease["pod"]["name"] == pod);
        let path = lease.and_then(|lease| lease["netns"].as_str());
        let path = path.ok_or_else(|| format!("no lease of {} names {pod}", self.name))?;
        // `/var/run` is a link, and would lead out of the node.
        let path = path.strip_prefix("/var").unwrap_or(path);
        NetNs::open(format!("/proc/{}/root{path}", self.up().first_process)).map_err(|error| error.to_string())
    }

    /// What a server says to a connection from a pod of this node.
    ///
    /// # Errors
    /// It does not answer.
    pub fn ask_from_pod(&self, pod: &str, server: SocketAddr) -> Result<String, String> {
        let network = self.pod_network(pod)?;
        let answer = network.enter(|| ask(server)).map_err(|error| error.to_string())?;
        answer.map_err(|error| format!("{pod} of {} asks {server}: {error}", self.name))
    }

    /// The same from the node itself.
    ///
    /// # Errors
    /// It does not answer.
    pub fn ask(&self, server: SocketAddr) -> Result<String, String> {
        let answer = self.network().enter(|| ask(server)).map_err(|error| error.to_string())?;
        answer.map_err(|error| format!("{} asks {server}: {error}", self.name))
    }
}

/// What a server says to a connection from the namespace of the calling thread.
///
/// # Errors
/// It does not answer.
pub fn ask(server: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, ANSWER_TIMEOUT)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(b"\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// Where a pod serves.
pub fn server(address: &str, port: u16) -> SocketAddr {
    let address: IpAddr = address.parse().unwrap_or_else(|_| panic!("{address} is an address"));
    SocketAddr::new(address, port)
}
