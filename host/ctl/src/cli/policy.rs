//! The command line of `ginghamctl policy`.

mod bench;
mod build;
mod call;
mod check;
mod compile;
mod network;
mod new;
mod pull;
mod push;
mod record;
mod registry;
mod replay;
mod sign;
mod test;
mod verify;
mod wit;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gingham_engine::library::Digest;

use super::Format;
pub(crate) use bench::BenchArguments;
pub(crate) use build::BuildArguments;
pub(crate) use call::{AbsentFact, CallArguments, RequesterKind};
pub(crate) use check::CheckArguments;
pub(crate) use compile::CompileArguments;
pub(super) use network::pair;
pub(crate) use new::NewArguments;
pub(crate) use pull::PullArguments;
pub(crate) use push::PushArguments;
pub(crate) use record::RecordArguments;
pub(crate) use registry::{RegistryArguments, TrustArguments};
pub(crate) use replay::{CompareArguments, ReplayArguments};
pub(crate) use sign::SignArguments;
pub(crate) use test::TestArguments;
pub(crate) use verify::VerifyArguments;
pub(crate) use wit::WitArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Write a directory with a new policy
    New(NewArguments),
    /// Build the policy in a directory
    Build(BuildArguments),
    /// Print the contract of policies
    Wit(WitArguments),
    /// Make one request of a policy and show answer, cost and log
    Call(Box<CallArguments>),
    /// Run a policy's cases
    Test(TestArguments),
    /// Try a policy with random containers, and judge every answer
    Check(CheckArguments),
    /// Measure what a policy costs
    Bench(BenchArguments),
    /// Ask a policy what a node recorded
    Replay(ReplayArguments),
    /// Compare two policies over the same requests
    Compare(CompareArguments),
    /// Check, compile and install a policy
    Add(AddArguments),
    /// Compile a policy, and install nothing
    Compile(CompileArguments),
    /// List the policies that a configuration can name
    List(ListArguments),
    /// Show what a policy is, and why it cannot be used if it is refused
    Inspect(InspectArguments),
    /// Remove an installed policy
    Remove(RemoveArguments),
    /// Print the recorded history of a network
    Record(RecordArguments),
    /// Push a policy to an OCI registry
    Push(PushArguments),
    /// Pull a policy from an OCI registry
    Pull(PullArguments),
    /// Sign a policy, in a file or in a registry
    Sign(SignArguments),
    /// Verify a policy's signature
    Verify(VerifyArguments),
    /// Compile the installed policies for this version, or for one that is to be installed
    Recompile(RecompileArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
FILE is a component, a core module that `cargo build --release --target wasm32-unknown-unknown` wrote, or the policy's
directory, which is built first. A policy can import gingham:ipam only. If the name is in use, the new policy
replaces the old one from the next ADD on. Running containers keep their addresses.

REF is a policy in an OCI registry. An existing file is meant first; oci://REF is always a registry. REF@sha256:HEX pins
the manifest, --digest pins the policy itself, which is also what a configuration pins. If there is a trust file, a
signature is verified as it requires, in the registry or in FILE.sig, and nothing is installed that no rule permits.
Reference, digests, signer and time are recorded: `policy inspect` shows them.

Examples:
  ginghamctl policy add target/wasm32-unknown-unknown/release/by_namespace.wasm
  ginghamctl policy add ./policies/by-namespace --name teams
  ginghamctl policy add registry.example/team/sticky:1.0")]
pub(crate) struct AddArguments {
    /// The policy: a .wasm file, the policy's directory, or a reference to a registry
    #[arg(value_name = "FILE|REF")]
    pub(crate) file: PathBuf,
    /// The name that selects it in a configuration [default: the file's or repository's name, with - for _]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Install it only if the policy has this digest
    #[arg(long, value_name = "sha256:HEX", value_parser = registry::digest)]
    pub(crate) digest: Option<Digest>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    #[command(flatten)]
    pub(crate) registry: RegistryArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
COMPILED is for this version of Gingham. RELEASE is `yes` if DEL calls the policy. Below the table are policies to
install again: their component in the library is damaged or missing, so that an upgrade cannot compile it.

With --json: a list of objects with name, digest, size (bytes), builtIn, compiled, copied (its compiled file was copied,
and `policy recompile` makes ADD faster), componentFault (why the next upgrade cannot compile it, or null), hasRelease,
installedAt (UTC; null if built in), reference and manifest (digest) of a registry, and signer (fingerprint, comment),
or null.

Examples:
  ginghamctl policy list
  ginghamctl policy list --json")]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "\
An installed policy hides a file of the same name in the working directory. What the component's author wrote into it is
shown as it is: name, version, description, licence, authors, source, and the tools that made it.

With --json: an object with name, digest, size (bytes), builtIn, installed, compiled (for this version), contract (the
version of gingham:ipam), language, imports, exports, hasRelease (DEL calls the policy), hasAdoption (adopted leases are
offered to it), isCluster (it divides a range among nodes), metadata (of the author: name, version, description,
licences, authors, source, homepage, revision, and producers with role, name and version), refused (reasons), and of an
installed one installedAt (UTC), reference, manifest and signer. With --config also trial: pools, answer (addresses),
error, and calls with export, fuel, hostCalls, memory (bytes) and microseconds.

Exit status: 0 if the policy can be used, 1 if it is refused.

Examples:
  ginghamctl policy inspect host-local
  ginghamctl policy inspect ./by_namespace.wasm --config /etc/cni/net.d/10-mynet.conflist
  ginghamctl policy inspect ./by_namespace.wasm --json")]
pub(crate) struct InspectArguments {
    /// The name of a policy, a .wasm file, or the directory of a policy
    #[arg(value_name = "NAME|FILE")]
    pub(crate) policy: String,
    /// A configuration: its pools, and what the first ADD costs, are shown as well; `-` for standard input
    #[arg(long, value_name = "CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Containers keep their addresses, and their DEL works without the policy. ADD fails for networks whose configuration
still names it.

Examples:
  ginghamctl policy remove by-namespace
  ginghamctl policy remove by-namespace --library /srv/policies")]
pub(crate) struct RemoveArguments {
    /// The policy's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Compiled code runs only with the version of Gingham that wrote it. Before an upgrade, compile for the new version with
--for: the code of both versions is kept, and the new plugin finds its own from its first ADD on. Policies that are
compiled already are skipped. A compiled file that was copied, as from a backup, is recorded: until then each ADD reads
all of it. After the upgrade, and when no program of an earlier version runs any more,
--remove-others frees the disk space of its code. Built-in policies need no compiling.

With --json: an object with version (of the compiled code), policies (objects with names, digest, state: \"ready\",
\"compiled\" or \"failed\", error, and wasCopied) and removed (versions).

Exit status: 0 if every policy is ready, 1 if one could not be compiled.

Examples:
  ginghamctl policy recompile --for /tmp/new/ginghamctl
  ginghamctl policy recompile --remove-others")]
pub(crate) struct RecompileArguments {
    /// Compile for another version: its `ginghamctl`, its plugin, or the directory of both
    #[arg(long = "for", value_name = "NEW-BINARY", conflicts_with = "remove_others")]
    pub(crate) new_binary: Option<PathBuf>,
    /// Remove the code that was compiled for other versions
    #[arg(long)]
    pub(crate) remove_others: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}
