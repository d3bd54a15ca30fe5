use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::net::{TcpListener, UnixListener};

use super::Stream;

/// The value of `--listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listen {
    /// Absolute.
    Unix(PathBuf),
    Tcp(SocketAddr),
    None,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err("invalid path after unix: use an absolute path".to_owned()),
            None => text.parse().map(Self::Tcp).map_err(|_| {
                "use unix:PATH, ADDRESS:PORT or none, such as unix:/run/gingham/node.sock or 127.0.0.1:9753".to_owned()
            }),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error(
        "--listen {address}: other machines can reach this address without a password; use a loopback address or a unix socket, or add --listen-anywhere"
    )]
    NotLoopback { address: SocketAddr },
    #[error("--listen: {path:?} exists but is not a socket; remove it or choose another path")]
    NoSocket { path: PathBuf },
    #[error("--listen: another process listens on {path:?}; stop it or choose another path")]
    InUse { path: PathBuf },
    #[error("--listen: cannot listen on {place}: {source}")]
    Io {
        /// Path or address.
        place: String,
        source: io::Error,
    },
}

#[derive(Debug)]
pub(crate) enum Listener {
    /// Removes its path at its end.
    Unix {
        socket: UnixListener,
        path: PathBuf,
    },
    Tcp(TcpListener),
}

impl Listener {
    /// Needs a running runtime.
    pub(crate) async fn start(listen: &Listen, anywhere: bool) -> Result<Option<Self>, ListenError> {
        match listen {
            Listen::None => Ok(None),
            Listen::Unix(path) => unix(path).map(Some),
            Listen::Tcp(address) if !address.ip().is_loopback() && !anywhere => {
                Err(ListenError::NotLoopback { address: *address })
            }
            Listen::Tcp(address) => match TcpListener::bind(address).await {
                Ok(socket) => Ok(Some(Self::Tcp(socket))),
                Err(source) => Err(ListenError::Io { place: address.to_string(), source }),
            },
        }
    }

    pub(crate) fn place(&self) -> String {
        match self {
            Self::Unix { path, .. } => format!("unix:{}", path.display()),
            Self::Tcp(socket) => socket.local_addr().map(|address| address.to_string()).unwrap_or_default(),
        }
    }

    /// A connection, and whether the kernel knows that its other end is a process of root on this machine.
    pub(super) async fn accept(&self) -> io::Result<(Box<dyn Stream>, bool)> {
        match self {
            Self::Unix { socket, .. } => {
                let (stream, _) = socket.accept().await?;
                let is_root = stream.peer_cred().is_ok_and(|peer| peer.uid() == 0);
                Ok((Box::new(stream), is_root))
            }
            Self::Tcp(socket) => Ok((Box::new(socket.accept().await?.0), false)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix { path, .. } = self {
            let _ = fs::remove_file(path);
        }
    }
}

fn unix(path: &Path) -> Result<Listener, ListenError> {
    let failed = |source| ListenError::Io { place: path.display().to_string(), source };
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    if let Ok(there) = fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            return Err(ListenError::NoSocket { path: path.to_owned() });
        }
        // An agent that was killed leaves its socket behind; then the connection is refused.
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(ListenError::InUse { path: path.to_owned() });
        }
        fs::remove_file(path).map_err(failed)?;
    }
    let socket = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(Listener::Unix { socket, path: path.to_owned() })
}
