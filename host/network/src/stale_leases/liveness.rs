//! Whether a container is still there, by its network namespace. In doubt it is alive.

use std::path::Path;
use std::time::{Duration, Instant};

use gingham_cni::config::NetworkName;
use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::Sandbox;
use gingham_engine::reference_leases;
use gingham_net::link::{self, Link};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::{NetNs, NetnsError};

use super::{StaleLeaseError, WithReason};
use crate::alias;
use crate::holdings::Held;
use crate::plan::HostEnd;
use crate::sandbox;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Liveness {
    Alive,
    /// Its namespace is gone, and why one knows.
    Gone(String),
    /// Why it cannot be found out.
    Unknown(String),
}

impl Liveness {
    /// Of a holder of addresses. Of several, [`Self::of_all`] is quicker.
    pub fn of(held: &Held) -> Self {
        let unknown = || Self::Unknown("nothing is recorded".to_owned());
        Self::of_all(std::slice::from_ref(held)).pop().unwrap_or_else(unknown)
    }

    /// The same of several, in their order, with one look at the node's processes: a namespace lives on without its name as
    /// long as a process is in it.
    pub fn of_all(all: &[Held]) -> Vec<Self> {
        let mut namespaces: Vec<Self> = all.iter().map(Self::of_recorded).collect();
        let gone = all.iter().zip(&namespaces).filter(|(_, liveness)| matches!(liveness, Self::Gone(_)));
        let sandboxes: Vec<Sandbox> = gone.filter_map(|(held, _)| held.record.sandbox).collect();
        let inhabited = sandbox::with_process(&sandboxes);
        for (held, liveness) in all.iter().zip(&mut namespaces) {
            if held.record.sandbox.is_some_and(|sandbox| inhabited.contains(&sandbox)) {
                *liveness = Self::Alive;
            }
        }
        namespaces
    }

    fn of_recorded(held: &Held) -> Self {
        if !held.key.is_of_container() {
            // The node itself, or an owner that an operator named: a command ends their leases.
            return Self::Alive;
        }
        if held.record.netns.is_empty() && !held.adopted_from.is_empty() {
            return Self::of_adopted(held);
        }
        Self::of_namespace(&held.record.netns, held.record.sandbox.as_ref())
    }

    /// A runtime that keeps the configuration of old containers lets the reference end them; that shows in its files.
    fn of_adopted(held: &Held) -> Self {
        for directory in &held.adopted_from {
            match reference_leases::names(directory, &held.key, &held.record.addresses) {
                Ok(Some(false)) => {}
                Ok(None) => {
                    let directory = directory.display();
                    return Self::Unknown(format!("adopted from host-local, whose directory {directory} is gone"));
                }
                Ok(Some(true)) => {
                    let files = held.record.addresses.iter().map(|address| directory.join(address.to_string()));
                    let files = files.map(|file| file.display().to_string()).collect::<Vec<_>>().join(" and ");
                    return Self::Unknown(format!(
                        "adopted from host-local, which records no namespace; if the container no longer exists, delete \
                         {files} and run `ginghamctl gc`"
                    ));
                }
                Err(error) => return Self::Unknown(error.to_string()),
            }
        }
        Self::Gone("the reference host-local freed it".to_owned())
    }

    /// Of the container whose namespace was at this path when it came. An ADD under way is safe: its namespace is made
    /// before it starts.
    fn of_namespace(netns: &str, sandbox: Option<&Sandbox>) -> Self {
        if netns.is_empty() {
            return Self::Unknown("no namespace is recorded".to_owned());
        }
        match NetNs::open(netns) {
            Ok(namespace) if sandbox.is_some_and(|sandbox| sandbox::is_another(&namespace, sandbox)) => {
                Self::Gone(format!("at {netns} is the namespace of another"))
            }
            Ok(_) => Self::Alive,
            Err(NetnsError::Missing { .. }) if !is_known_place(netns) => {
                Self::Unknown(format!("the directory of {netns} does not exist on this machine"))
            }
            Err(NetnsError::Missing { .. }) => Self::Gone(format!("nothing is at {netns}")),
            Err(NetnsError::NotANamespace { what, .. }) => Self::Gone(format!("at {netns} is {what}")),
            Err(error) => Self::Unknown(error.to_string()),
        }
    }
}

/// A container that looks from inside at the node's leases sees no namespaces at all; it shall not take them for gone.
/// Below `/proc` directories go together with their process.
fn is_known_place(netns: &str) -> bool {
    netns.starts_with("/proc/") || Path::new(netns).parent().is_some_and(Path::is_dir)
}

