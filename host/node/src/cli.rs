//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};
use gingham_engine::settings::{default_data_dir, default_library};
use gingham_network::published::staging;

use crate::kubernetes::KubernetesArguments;
use crate::log::Format;
use crate::networks::Directories;
use crate::server::Listen;

/// Reconcile a cluster's routes, blocks and leases on this node.
#[derive(Debug, Parser)]
#[command(version)]
#[command(after_help = "\
The agent reconciles every network in the configuration directory whose `ipam` has `cluster`. It reads the directory every
10 seconds. Run one agent per node, as root, in the host's network namespace; host/node/gingham-node.service is a systemd
unit.

  curl --unix-socket /run/gingham/node.sock http://node/metrics    metrics for Prometheus
  curl --unix-socket /run/gingham/node.sock http://node/healthz    200, or 503 and the reason
  curl --unix-socket /run/gingham/node.sock http://node/readyz     200 if the runtime has the configuration
  curl --unix-socket /run/gingham/node.sock http://node/livez      200 if the reconcile loops turn

GINGHAM_LOG filters the log by level and target, such as `debug` or `info,h2=debug`; the default is `info`.

Exit status: 0 stopped by a signal, 1 failed (standard error has the reason), 2 wrong usage.")]
pub(crate) struct Cli {
    /// The directory of network configurations (.conflist, .conf, .json)
    #[arg(long, value_name = "DIR", default_value = "/etc/cni/net.d")]
    pub(crate) config_dir: PathBuf,
    /// The directory of leases; the agent locks a file in it
    #[arg(long, value_name = "DIR", default_value_os_t = default_data_dir())]
    pub(crate) data_dir: PathBuf,
    /// The directory of installed policies
    #[arg(long, value_name = "DIR", default_value_os_t = default_library())]
    pub(crate) library: PathBuf,
    /// Serve /metrics and /healthz on unix:PATH or ADDRESS:PORT, or none; may be repeated. With the store `kubernetes` ADDs
    /// ask for blocks on the unix socket
    #[arg(long, value_name = "WHERE", default_value = "unix:/run/gingham/node.sock")]
    pub(crate) listen: Vec<Listen>,
    /// Allow a --listen address that other machines can reach, without a password
    #[arg(long)]
    pub(crate) listen_anywhere: bool,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesArguments,
    #[command(flatten)]
    pub(crate) registry: RegistryArguments,
    /// Run on a node of Kubernetes: take the network from its API, and write its configuration into --config-dir when the node
    /// can serve it. DIR has the values to create the network with, as files: the `ConfigMap` `gingham-network`
    #[arg(long = "kubernetes", value_name = "DIR")]
    pub(crate) network_values: Option<PathBuf>,
    /// The directory of CNI plugins
    #[arg(long, value_name = "DIR", default_value = "/opt/cni/bin")]
    pub(crate) plugin_dir: PathBuf,
    /// The pause between two reconciles, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(crate) interval: Duration,
    /// How long a sandbox is gone before its leases are freed, and a block idle before it is released, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, hide = true)]
    pub(crate) grace_period: Duration,
    /// The format of the log on standard error
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(crate) log_format: Format,
}

impl Cli {
    pub(crate) fn directories(&self) -> Directories {
        Directories { configured: self.config_dir.clone(), staged: staging(&self.data_dir) }
    }
}

/// For policies that come as objects of Kubernetes and name an image.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RegistryArguments {
    /// Certificates in PEM to trust for registries of policies; by default /etc/gingham/registry-ca.pem, then this machine's
    #[arg(long, value_name = "FILE")]
    pub(crate) registry_ca: Option<PathBuf>,
    /// Reach registries of policies without TLS
    #[arg(long)]
    pub(crate) registry_plain_http: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("use a number from 1 to 3600".to_owned()),
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
        assert!(refused(&["--interval", "0"]).contains("use a number from 1 to 3600"));
        assert!(refused(&["--listen", "unix:run/x"]).contains("use an absolute path"));
        assert!(refused(&["--listen", "localhost"]).contains("use unix:PATH, ADDRESS:PORT or none"));
    }
}
