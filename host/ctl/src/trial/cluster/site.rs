//! The nodes: each with a network and a mount namespace of its own, with leases and an identity of its own, joined by a
//! bridge in the sandbox that they come from.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use gingham_engine::library::LIBRARY_DIR;
use gingham_net::NetError;
use gingham_net::address::DuplicateDetection;
use gingham_net::bridge::{self, Bridge};
use gingham_net::container::{self, Interface};
use gingham_net::link::{self, BridgePort, Change, Which};
use gingham_net::netlink::{NetlinkError, Route, Socket};
use gingham_net::netns::{NetNs, NetnsError};
use gingham_net::veth::{self, Pair};
use ipnet::{IpNet, Ipv4Net};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use super::companion::{self, Companion};
use crate::trial::plugin::DIRECTORY;

/// What joins the nodes.
const SWITCH: &str = "switch";

/// Its address, for a store that all nodes reach.
pub(super) const BETWEEN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);

/// A node's interface to the others.
const UPLINK: &str = "uplink0";

/// Longer than a link takes to come up, or to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a node does not share with the others.
const OWN: [&str; 3] = ["/run/netns", "/run/gingham", "/var/lib"];

const MACHINE_ID: &str = "/etc/machine-id";

/// A node that could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteError {
    #[error("cannot make namespaces for a node: {0}")]
    Unshare(Errno),
    #[error("cannot enter the namespaces of {node}: {source}")]
    Enter { node: String, source: Errno },
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    #[error("cannot join the nodes: {0}")]
    Netlink(#[from] NetlinkError),
    #[error("cannot join the nodes: {0}")]
    Net(#[from] NetError),
    #[error("the link of {node} is still there {PATIENCE:?} after its namespaces have ended")]
    Undead { node: String },
}

/// The nodes.
pub(super) struct Site {
    pub(super) nodes: Vec<SiteNode>,
}

/// One of them. Its namespaces end with the value, and with the containers in them.
pub(super) struct SiteNode {
    /// `node-1`, …
    pub(super) name: String,
    /// Its address towards the others.
    pub(super) address: IpAddr,
    /// The switch's end of its link.
    port: String,
    mounts: File,
    network: File,
    /// Its gingham-node.
    companion: Option<Companion>,
}

impl Site {
    /// Makes so many nodes.
    pub(super) fn new(count: u8) -> Result<Self, SiteError> {
        keep_library()?;
        let mut kernel = Socket::<Route>::open()?;
        link::change(&mut kernel, Which::Name("lo"), &Change { up: Some(true), ..Change::default() })?;
        let switch = bridge::ensure(&mut kernel, SWITCH, None, false)?;
        bridge::ensure_address(&mut kernel, &switch, net(BETWEEN), false)?;
        let nodes = (1..=count).map(|number| SiteNode::new(&mut kernel, &switch, number)).collect::<Result<_, _>>()?;
        Ok(Self { nodes })
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<String> = self.nodes.iter().map(|node| format!("{} {}", node.name, node.address)).collect();
        f.write_str(&nodes.join(", "))
    }
}

impl SiteNode {
    fn new(kernel: &mut Socket<Route>, switch: &Bridge, number: u8) -> Result<Self, SiteError> {
        let born = thread::scope(|scope| {
            let made = scope.spawn(|| be_born(number)).join();
            made.unwrap_or_else(|panic| resume_unwind(panic))
        });
        let (mounts, network, namespace) = born?;
        let (address, port) = (Ipv4Addr::new(192, 0, 2, number), format!("port{number}"));
        wire(kernel, switch, &port, &namespace, net(address))?;
        Ok(Self { name: format!("node-{number}"), address: address.into(), port, mounts, network, companion: None })
    }

    /// Does something on the node.
    pub(super) fn on<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, SiteError> {
        thread::scope(|scope| {
            let there = || enter(&self.name, &self.network, &self.mounts).map(|()| work());
            scope.spawn(there).join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Starts gingham-node there, to look after one network. Its log is at [`LOG`] of the node.
    pub(super) fn keep(&mut self, program: &Path, config: String) -> Result<(), SiteError> {
        let fault = |operation| move |source| SiteError::Io { operation, path: program.to_owned(), source };
        let duplicate = |namespace: &File| namespace.try_clone().map_err(fault("keep the namespaces for"));
        let (name, network, mounts) = (self.name.clone(), duplicate(&self.network)?, duplicate(&self.mounts)?);
        let command = companion::command(program);
        let there = move || {
            enter(&name, &network, &mounts).map_err(io::Error::other)?;
            companion::prepare(&config)
        };
        self.companion = Some(Companion::start(command, there).map_err(fault("start"))?);
        Ok(())
    }

    /// Ends the node without a word: its namespaces go with all that is in them. Returns when its link is gone.
    pub(super) fn die(self) -> Result<(), SiteError> {
        let Self { name, port, mounts, network, companion, .. } = self;
        drop((companion, mounts, network));
        let mut kernel = Socket::<Route>::open()?;
        let deadline = Instant::now() + PATIENCE;
        while link::by_name(&mut kernel, &port)?.is_some() {
            if Instant::now() >= deadline {
                return Err(SiteError::Undead { node: name });
            }
            // The kernel ends namespaces in the background and tells nobody about it but by this.
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// For the calling thread, for good.
#[expect(clippy::disallowed_methods, reason = "it is called on threads of their own, which end with the work")]
fn enter(node: &str, network: &File, mounts: &File) -> Result<(), SiteError> {
    let fault = |source| SiteError::Enter { node: node.to_owned(), source };
    unshare(UnshareFlags::FS).map_err(fault)?;
    let enter = |namespace: &File, kind| move_into_link_name_space(namespace.as_fd(), Some(kind)).map_err(fault);
    enter(network, LinkNameSpaceType::Network)?;
    enter(mounts, LinkNameSpaceType::Mount)
}

fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: neither memory nor the descriptor table is touched; see the sandbox.
    unsafe { unshare_unsafe(flags) }
}

/// In a thread of its own: new namespaces, with what makes a node of them.
fn be_born(number: u8) -> Result<(File, File, NetNs), SiteError> {
    unshare(UnshareFlags::NEWNS | UnshareFlags::NEWNET).map_err(SiteError::Unshare)?;
    for path in OWN {
        let fault = |operation| move |source| SiteError::Io { operation, path: path.into(), source };
        fs::create_dir_all(path).map_err(fault("make the directory"))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("tmpfs", path, "tmpfs", flags, c"mode=0755").map_err(|errno| fault("hide")(errno.into()))?;
    }
    show_library()?;
    become_a_machine(number)?;
    let mut kernel = Socket::<Route>::open()?;
    link::change(&mut kernel, Which::Name("lo"), &Change { up: Some(true), ..Change::default() })?;
    let open =
        |path: &str| File::open(path).map_err(|source| SiteError::Io { operation: "open", path: path.into(), source });
    Ok((open("/proc/thread-self/ns/mnt")?, open("/proc/thread-self/ns/net")?, NetNs::current()?))
}

/// Where installed policies are while `/var/lib` is a node's own.
fn kept_library() -> PathBuf {
    Path::new(DIRECTORY).join("library")
}

fn keep_library() -> Result<(), SiteError> {
    if Path::new(LIBRARY_DIR).is_dir() { bind(Path::new(LIBRARY_DIR), &kept_library()) } else { Ok(()) }
}

fn show_library() -> Result<(), SiteError> {
    if kept_library().is_dir() { bind(&kept_library(), Path::new(LIBRARY_DIR)) } else { Ok(()) }
}

fn bind(from: &Path, to: &Path) -> Result<(), SiteError> {
    let fault = |source| SiteError::Io { operation: "show a directory at", path: to.to_owned(), source };
    fs::create_dir_all(to).and_then(|()| Ok(mount_bind(from, to)?)).map_err(fault)
}

/// Another machine has another identity.
fn become_a_machine(number: u8) -> Result<(), SiteError> {
    let own = "/run/gingham/machine-id";
    let fault = |operation, path: &str| {
        let path = path.into();
        move |source| SiteError::Io { operation, path, source }
    };
    fs::write(own, format!("{number:032x}\n")).map_err(fault("write", own))?;
    if Path::new(MACHINE_ID).is_file() {
        return mount_bind(own, MACHINE_ID).map_err(|errno| fault("hide", MACHINE_ID)(errno.into()));
    }
    etc_with(own).map_err(fault("make up an /etc with", MACHINE_ID))
}

/// A machine without an id has an `/etc` that leads to its files, and one more.
fn etc_with(machine_id: &str) -> io::Result<()> {
    let kept = Path::new("/run/gingham/etc");
    fs::create_dir_all(kept)?;
    mount_bind("/etc", kept)?;
    mount("tmpfs", "/etc", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=0755")?;
    for entry in fs::read_dir(kept)? {
        let name = entry?.file_name();
        if name != "machine-id" {
            symlink(kept.join(&name), Path::new("/etc").join(&name))?;
        }
    }
    fs::copy(machine_id, MACHINE_ID).map(drop)
}

fn net(address: Ipv4Addr) -> IpNet {
    // 24 is a length that IPv4 has.
    Ipv4Net::new(address, 24).map_or_else(|_| IpNet::from(IpAddr::from(address)), IpNet::from)
}

/// A cable from the switch into a node.
fn wire(kernel: &mut Socket<Route>, switch: &Bridge, port: &str, node: &NetNs, own: IpNet) -> Result<(), SiteError> {
    let pair = Pair {
        host_name: port,
        container_name: UPLINK,
        container: node,
        mac: None,
        mtu: None,
        bridge: Some(switch.index),
        port: BridgePort::default(),
        alias: None,
    };
    let veth = veth::create(kernel, &pair)?;
    let interface = Interface {
        index: veth.container_index,
        name: UPLINK,
        addresses: &[own],
        routes: &[],
        detection: DuplicateDetection::Off,
    };
    container::configure(node, &interface)?;
    bridge::wait_until_forwarding(kernel, switch, veth.host_index, PATIENCE)?;
    Ok(())
}
