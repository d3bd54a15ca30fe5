//! Arguments of `ginghamctl policy record`.

use std::path::PathBuf;

use clap::Args;
use gingham_engine::settings::default_data_dir;

#[derive(Debug, Args)]
#[command(after_help = "\
A node records the history of a network whose configuration has `ipam.record`: every request with all that a policy can
see of it (facts, arguments, time, seed), the answer or the refusal, and every end of an attachment. Each line is a JSON
object. `policy replay` and `policy compare` read it. With `hashPersonalData` the names, labels, annotations, arguments
and MAC addresses of pods are pseudonyms; otherwise the file has them as they are.

Examples:
  ginghamctl policy record mynet --out mynet.history
  ginghamctl policy record mynet | tail -n 1")]
pub(crate) struct RecordArguments {
    /// The network's name
    #[arg(value_name = "NETWORK")]
    pub(crate) network: String,
    /// Write to this file [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The data directory: `ipam.dataDir` of the configuration
    #[arg(long, value_name = "DIR", default_value_os_t = default_data_dir())]
    pub(crate) data_dir: PathBuf,
}
