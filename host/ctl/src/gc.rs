//! `ginghamctl gc`: frees what containers left that are gone.

use std::io;
use std::time::Duration;

use gingham_engine::store::StoreError;
use gingham_network::ip_masquerade;
use gingham_network::stale_leases::{self, AddsPaused, StaleLeaseError, WithReason};

use crate::cli::GcArguments;
use crate::clock;
use crate::holdings::{Held, Holdings, cells};
use crate::node::{self, BootIdError};
use crate::output::{Output, complain};
use crate::table::Table;

/// The kernel takes a namespace's interfaces away a while after the namespace.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why nothing, or not everything, was freed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GcError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Boot(#[from] BootIdError),
    #[error(transparent)]
    Remains(#[from] StaleLeaseError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

pub(crate) fn run(arguments: &GcArguments, out: &mut Output) -> Result<(), GcError> {
    let boot = node::boot_id()?;
    // A dry run keeps nobody waiting.
    let alone = (!arguments.dry_run).then(|| AddsPaused::wait(&arguments.data_dir, tell_of_wait)).transpose()?;
    let all = Holdings::read(&arguments.data_dir, None)?;
    if !all.boot.is_empty() && all.boot != boot {
        return end_earlier_boot(arguments, all.attachments, &boot, out);
    }
    let of_network = |held: &Held| arguments.network.as_ref().is_none_or(|network| *network == held.network);
    let looked_at: Vec<Held> = all.attachments.into_iter().filter(of_network).collect();
    let count = looked_at.len();
    let (mut gone, mut kept) = stale_leases::find(looked_at);
    kept.extend(stale_leases::take_linked(&mut gone, PATIENCE)?);
    let freed = match &alone {
        None => gone,
        Some(alone) => free(alone, arguments, &boot, &gone)?,
    };
    report(arguments, &freed, &kept, count, out)
}

/// A reboot ended them all, of every network; whoever writes to the store first clears them away.
fn end_earlier_boot(
    arguments: &GcArguments,
    attachments: Vec<Held>,
    boot: &str,
    out: &mut Output,
) -> Result<(), GcError> {
    if !arguments.dry_run {
        drop(node::open_store(&arguments.data_dir, boot)?);
    }
    let count = attachments.len();
    let freed: Vec<WithReason> = attachments.into_iter().map(|held| (held, "of an earlier boot".to_owned())).collect();
    report(arguments, &freed, &[], count, out)
}

fn tell_of_wait() {
    complain("waiting for ADDs under way");
}

fn free(
    alone: &AddsPaused,
    arguments: &GcArguments,
    boot: &str,
    gone: &[WithReason],
) -> Result<Vec<WithReason>, GcError> {
    let freed = stale_leases::free(alone, &arguments.data_dir, boot, gone, clock::now())?;
    // That a file, a guard or a masquerade stays is told and no more.
    for error in freed.files_left {
        complain(&error);
    }
    for restored in ip_masquerade::restore(alone, &arguments.data_dir)? {
        match restored.changed {
            Ok(false) => {}
            Ok(true) => {
                complain(format!("network {}: the masquerade was not as recorded and is restored", restored.network));
            }
            Err(fault) => complain(format!("network {}: {fault}", restored.network)),
        }
    }
    for fault in freed.mac_filters_left.into_iter().chain(freed.masquerade_left) {
        complain(&fault);
    }
    Ok(freed.attachments)
}

fn report(
    arguments: &GcArguments,
    freed: &[WithReason],
    kept: &[WithReason],
    count: usize,
    out: &mut Output,
) -> Result<(), GcError> {
    let verb = if arguments.dry_run { "would free" } else { "freed" };
    writeln!(out, "{verb} {} of {}", freed.len(), attachments(count))?;
    if !freed.is_empty() {
        out.table(&table(freed))?;
    }
    if !kept.is_empty() {
        writeln!(out, "kept, because they may be in use: {}", kept.len())?;
        out.table(&table(kept))?;
    }
    Ok(())
}

fn attachments(count: usize) -> String {
    match count {
        1 => "1 attachment".to_owned(),
        _ => format!("{count} attachments"),
    }
}

fn table(judged: &[WithReason]) -> Table<6> {
    let mut table = Table::new(["NETWORK", "ADDRESS", "CONTAINER", "INTERFACE", "POD", "WHY"]);
    for (held, why) in judged {
        for [network, address, container, interface, pod] in cells(held) {
            table.row([network, address, container, interface, pod, why.clone()]);
        }
    }
    table
}
