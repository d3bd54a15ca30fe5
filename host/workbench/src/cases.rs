//! Cases: what a policy is expected to do, in TOML, for policies in any language. `docs/policies/cases.md` explains the
//! format.

mod action;
mod comparison;
mod expectation;
mod file;
mod not_json;
mod outcome;
mod read;
pub(crate) mod request;
mod run;
mod situation;
mod step;
mod values;
mod written;

pub use action::Action;
pub use expectation::{Expectation, Expected, ExpectedPool, RefusalKind};
pub use file::{Case, CaseFile, Cluster, Lease, Node, Reservation};
pub use not_json::NotJson;
pub use outcome::{CaseOutcome, Failure, Mismatch};
pub use read::{ReadError, read, read_situations};
pub use request::{set_pod, set_pod_uid};
pub use run::run;
pub use situation::{SituationError, record};
pub use step::{ResolvConf, Step, StepError};
pub use values::{List, Mac, OwnerName, Pause, PodName};
