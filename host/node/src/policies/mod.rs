//! Policies as objects of Kubernetes: each agent fetches, verifies, compiles and installs them on its node, compares them with what
//! they replaced, and reports in the status of its `NetworkMember`. The object's status is what all members report.

mod comparison;
mod compilation;
mod evidence;
mod fetch;
mod installation;
mod installed;
mod installing;
mod keeper;
mod known;
mod leftover;
mod object;
mod parsed;
mod report;
mod summary;
mod system_calls;
#[cfg(test)]
mod tests;
mod timing;
mod turn;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{io, thread};

use gingham_registry::Access;

use crate::cli::RegistryArguments;
use crate::facts::Places;
use crate::kubernetes::Kubernetes;
use keeper::Keeper;

/// Between two looks at the files of the library, and between two steps of what goes on with time, as an observation does.
const STEP: Duration = Duration::from_secs(2);

/// What comes together is looked at together.
const PAUSE: Duration = Duration::from_millis(200);

const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// For all calls of a registry for one policy.
const REGISTRY_TIMEOUT: Duration = Duration::from_mins(2);

/// The image has no certificates of its own.
const REGISTRY_CA: &str = "/etc/gingham/registry-ca.pem";

/// How the agent reaches registries.
pub(crate) fn access(arguments: &RegistryArguments) -> Access {
    let usual = || Some(PathBuf::from(REGISTRY_CA)).filter(|path| Path::new(path).exists());
    Access {
        ca: arguments.registry_ca.clone().or_else(usual),
        plain_http: arguments.registry_plain_http,
        timeout: REGISTRY_TIMEOUT,
    }
}

/// Starts a thread that runs until the process ends.
pub(crate) fn start(kubernetes: Kubernetes, places: Places, registry: RegistryArguments) -> io::Result<()> {
    let run = move || {
        let mut keeper = Keeper::new(kubernetes, places, registry);
        let mut seen = 0;
        loop {
            let heard = keeper.known.signal.wait(seen, STEP);
            keeper.step(heard != seen);
            seen = heard;
            thread::sleep(PAUSE);
        }
    };
    thread::Builder::new().name("policies".to_owned()).spawn(run).map(drop)
}
