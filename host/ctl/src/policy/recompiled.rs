//! What `policy recompile --json` prints, and what another version's `ginghamctl` reads.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recompiled {
    /// What the code is filed under.
    pub(super) version: String,
    pub(super) policies: Vec<One>,
    #[serde(default)]
    pub(super) removed: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct One {
    pub(super) names: Vec<String>,
    pub(super) digest: String,
    pub(super) state: State,
    pub(super) error: Option<String>,
    /// Its compiled file had been copied, and is recorded now.
    #[serde(default)]
    pub(super) was_copied: bool,
    #[serde(skip)]
    pub(super) took: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum State {
    /// It was compiled before.
    Ready,
    Compiled,
    Failed,
}
