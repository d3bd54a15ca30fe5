//! `ginghamctl policy build`

use std::path::PathBuf;

use clap::Args;

use super::super::Format;

#[derive(Debug, Args)]
#[command(after_help = "\
DIR is a directory that `ginghamctl policy new` wrote, or a crate that uses gingham-sdk. The same source gives the same
bytes, and so the same digest, in every directory and on every machine with the same compiler. Python is different:
componentize-py makes other bytes each time, so DIR/.gingham keeps the last component. `ginghamctl policy add DIR`
installs the same component. Other commands that build DIR write NAME.wasm too, if it is there and out of date.

With --lines, a fault in Rust or C is shown with file and line by the tools that compile the component. The policy's
code is the same, but the file is larger and has another digest. Errors in JavaScript and Python always have a line.

With --json: an object with name, path, size (bytes) and digest.

Examples:
  ginghamctl policy build
  ginghamctl policy build ./pool-per-team --lines -o with-lines.wasm")]
pub(crate) struct BuildArguments {
    /// The policy's directory
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The file to write [default: NAME.wasm in DIR]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Keep the lines of the source, so that `ginghamctl policy call` and `test` show where the policy failed
    #[arg(long)]
    pub(crate) lines: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}
