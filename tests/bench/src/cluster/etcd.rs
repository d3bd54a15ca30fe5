//! What an etcd has done, by its own count.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Sub;

/// Where a member's counters are.
pub(super) struct Load(SocketAddr);

/// Counters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counters {
    /// Reads, of one record or of many.
    pub(super) ranges: f64,
    /// Writes.
    pub(super) writes: f64,
    /// Calls of the status: one for each connection.
    pub(super) connections: f64,
    /// CPU time of the process, in seconds.
    pub(super) cpu: f64,
    /// Bytes sent to clients.
    pub(super) sent: f64,
}

impl Load {
    /// Of the first member that [`gingham_testbed::etcd`] starts on an address.
    pub(super) fn of(address: Ipv4Addr) -> Self {
        Self((address, 2381).into())
    }

    pub(super) fn read(&self) -> Result<Counters, Box<dyn Error>> {
        let mut stream = TcpStream::connect(self.0)?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: etcd\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let sum = |start: &str| -> f64 {
            let lines = text.lines().filter(|line| line.starts_with(start));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        let handled = |method: &str| -> f64 {
            let method = format!("grpc_method=\"{method}\"");
            let lines = text.lines().filter(|line| line.starts_with("grpc_server_handled_total{"));
            lines
                .filter(|line| line.contains(&method))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum()
        };
        Ok(Counters {
            ranges: handled("Range"),
            writes: handled("Txn"),
            connections: handled("Status"),
            cpu: sum("process_cpu_seconds_total "),
            sent: sum("etcd_network_client_grpc_sent_bytes_total "),
        })
    }
}

impl Sub for Counters {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            ranges: self.ranges - before.ranges,
            writes: self.writes - before.writes,
            connections: self.connections - before.connections,
            cpu: self.cpu - before.cpu,
            sent: self.sent - before.sent,
        }
    }
}
