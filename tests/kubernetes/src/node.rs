//! A node: namespaces, a link to the others, a directory for its disk, and the daemons of Kubernetes.

pub(crate) mod cgroups;
pub mod daemons;
pub mod pods;

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gingham_net::bridge::Bridge;
use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use gingham_testbed::cable::{Cable, Port};
use gingham_testbed::daemon::end_of;
use ipnet::{IpNet, Ipv4Net};
use rustix::process::{Pid, Signal, kill_process};

use crate::agent_account::AgentAccount;
use crate::command::{Finished, bounded, finish, until};
use crate::keeper::{Keeper, Process};
use crate::kubectl::Kubectl;
use daemons::{AGENT, CONTAINERD, KUBE_PROXY, KUBELET};

const BOOT_SCRIPT: &str = include_str!("node/boot.sh");

/// Longer than a daemon takes to start on a loaded machine.
const START_TIMEOUT: Duration = Duration::from_mins(3);

/// Where Debian installs the reference plugins.
const REFERENCE_PLUGINS: &str = "/usr/lib/cni";

/// What nodes have in common.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) switch: Bridge,
    pub(crate) router: Ipv4Addr,
    pub(crate) image: PathBuf,
    /// The plugin, `ginghamctl` and `gingham-node`.
    pub(crate) programs: PathBuf,
    pub(crate) account: AgentAccount,
}

#[derive(Debug)]
pub struct Node {
    /// `node-1`, …
    pub name: String,
    pub address: Ipv4Addr,
    directory: PathBuf,
    cgroup: String,
    port: String,
    kubelet: Kubectl,
    proxy: Kubectl,
    site: Site,
    up: Option<Up>,
    has_agent: bool,
}

/// A node that runs.
#[derive(Debug)]
struct Up {
    /// Kills the node's first process when it ends, and with it all others.
    _namespaces: Process,
    first_process: u32,
    daemons: BTreeMap<String, Process>,
}

impl Node {
    pub(crate) fn new(base: &Path, number: u8, users: [Kubectl; 2], site: Site) -> Self {
        let name = format!("node-{number}");
        let [kubelet, proxy] = users;
        let node = Self {
            address: Ipv4Addr::new(192, 0, 2, number),
            directory: base.join(&name),
            cgroup: cgroups::name(&name),
            port: format!("port{number}"),
            name,
            kubelet,
            proxy,
            site,
            up: None,
            has_agent: false,
        };
        node.format(number);
        node
    }

    /// An empty disk with the plugins on it.
    fn format(&self, number: u8) {
        for part in ["containerd", "kubelet", "gingham", "cni", "net.d", "plugins", "log"] {
            fs::create_dir_all(self.directory.join(part)).unwrap();
        }
        fs::write(self.directory.join("machine-id"), format!("{number:032x}\n")).unwrap();
        for plugin in fs::read_dir(REFERENCE_PLUGINS).unwrap() {
            let plugin = plugin.unwrap();
            symlink(plugin.path(), self.directory.join("plugins").join(plugin.file_name())).unwrap();
        }
        fs::copy(self.program("gingham"), self.directory.join("plugins/gingham")).unwrap();
    }

    /// Starts the node with its daemons, and the agent if it has one. Pods that were on it come again.
    pub fn boot(&mut self) {
        self.start_namespaces();
        self.start(CONTAINERD);
        self.import(&self.site.image);
        for name in [KUBELET, KUBE_PROXY] {
            self.start(name);
        }
        if self.has_agent {
            self.start(AGENT);
        }
    }

