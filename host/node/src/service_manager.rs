//! Notifies systemd (`sd_notify(3)`) by datagrams to the socket of `NOTIFY_SOCKET`.

use std::env;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use gingham_untrusted::text;

/// Does nothing without a service manager.
#[derive(Debug, Default)]
pub(crate) struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// It kills a process that sends nothing for so long.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that started this process, if it expects notifications.
    pub(crate) fn of_this_process() -> std::io::Result<Self> {
        let Some(address) = env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Ok(Self::default());
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address_of(&address)?)?;
        let ours = env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let watchdog = env::var("WATCHDOG_USEC").ok().filter(|_| ours).and_then(|micros| micros.parse().ok());
        Ok(Self { socket: Some(socket), watchdog: watchdog.map(Duration::from_micros) })
    }

    /// The start is complete; `status` is a line for people.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", text::line(status)));
    }

    pub(crate) fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", text::line(status)));
    }

    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// The interval for [`ServiceManager::alive`]: half of the watchdog's time.
    pub(crate) fn pulse(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2).filter(|pulse| !pulse.is_zero())
    }

    pub(crate) fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            // The agent works without a service manager.
            let _ = socket.send(message.as_bytes());
        }
    }
}

/// A path, or with `@` a name in the abstract namespace.
fn address_of(address: &OsStr) -> std::io::Result<SocketAddr> {
    match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(address),
    }
}
