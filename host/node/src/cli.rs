//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use gingham_engine::settings::{default_data_dir, default_library};

use crate::log::Format;
use crate::server::Listen;

/// Keep a cluster's routes, claims and leases true on this node.
#[derive(Debug, Parser)]
#[command(version)]
#[command(after_help = "\
It looks after every network in the configuration directory whose `ipam` has `cluster`, and looks there again every 10
seconds. Run one per node, as root, in the host's network namespace; host/node/gingham-node.service is a systemd unit.

  curl --unix-socket /run/gingham/node.sock http://node/metrics    for Prometheus
  curl --unix-socket /run/gingham/node.sock http://node/healthz    200, or 503 and what is wrong

Exit status: 0 told to stop, 1 failed (standard error says why), 2 wrong usage.")]
pub(crate) struct Cli {
    /// The directory of network configurations (.conflist, .conf, .json)
    #[arg(long, value_name = "DIR", default_value = "/etc/cni/net.d")]
    pub(crate) config_dir: PathBuf,
    /// The directory of leases; a lock in it says that this node's routes are kept
    #[arg(long, value_name = "DIR", default_value_os_t = default_data_dir())]
    pub(crate) data_dir: PathBuf,
    /// The directory of installed policies
    #[arg(long, value_name = "DIR", default_value_os_t = default_library())]
    pub(crate) library: PathBuf,
    /// Where /metrics and /healthz are served: unix:PATH, ADDRESS:PORT, or none
    #[arg(long, value_name = "WHERE", default_value = "unix:/run/gingham/node.sock")]
    pub(crate) listen: Listen,
    /// Permit an address of --listen that other machines can reach: there is no password
    #[arg(long)]
    pub(crate) listen_anywhere: bool,
    /// The pause between two looks at the cluster's store, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(crate) every: Duration,
    /// How long a sandbox is missed before its leases are freed, and a block is idle before it is given back, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, hide = true)]
    pub(crate) looks_apart: Duration,
    /// How standard error is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(crate) log_format: Format,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("it must be 1 to 3600".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn help_explains_what_can_be_said() {
        insta::assert_snapshot!(Cli::command().render_long_help());
    }

    #[test]
    fn bad_values_are_refused_with_a_reason() {
        let refused = |arguments: &[&str]| {
            Cli::try_parse_from([&["gingham-node"], arguments].concat()).expect_err("refused").to_string()
        };
        assert!(refused(&["--every", "0"]).contains("it must be 1 to 3600"));
        assert!(refused(&["--listen", "unix:run/x"]).contains("a path that starts with /"));
        assert!(refused(&["--listen", "localhost"]).contains("unix:PATH, ADDRESS:PORT or none"));
    }
}
