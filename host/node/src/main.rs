//! `gingham-node`, the companion on a node of a cluster. It keeps the routes to the other nodes, keeps claimed addresses
//! ready so that no ADD waits for the store, gives empty blocks back and frees leases whose sandbox is gone. Containers
//! do not notice when it stops or starts.

mod cli;
mod cluster;
mod daemon;
mod ip_masquerade;
mod keeping;
mod log;
mod looks;
mod member;
mod metrics;
mod networks;
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
    log::start(cli.log_format);
    match daemon::run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(None, &error.to_string());
            ExitCode::FAILURE
        }
    }
}
