//! Whether a member serves: it answers `GET /health` on the address of its metrics, without TLS or login.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A healthy member answers within milliseconds, one without a majority never says yes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn is_healthy(address: SocketAddr) -> bool {
    ask(address).is_ok_and(|answer| answer.contains("\"health\":\"true\""))
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(b"GET /health HTTP/1.0\r\nHost: etcd\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
