//! Where leases are, what they are leases of, and containers to attach.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};
use std::{fs, process};

use gingham_engine::attachment::{AttachmentKey, Pod};
use gingham_engine::ledger::{AttachmentRecord, Ledger as _};
use gingham_engine::store::Store;
use gingham_net::netns::NetNs;
use gingham_testbed::machine;

use crate::options::Options;

/// A tmpfs over what the plugins write to, in the mount namespace of this run.
pub(crate) fn private_directories() -> Result<(), Box<dyn Error>> {
    machine::make_mounts_private()?;
    Ok(machine::hide(&["/run", "/var/lib"])?)
}

/// A data directory.
pub(crate) struct Place {
    directory: PathBuf,
    /// How many leases were put there before.
    pub(crate) leases: u32,
    /// Whether the reference got as many.
    pub(crate) reference_too: bool,
}

/// With more leases the reference takes seconds for each ADD.
const REFERENCE_LEASES: u32 = 10_000;

impl Place {
    pub(crate) fn disk(options: &Options) -> Result<Self, Box<dyn Error>> {
        Self::fresh(&options.disk.join("empty"))
    }

    pub(crate) fn memory() -> Result<Self, Box<dyn Error>> {
        Self::fresh(Path::new("/run/bench"))
    }

    fn fresh(directory: &Path) -> Result<Self, Box<dyn Error>> {
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned(), leases: 0, reference_too: false })
    }

    pub(crate) fn with_leases(options: &Options, count: u32) -> Result<Self, Box<dyn Error>> {
        let mut place = Self::fresh(&options.disk.join(format!("leases-{count}")))?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let all: Vec<u32> = (0..count).collect();
        // One transaction has room for a quarter of a million.
        for part in all.chunks(100_000) {
            let mut ledger = Store::open(&place.directory, boot.trim(), 1)?.into_ledger("ours")?;
            for number in part.iter().copied() {
                let key = AttachmentKey { container_id: format!("{number:064x}"), interface: "eth0".into() };
                let record = AttachmentRecord {
                    addresses: vec![address(number)],
                    since: 1,
                    boot: boot.trim().to_owned(),
                    netns: format!("/var/run/netns/cni-{number:032x}"),
                    pod: Pod { namespace: Some("default".into()), name: Some(format!("pod-{number}")), uid: None },
                    ..AttachmentRecord::default()
                };
                ledger.attach(&key, &record)?;
            }
            ledger.commit()?;
        }
        place.leases = count;
        place.reference_too = count > 0 && count <= REFERENCE_LEASES;
        if place.reference_too {
            let theirs = place.directory.join("theirs");
            fs::create_dir_all(&theirs)?;
            for number in 0..count {
                fs::write(theirs.join(address(number).to_string()), format!("{number:064x}\r\neth0"))?;
            }
        }
        Ok(place)
    }

    /// A config for IPAM alone. 10.0.0.0/8 has room for any number of leases.
    pub(crate) fn config(&self, ipam: &str, network: &str) -> String {
        serde_json::json!({
            "cniVersion": "1.0.0", "name": network, "type": "other",
            "ipam": {"type": ipam, "subnet": "10.0.0.0/8", "dataDir": self.directory, "routes": [{"dst": "0.0.0.0/0"}]}
        })
        .to_string()
    }

    /// A config for IPAM alone, with any policy that has the key `subnet`.
    pub(crate) fn policy(&self, name: &str) -> String {
        serde_json::json!({
            "cniVersion": "1.0.0", "name": format!("of-{name}"), "type": "other",
            "ipam": {"type": "gingham", "policy": name, "subnet": "10.0.0.0/16", "dataDir": self.directory}
        })
        .to_string()
    }

    /// A config for a bridge with everything.
    pub(crate) fn network(&self, main: &str, network: &str, bridge: &str, subnet: &str) -> String {
        serde_json::json!({
            "cniVersion": "1.0.0", "name": network, "type": main, "bridge": bridge, "isGateway": true, "ipMasq": true,
            "ipam": {"type": "host-local", "subnet": subnet, "dataDir": self.directory, "routes": [{"dst": "0.0.0.0/0"}]}
        })
        .to_string()
    }
}

/// The leases put there before: from 10.0.1.0 on, so that the first addresses are free as after some running.
fn address(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0100 + number).into()
}

/// A network namespace of this process, reachable by others through a file descriptor.
pub(crate) struct Container {
    _netns: NetNs,
    path: String,
}

impl Container {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let netns = NetNs::create()?;
        let path = format!("/proc/{}/fd/{}", process::id(), netns.as_fd().as_raw_fd());
        Ok(Self { _netns: netns, path })
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}
