//! `gingham-node`, the node agent. It maintains the routes to the other nodes of a cluster, claims addresses ahead so that no
//! ADD waits for the store, releases empty blocks and frees stale leases. Containers are not affected when it stops or starts.

mod cli;
mod cluster_calls;
mod daemon;
mod disk_state;
mod facts;
mod garbage_collection;
mod grace_period;
mod ip_masquerade;
mod kubernetes;
mod kubernetes_node;
mod last_fault;
mod local_networks;
mod log;
mod member;
mod metrics;
mod networks;
mod pod_events;
mod policies;
mod publication;
mod reconcile;
mod reload;
mod server;
mod service_manager;
mod stale_leases;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

fn main() -> ExitCode {
    gingham_engine::signals::survive_file_size_limit();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return log::usage(&error),
    };
    if let Err(error) = log::start(cli.log_format) {
        tracing::error!("{error}");
        return ExitCode::from(2);
    }
    match daemon::run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
