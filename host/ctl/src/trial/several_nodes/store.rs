//! What the nodes agree by: an etcd if there is one, else a directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gingham_testbed::etcd::{Etcd, EtcdError, Layout};
use gingham_testbed::nodes::SWITCH;
use serde_json::{Value, json};

use crate::cli::TrialStore;
use crate::trial::plugin::DIRECTORY;
use crate::trial::report::TrialReport;

/// Where etcd may be beside PATH, which an ordinary user has without `sbin`.
const USUAL: [&str; 2] = ["/usr/bin", "/usr/sbin"];

/// A store that cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(
        "etcd is neither on PATH nor in /usr/bin or /usr/sbin; install it (Debian: etcd-server), or use --store directory"
    )]
    NoEtcd,
    #[error("{0}\n--store directory works without etcd")]
    Etcd(#[from] EtcdError),
    #[error("cannot make the directory {path}: {source}")]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// What is to be used.
pub(super) enum StorePlan {
    Etcd(PathBuf),
    /// And why.
    Directory(&'static str),
}

/// What is used.
pub(super) enum Store {
    /// It ends with the value.
    Etcd(Etcd),
    Directory(PathBuf),
}

impl StorePlan {
    /// What was asked for, or what is there.
    pub(super) fn of(wanted: Option<TrialStore>) -> Result<Self, StoreError> {
        match (wanted, find()) {
            (Some(TrialStore::Directory), _) => Ok(Self::Directory("because of --store")),
            (_, Some(program)) => Ok(Self::Etcd(program)),
            (None, None) => Ok(Self::Directory("because etcd is not installed")),
            (Some(TrialStore::Etcd), None) => Err(StoreError::NoEtcd),
        }
    }

    /// Starts it between the nodes.
    pub(super) fn start(self, report: &mut TrialReport<'_>) -> Result<Store, StoreError> {
        match self {
            Self::Etcd(program) => {
                let directory = Path::new(DIRECTORY).join("etcd");
                create(&directory)?;
                let layout = Layout { program, ..Layout::at(&directory, SWITCH.into(), 1) };
                let etcd = Etcd::start(&layout)?;
                let urls = etcd.endpoints().join(" ");
                report.line("store", format!("an etcd of the trial ({}), {urls}", layout.program.display()))?;
                Ok(Store::Etcd(etcd))
            }
            Self::Directory(why) => {
                let path = Path::new(DIRECTORY).join("store");
                create(&path)?;
                report.line("store", format!("a directory that all nodes share, {why}"))?;
                Ok(Store::Directory(path))
            }
        }
    }
}

impl Store {
    /// `ipam.cluster` of a node.
    pub(super) fn cluster(&self, node: &str, address: std::net::IpAddr) -> Value {
        match self {
            Self::Etcd(etcd) => {
                json!({"store": "etcd", "endpoints": etcd.endpoints(), "node": node, "address": address})
            }
            Self::Directory(path) => {
                json!({"store": "directory", "directory": path, "node": node, "address": address})
            }
        }
    }
}

fn create(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(|source| StoreError::Directory { path: path.to_owned(), source })
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(USUAL.iter().map(PathBuf::from));
    directories.map(|directory| directory.join("etcd")).find(|file| file.is_absolute() && file.is_file())
}
