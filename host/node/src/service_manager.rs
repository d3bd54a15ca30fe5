//! Telling systemd how it goes (`sd_notify(3)`): datagrams to the socket that `NOTIFY_SOCKET` names.

use std::env;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use gingham_untrusted::text;

/// A service manager, or nobody.
#[derive(Debug, Default)]
pub(crate) struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// It must hear from us at least this often, or it kills us.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that started this process, if it wants to be told.
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
        self.tell(&format!("READY=1\nSTATUS={}", text::line(status)));
    }

    /// A line for people.
    pub(crate) fn status(&self, status: &str) {
        self.tell(&format!("STATUS={}", text::line(status)));
    }

    /// The end has begun.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// How often [`ServiceManager::alive`] is to be called: twice in the time it may take.
    pub(crate) fn pulse(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2).filter(|pulse| !pulse.is_zero())
    }

    /// All is well.
    pub(crate) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, message: &str) {
        if let Some(socket) = &self.socket {
            // If it does not hear, it does what it thinks right; this goes on.
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