/// Takes those out of `gone` that still have an interface on this node: something may still live in a namespace that
/// has no name any more. Waits a little for the kernel, which takes interfaces away later than their namespace.
pub fn take_linked(gone: &mut Vec<WithReason>, timeout: Duration) -> Result<Vec<WithReason>, StaleLeaseError> {
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let mut kernel = Socket::<Route>::open()?;
    let deadline = Instant::now() + timeout;
    loop {
        let links = link::list(&mut kernel, None)?;
        let linked = |held: &Held| links.iter().find(|link| belongs_to(link, held));
        let any = gone.iter().any(|(held, _)| linked(held).is_some());
        if !any || Instant::now() > deadline {
            let taken = gone.extract_if(.., |(held, _)| linked(held).is_some());
            let why = |held: &Held| linked(held).map(|link| format!("its interface {} is still here", link.name));
            return Ok(taken.map(|(held, _)| (held.clone(), why(&held).unwrap_or_default())).collect());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The plugin writes on its end of a container's link whose it is. An ADD that was killed did not come to it, and an
/// administrator may have written something else; the name is a hash of the three.
fn belongs_to(link: &Link, held: &Held) -> bool {
    let AttachmentKey { container_id, interface } = &held.key;
    let has_alias = link.alias.as_ref() == Some(&alias::of_attachment(&held.network, container_id, interface));
    let has_name = || {
        let network = NetworkName::new(&held.network).ok()?;
        let end = HostEnd::named(&network, container_id, interface).ok()?;
        Some(link.is_veth() && link.name == end.name.as_str())
    };
    has_alias || has_name().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_there() {
        assert_eq!(Liveness::of_namespace("/proc/self/ns/net", None), Liveness::Alive);
    }

    /// As after the restart of a node that is a container: the kernel uses inode numbers again, and never a cookie.
    #[test]
    fn another_namespace_at_the_path_is_no_sign_of_life() {
        let path = "/proc/self/ns/net";
        let now = sandbox::identify(Path::new(path)).unwrap();
        assert_eq!(Liveness::of_namespace(path, Some(&now)), Liveness::Alive);
        let gone = Liveness::Gone(format!("at {path} is the namespace of another"));
        let other_inode = Sandbox { inode: now.inode + 1, ..now };
        assert_eq!(Liveness::of_namespace(path, Some(&other_inode)), gone);
        let Some(cookie) = now.cookie else { panic!("this test needs Linux 5.14 or later") };
        let other_cookie = Sandbox { cookie: Some(cookie + 1), ..now };
        assert_eq!(Liveness::of_namespace(path, Some(&other_cookie)), gone);
        let without = Sandbox { cookie: None, ..now };
        assert_eq!(Liveness::of_namespace(path, Some(&without)), Liveness::Alive, "in doubt it is alive");
    }

    #[test]
    fn nothing_or_something_else_at_the_path_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cni-1");
        let netns = path.to_str().unwrap();
        assert_eq!(Liveness::of_namespace(netns, None), Liveness::Gone(format!("nothing is at {netns}")));
        std::fs::write(&path, "").unwrap();
        assert!(matches!(Liveness::of_namespace(netns, None), Liveness::Gone(_)));
        assert!(
            matches!(Liveness::of_namespace("/proc/0/ns/net", None), Liveness::Gone(_)),
            "a process that has ended"
        );
    }

    #[test]
    fn a_container_of_unknown_liveness_is_kept() {
        for netns in ["", "/nowhere/netns/cni-1"] {
            assert!(matches!(Liveness::of_namespace(netns, None), Liveness::Unknown(_)), "{netns:?}");
        }
    }

    /// The directory may be on a file system that is not mounted yet, or was cleared by others.
    #[test]
    fn a_directory_of_the_reference_that_is_gone_frees_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let networks = directory.path().join("networks/n");
        let held = Held {
            network: "n".to_owned(),
            key: AttachmentKey { container_id: "adopted".to_owned(), interface: "eth0".to_owned() },
            record: gingham_engine::ledger::AttachmentRecord {
                addresses: vec!["10.1.0.2".parse().unwrap()],
                ..Default::default()
            },
            adopted_from: vec![networks.clone()],
        };
        assert!(matches!(Liveness::of(&held), Liveness::Unknown(_)), "{:?}", Liveness::of(&held));
        std::fs::create_dir_all(&networks).unwrap();
        assert!(matches!(Liveness::of(&held), Liveness::Gone(_)), "{:?}", Liveness::of(&held));
    }
}
