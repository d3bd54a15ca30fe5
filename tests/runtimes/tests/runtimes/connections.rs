//! Who reaches whom.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use gingham_tests::node::Container;

/// Much longer than a connection within one machine takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The network namespace of a container, by its first process.
pub(crate) fn of_process(id: &str, process: u64) -> Container {
    Container { id: id.to_owned(), netns: format!("/proc/{process}/ns/net").into() }
}

/// Serves a port inside a container, as long as the test lasts: who connects is told the container's id.
pub(crate) fn serve(container: &Container, port: u16) {
    let listener = container.inside(|| TcpListener::bind(("0.0.0.0", port))).unwrap();
    let id = container.id.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(id.as_bytes()));
        }
    });
}

/// What the server at an address says to who connects from the calling thread's network namespace.
pub(crate) fn told_by(target: SocketAddr) -> String {
    let told = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&target, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    told().unwrap_or_else(|error| format!("{target}: {error}"))
}