    fn start_namespaces(&mut self) {
        assert!(self.up.is_none(), "{} is up", self.name);
        // A node of a test that failed has left in a hurry.
        self.wait_until_gone();
        cgroups::create(&self.cgroup);
        // The kernel makes another one on each read.
        fs::copy("/proc/sys/kernel/random/uuid", self.directory.join("boot_id")).unwrap();
        let booted = self.directory.join("booted");
        let _ = fs::remove_file(&booted);
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["sh", "-c", BOOT_SCRIPT, "boot"]).arg(&self.directory).arg(&self.name);
        let mut namespaces = self.site.keeper.start(command, &self.log_file("boot"));
        let log = self.log_file("boot");
        until("a node has its mounts", START_TIMEOUT, || {
            assert!(!namespaces.has_ended(), "{} does not boot: {}", self.name, end_of(&log, 5));
            if booted.exists() { Ok(()) } else { Err(end_of(&log, 5)) }
        });
        let first_process = child_of(namespaces.id()).expect("unshare has one child");
        self.up = Some(Up { _namespaces: namespaces, first_process, daemons: BTreeMap::new() });
        self.connect();
    }

    fn connect(&self) {
        let address = IpNet::V4(Ipv4Net::new_assert(self.address, 24));
        let cable = Cable {
            port: &self.port,
            to: Port::Switch(&self.site.switch),
            interface: "eth0",
            addresses: &[address],
            gateways: &[self.site.router.into()],
        };
        cable.connect(&mut Socket::<Route>::open().unwrap(), &self.network()).unwrap();
        // A machine has the same card after a boot, and the other nodes know it for a minute.
        let card = format!("02:00:c0:00:02:{:02x}", self.address.octets()[3]);
        self.run("/usr/bin/busybox", &["ip", "link", "set", "eth0", "address", &card]).stdout();
    }

    /// Pulls the node's cable, or plugs it in again.
    pub fn set_connected(&self, yes: bool) {
        let change = Change { up: Some(yes), ..Change::default() };
        link::change(&mut Socket::<Route>::open().unwrap(), Which::Name(&self.port), &change).unwrap();
    }

    /// Ends everything on the node at one moment. What is on its disk stays.
    pub fn power_cut(&mut self) {
        let up = self.up.take().unwrap_or_else(|| panic!("{} is not up", self.name));
        kill(up.first_process, Signal::KILL);
        drop(up);
        self.wait_until_gone();
    }

    /// The kernel ends namespaces in the background and announces only that their link is gone.
    fn wait_until_gone(&self) {
        let mut kernel = Socket::<Route>::open().unwrap();
        until("the link of a node that is gone is gone", START_TIMEOUT, || {
            match link::by_name(&mut kernel, &self.port).unwrap() {
                Some(_) => Err("it is there".to_owned()),
                None => Ok(()),
            }
        });
        cgroups::remove(&self.cgroup);
    }

    /// Gives the node an empty disk: another machine under its name.
    pub fn replace_disk(&mut self) {
        assert!(self.up.is_none(), "{} is up", self.name);
        fs::remove_dir_all(&self.directory).unwrap();
        let number = self.address.octets()[3];
        self.format(number + 100);
    }

    /// Starts a daemon: one of [`daemons`].
    pub fn start(&mut self, name: &str) {
        let line = daemons::command_line(self, name);
        let mut command = self.enter(&line[0]);
        command.args(&line[1..]);
        let process = self.site.keeper.start(command, &self.log_file(name));
        self.up_mut().daemons.insert(name.to_owned(), process);
        self.has_agent |= name == AGENT;
        if name == CONTAINERD {
            // A socket of a daemon that was killed is still there, so only an answer counts.
            until("containerd serves", START_TIMEOUT, || {
                let asked = self.run("ctr", &["version"]);
                if asked.is_success() { Ok(()) } else { Err(asked.refusal()) }
            });
        }
    }

    /// `kill -9`, or another signal that ends a daemon. What it started lives on.
    pub fn kill(&mut self, name: &str, signal: Signal) {
        let mut process = self.up_mut().daemons.remove(name).unwrap_or_else(|| panic!("{name} does not run"));
        let mut told = None;
        // The process that entered the namespaces waits for the daemon. One that was just started may have no child yet.
        until(&format!("{name} of {} has ended", self.name), START_TIMEOUT, || {
            if process.has_ended() {
                return Ok(());
            }
            if told.is_none() {
                told = child_of(process.id());
                told.into_iter().for_each(|daemon| kill(daemon, signal));
            }
            Err(format!("it runs as {told:?}; its log ends with:\n{}", self.log(name, 5)))
        });
    }

    /// Whether a daemon was started and not killed.
    pub fn runs(&self, name: &str) -> bool {
        self.up().daemons.contains_key(name)
    }

    /// The process of a daemon, by the ids of the calling process.
    pub fn process(&self, name: &str) -> u32 {
        let process = &self.up().daemons[name];
        child_of(process.id()).unwrap_or_else(|| panic!("{name} has ended:\n{}", self.log(name, 20)))
    }

    /// Runs a program on the node.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Finished {
        finish(bounded("nsenter").args(self.namespaces()).arg(program).args(arguments).envs(environment()))
    }

    /// Runs `ginghamctl` on the node.
    pub fn ctl(&self, arguments: &[&str]) -> Finished {
        self.run(&self.program("ginghamctl").display().to_string(), arguments)
    }

    /// Gives the node a network: a configuration list, which takes the place of the one it had.
    pub fn configure(&self, list: &str) {
        let directory = self.directory.join("net.d");
        // Renamed within the directory, so that containerd reads all of it and notices it.
        fs::write(directory.join("10-pods.new"), list).unwrap();
        fs::rename(directory.join("10-pods.new"), directory.join("10-pods.conflist")).unwrap();
    }

    /// Gives containerd an image from an archive.
    pub fn import(&self, archive: &Path) {
        self.run("ctr", &["--namespace=k8s.io", "image", "import", &archive.display().to_string()]).stdout();
    }

    /// Until the next boot. Containers have a `/proc` of their own, in which no runtime mounts anything: the agent in one
    /// sees the machine's boot, and the plugin has to see the same.
    pub(crate) fn take_boot_id_of_machine(&self) {
        self.run("umount", &["/proc/sys/kernel/random/boot_id"]).stdout();
    }

    /// The node's network namespace.
    pub fn network(&self) -> NetNs {
        NetNs::open(format!("/proc/{}/ns/net", self.up().first_process)).unwrap()
    }

    /// The directory that holds `plugins`, `net.d` and the state of each daemon.
    pub fn disk(&self) -> &Path {
        &self.directory
    }

    pub fn is_up(&self) -> bool {
        self.up.is_some()
    }

    /// The last lines that a daemon logged.
    pub fn log(&self, name: &str, lines: usize) -> String {
        end_of(&self.log_file(name), lines)
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.directory.with_extension(format!("{name}.log"))
    }

    fn program(&self, name: &str) -> PathBuf {
        self.site.programs.join(name)
    }

    fn enter(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.env_clear().envs(environment()).args(self.namespaces()).arg(program);
        command
    }

    fn namespaces(&self) -> [String; 7] {
        let target = format!("--target={}", self.up().first_process);
        [target, "--mount".into(), "--net".into(), "--pid".into(), "--ipc".into(), "--uts".into(), "--".into()]
    }

    fn up(&self) -> &Up {
        self.up.as_ref().unwrap_or_else(|| panic!("{} is not up", self.name))
    }

    fn up_mut(&mut self) -> &mut Up {
        self.up.as_mut().unwrap_or_else(|| panic!("{} is not up", self.name))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let Some(up) = &self.up else { return };
        if !std::thread::panicking() {
            self.power_cut();
            return;
        }
        for name in up.daemons.keys() {
            let log = self.log(name, 300);
            let is_serious = |line: &&str| !line.contains("level=info") && !line.starts_with(['I', 'F', ' ']);
            let serious: Vec<&str> = log.lines().filter(is_serious).collect();
            eprintln!("{name} of {}:\n{}", self.name, serious[serious.len().saturating_sub(8)..].join("\n"));
        }
    }
}

fn environment() -> [(&'static str, &'static str); 3] {
    [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("TMPDIR", "/run/tmp"), ("CNI_PATH", "/opt/cni/bin")]
}

/// The one child of a process.
fn child_of(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn kill(process: u32, signal: Signal) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).unwrap();
    // It may have ended: its parent, which is ours, has not been waited for, so the id is no other's.
    let _ = kill_process(pid, signal);
}
