//! The command line of `ginghamctl policy test`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Format;

#[derive(Debug, Args)]
#[command(after_help = "\
COMPONENT is a .wasm file, the policy's directory, which is built first, or the name of a policy that
`ginghamctl policy list` shows. CASES are files in TOML, and directories with such files; docs/policies/cases.md
explains them. Without CASES, those below `cases` in the directory COMPONENT are run.

The cases run in the engine of the plugin, in memory, with its limits. An answer that a node would not accept fails a
case, whatever the case expects. So does a second, fresh instance that answers differently.

With --json: an object with passed, failed and cases: objects with file, line, name, passed, steps, fuel, hostCalls,
memory (bytes), milliseconds and failure (null, or step, line, action, mismatches (what, expected, got) and report). A
file that cannot be read is an object with file, line, error and passed.

Examples:
  ginghamctl policy test ./policies/sticky
  ginghamctl policy test target/my-policy.wasm cases/ more.toml --junit report.xml
  ginghamctl policy test ./my-policy --watch --filter \"comes back\"")]
pub(crate) struct TestArguments {
    /// The policy: a .wasm file, the policy's directory, or a name
    #[arg(value_name = "COMPONENT")]
    pub(crate) component: String,
    /// Files of cases, and directories with such files
    #[arg(value_name = "CASES")]
    pub(crate) cases: Vec<PathBuf>,
    /// Run only the cases whose name contains NAME
    #[arg(long, value_name = "NAME")]
    pub(crate) filter: Option<String>,
    /// Write a `JUnit` report to FILE as well
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Run again whenever COMPONENT or a case changes
    #[arg(long, conflicts_with_all = ["json", "junit"])]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}
