//! A policy in memory: what `cargo test` of a policy and the tools of `ginghamctl policy` have in common.
//!
//! A [`Scenario`] is one network on one node, without disk or kernel: a policy, its configuration, leases, reservations,
//! policy state, a clock, seeds and, for a cluster policy, who holds which block. Steps move it: [`Scenario::add`],
//! [`Scenario::del`], [`Scenario::advance`], [`Scenario::reboot`], [`Scenario::reconfigure`], [`Scenario::adopt`]. They run the
//! engine of the plugin, with its limits and its guard, and never panic:
//!
//! - What came of a step is a [`Run`]: the answer or the error that the plugin would report, the log, and what each call of
//!   an export cost in fuel, host calls, memory and time.
//! - A step that calls the policy does so twice, in fresh instances on equal stores. [`Run::difference`] is how the two
//!   differed: such a policy is not deterministic. [`Scenario::set_rehearsal`] switches the first run off.
//! - A [`ScenarioError`] is no fault of the policy: the caller wanted what no node could be in, such as a block that two
//!   members hold.
//!
//! ```no_run
//! # fn main() -> Result<(), gingham_workbench::ScenarioError> {
//! # let policy: gingham_engine::runtime::Policy = todo!();
//! let mut scenario = gingham_workbench::Scenario::new(&policy, serde_json::json!({"subnet": "10.1.0.0/24"}))?;
//! let request = scenario.request("web-1");
//! let run = scenario.add(&request)?;
//! assert!(run.difference.is_none());
//! println!("{:?} for {} fuel", run.result, run.usage().fuel);
//! scenario.del(&request.key);
//! # Ok(())
//! # }
//! ```

mod addresses;
mod adoption;
pub mod bench;
mod block_claims;
pub mod cases;
pub mod check;
pub mod compare;
mod difference;
mod error;
mod ledger;
pub mod replay;
pub mod report;
mod requests;
mod run;
mod scenario;

pub use difference::Difference;
pub use error::ScenarioError;
pub use requests::Released;
pub use run::{Run, TracedCall};
pub use scenario::{BEGINNING, Scenario};
