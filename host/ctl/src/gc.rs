//! `ginghamctl gc`: frees what containers left that are gone.

pub(crate) mod fate;

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use gingham::adoption::forget_files;
use gingham_engine::ledger::{Ledger, LedgerQueries};
use gingham_engine::reference_leases::Adoption;
use gingham_engine::store::{Store, StoreError};
use gingham_net::NetError;
use gingham_net::netlink::NetlinkError;

use crate::cli::GcArguments;
use crate::clock;
use crate::holdings::{Held, Holdings};
use crate::node::{self, NoBootId};
use crate::table::Table;
use fate::Fate;

/// The kernel takes a namespace's interfaces away a while after the namespace.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why nothing, or not everything, was freed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GcError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Boot(#[from] NoBootId),
    #[error("cannot look at this node's interfaces: {0}")]
    Netlink(#[from] NetlinkError),
    #[error("cannot look at this node's interfaces: {0}")]
    Links(#[from] NetError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// An attachment that stays although it may be dead, or that goes, and why.
type Judged = (Held, String);

pub(crate) fn run(arguments: &GcArguments, out: &mut dyn Write) -> Result<(), GcError> {
    let boot = node::boot_id()?;
    let all = Holdings::read(&arguments.data_dir, None)?;
    if !all.boot.is_empty() && all.boot != boot {
        return end_earlier_boot(arguments, all.attachments, &boot, out);
    }
    let of_network = |held: &Held| arguments.network.as_ref().is_none_or(|network| *network == held.network);
    let looked_at: Vec<Held> = all.attachments.into_iter().filter(of_network).collect();
    let count = looked_at.len();
    let (mut gone, mut kept) = judge(looked_at);
    kept.extend(fate::take_linked(&mut gone, PATIENCE)?);
    let freed = if arguments.dry_run { gone } else { free(&arguments.data_dir, &boot, &gone)? };
    report(arguments, &freed, &kept, count, out)
}

/// A reboot ended them all, of every network; whoever writes to the store first clears them away.
fn end_earlier_boot(
    arguments: &GcArguments,
    attachments: Vec<Held>,
    boot: &str,
    out: &mut dyn Write,
) -> Result<(), GcError> {
    if !arguments.dry_run {
        drop(Store::open(&arguments.data_dir, boot, clock::now())?);
    }
    let count = attachments.len();
    let freed: Vec<Judged> = attachments.into_iter().map(|held| (held, "of an earlier boot".to_owned())).collect();
    report(arguments, &freed, &[], count, out)
}

/// Those that are gone, and those of which it cannot be told. Those that are there are in neither.
fn judge(attachments: Vec<Held>) -> (Vec<Judged>, Vec<Judged>) {
    let (mut gone, mut unknown) = (Vec::new(), Vec::new());
    for held in attachments {
        match Fate::of(&held) {
            Fate::There => {}
            Fate::Gone(why) => gone.push((held, why)),
            Fate::Unknown(why) => unknown.push((held, why)),
        }
    }
    (gone, unknown)
}

/// Frees them in one transaction for each network, if they still are what they were when they were judged: the
/// container may have left in between, and another have come.
fn free(data_dir: &Path, boot: &str, gone: &[Judged]) -> Result<Vec<Judged>, GcError> {
    let mut freed = Vec::new();
    for of_network in gone.chunk_by(|(one, _), (other, _)| one.network == other.network) {
        let Some((first, _)) = of_network.first() else { continue };
        let now = clock::now();
        let mut ledger = Store::open(data_dir, boot, now)?.into_ledger(&first.network)?;
        for (held, why) in of_network {
            if ledger.attachment(&held.key)?.as_ref() == Some(&held.record) {
                ledger.detach(&held.key, now)?;
                freed.push((held.clone(), why.clone()));
            }
        }
        ledger.commit()?;
    }
    // What was adopted takes its file with it, as with DEL. That it could not is told and no more.
    for (held, _) in &freed {
        let adoption = Adoption { from: held.adopted_from.clone(), ..Adoption::default() };
        for error in forget_files(&adoption, &held.key, &held.record.addresses) {
            eprintln!("ginghamctl: {error}");
        }
    }
    Ok(freed)
}

fn report(
    arguments: &GcArguments,
    freed: &[Judged],
    kept: &[Judged],
    count: usize,
    out: &mut dyn Write,
) -> Result<(), GcError> {
    let verb = if arguments.dry_run { "would free" } else { "freed" };
    writeln!(out, "{verb} {} of {}", freed.len(), attachments(count))?;
    if !freed.is_empty() {
        write!(out, "{}", table(freed))?;
    }
    if !kept.is_empty() {
        writeln!(out, "kept, because they may be in use: {}", kept.len())?;
        write!(out, "{}", table(kept))?;
    }
    Ok(())
}

fn attachments(count: usize) -> String {
    match count {
        1 => "1 attachment".to_owned(),
        _ => format!("{count} attachments"),
    }
}

fn table(judged: &[Judged]) -> Table<6> {
    let mut table = Table::new(["NETWORK", "ADDRESS", "CONTAINER", "INTERFACE", "POD", "WHY"]);
    for (held, why) in judged {
        for [network, address, container, interface, pod] in held.cells() {
            table.row([network, address, container, interface, pod, why.clone()]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use gingham_engine::attachment::{AttachmentKey, Pod};
    use gingham_engine::ledger::AttachmentRecord;

    use super::*;

    /// Between the look at a container and its end, it may have left and come again.
    #[test]
    fn who_came_again_in_the_meantime_is_not_freed() {
        let dir = tempfile::tempdir().unwrap();
        let key = |container: &str| AttachmentKey { container_id: container.to_owned(), interface: "eth0".to_owned() };
        let record = |address: &str, since: u64| AttachmentRecord {
            addresses: vec![address.parse().unwrap()],
            since,
            boot: "boot".to_owned(),
            netns: "/run/netns/gone".to_owned(),
            pod: Pod::default(),
        };
        let mut ledger = Store::open(dir.path(), "boot", 10).unwrap().into_ledger("n").unwrap();
        ledger.attach(&key("again"), &record("10.1.0.2", 10)).unwrap();
        ledger.attach(&key("dead"), &record("10.1.0.3", 10)).unwrap();
        ledger.commit().unwrap();
        let seen = Holdings::read(dir.path(), None).unwrap().attachments;
        let mut ledger = Store::open(dir.path(), "boot", 20).unwrap().into_ledger("n").unwrap();
        ledger.detach(&key("again"), 20).unwrap();
        ledger.attach(&key("again"), &record("10.1.0.2", 20)).unwrap();
        ledger.commit().unwrap();
        let gone: Vec<Judged> = seen.into_iter().map(|held| (held, String::new())).collect();
        let freed = free(dir.path(), "boot", &gone).unwrap();
        assert_eq!(freed.len(), 1);
        let left = Holdings::read(dir.path(), None).unwrap().attachments;
        assert_eq!(left.iter().map(|held| held.key.container_id.as_str()).collect::<Vec<_>>(), ["again"]);
    }
}
