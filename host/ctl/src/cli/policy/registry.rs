//! Options of all that has to do with registries and signatures.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use gingham_engine::library::Digest;

#[derive(Debug, Args)]
pub(crate) struct RegistryArguments {
    /// Certificates in PEM to trust for the registry, instead of this machine's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Reach the registry without TLS; credentials are then sent unencrypted
    #[arg(long)]
    pub(crate) plain_http: bool,
    /// Give up after this time
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// The rules of which signatures are required [default: /etc/gingham/trust.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let read = humantime::parse_duration(text).ok().filter(|duration| !duration.is_zero());
    read.ok_or_else(|| "use a number and a unit, such as \"90s\" or \"5m\"".to_owned())
}

pub(super) fn digest(text: &str) -> Result<Digest, String> {
    Digest::parse(text).ok_or_else(|| "use sha256: and 64 lower case hexadecimal digits".to_owned())
}
