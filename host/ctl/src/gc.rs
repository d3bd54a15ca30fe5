//! `ginghamctl gc`: frees the leases of containers that no longer exist.

use std::time::Duration;

use gingham_network::ip_masquerade;
use gingham_network::stale_leases::{self, AddsPaused, WithReason};

use crate::cli::GcArguments;
use crate::clock;
use crate::holdings::{Held, Holdings, cells};
use crate::lease_store::{self, LeaseStoreError};
use crate::output::{Output, print_error};
use crate::table::Table;

/// The kernel takes a namespace's interfaces away a while after the namespace.
const INTERFACE_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn run(arguments: &GcArguments, out: &mut Output) -> Result<(), LeaseStoreError> {
    let boot = lease_store::boot_id()?;
    lease_store::require_directory(&arguments.data.dir)?;
    // A dry run does not make ADDs wait.
    let alone = (!arguments.dry_run).then(|| AddsPaused::wait(&arguments.data.dir, print_waiting)).transpose()?;
    let all = Holdings::read(&arguments.data.dir, None)?;
    if !all.boot.is_empty() && all.boot != boot {
        return end_earlier_boot(arguments, all.attachments, &boot, out);
    }
    let of_network = |held: &Held| arguments.network.as_ref().is_none_or(|network| *network == held.network);
    let looked_at: Vec<Held> = all.attachments.into_iter().filter(of_network).collect();
    let count = looked_at.len();
    let (mut gone, mut kept) = stale_leases::find(looked_at);
    kept.extend(stale_leases::take_linked(&mut gone, INTERFACE_TIMEOUT)?);
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
) -> Result<(), LeaseStoreError> {
    if !arguments.dry_run {
        drop(lease_store::open_store(&arguments.data.dir, boot)?);
    }
    let count = attachments.len();
    let freed: Vec<WithReason> = attachments.into_iter().map(|held| (held, "of an earlier boot".to_owned())).collect();
    report(arguments, &freed, &[], count, out)
}

fn print_waiting() {
    print_error("waiting for ADDs under way");
}

fn free(
    alone: &AddsPaused,
    arguments: &GcArguments,
    boot: &str,
    gone: &[WithReason],
) -> Result<Vec<WithReason>, LeaseStoreError> {
    tracing::debug!(attachments = gone.len(), "free leases");
    let freed = stale_leases::free(alone, &arguments.data.dir, boot, gone, clock::now())?;
    // That a file, a guard or a masquerade stays is told and no more.
    for error in freed.files_left {
        print_error(&error);
    }
    for restored in ip_masquerade::restore(alone, &arguments.data.dir)? {
        match restored.changed {
            Ok(false) => {}
            Ok(true) => {
                print_error(format!(
                    "network {}: restored the masquerade, which was not as recorded",
                    restored.network
                ));
            }
            Err(fault) => print_error(format!("network {}: {fault}", restored.network)),
        }
    }
    for fault in freed.mac_filters_left.into_iter().chain(freed.masquerade_left) {
        print_error(&fault);
    }
    Ok(freed.attachments)
}

fn report(
    arguments: &GcArguments,
    freed: &[WithReason],
    kept: &[WithReason],
    count: usize,
    out: &mut Output,
) -> Result<(), LeaseStoreError> {
    let verb = if arguments.dry_run { "would free" } else { "freed" };
    writeln!(out, "{verb} {} of {}", freed.len(), attachments(count))?;
    if !freed.is_empty() {
        out.table(&table(freed))?;
    }
    if !kept.is_empty() {
        writeln!(out, "kept, possibly in use: {}", kept.len())?;
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
