//! Errors as the runtime sees them: one JSON object on standard output, and exit code 1.
//!
//! # The table of codes
//!
//! | code | meaning | when |
//! |---|---|---|
//! | 1 | incompatible CNI version | `cniVersion` unknown, or too old for the verb; a delegated result of an unknown version |
//! | 3 | unknown container | CHECK of an attachment that was never made or is gone |
//! | 4 | invalid environment | `CNI_*` variables, `CNI_ARGS` among them |
//! | 5 | I/O failure | standard input and output, files, the lease store, the policy library |
//! | 6 | undecodable | standard input or another plugin's answer is no JSON of the right shape, or longer than any configuration; `cniVersion` is not a version |
//! | 7 | invalid configuration | a key's value; a policy's complaint about its configuration; a cluster's store that refuses us, or another cluster than the configured one |
//! | 8 | invalid network namespace | missing, no namespace, or the plugin's own |
//! | 11 | try again later | another process holds a lock and does not go on; the policy says that the request may succeed later; a cluster's store is not there and this node has no room of its own |
//! | 50 | not available | STATUS: an ADD would fail |
//! | 51 | not available, and existing containers may be affected | STATUS of delegated plugins only |
//! | 100 | kernel | an operation on interfaces, addresses, routes, sysctls or nftables failed |
//! | 101 | policy at fault | it crashed, ran too long, took too much memory, or gave an answer the host refuses |
//! | 102 | denied | the policy refuses this request for good |
//! | 103 | exhausted | no address is left, or a requested one cannot be had |
//! | 104 | already allocated | the container's interface is attached already; the lease is untouched |
//! | 999 | internal | a defect of this program |
//!
//! A delegated plugin's error passes through with its own code. `host/network/src/error.rs` assigns them.

use gingham_untrusted::text;
use serde::{Deserialize, Serialize};

use crate::json;
use crate::version::SpecVersion;

/// A number of the table above, or a delegated plugin's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(pub u32);

impl Code {
    pub const INCOMPATIBLE_VERSION: Self = Self(1);
    pub const UNKNOWN_CONTAINER: Self = Self(3);
    pub const ENVIRONMENT: Self = Self(4);
    pub const IO: Self = Self(5);
    pub const DECODING: Self = Self(6);
    pub const CONFIG: Self = Self(7);
    pub const NETNS: Self = Self(8);
    pub const TRY_AGAIN: Self = Self(11);
    pub const NOT_AVAILABLE: Self = Self(50);
    pub const KERNEL: Self = Self(100);
    pub const POLICY_FAULT: Self = Self(101);
    pub const DENIED: Self = Self(102);
    pub const EXHAUSTED: Self = Self(103);
    pub const ALREADY_ALLOCATED: Self = Self(104);
    pub const INTERNAL: Self = Self(999);
}

/// The error object, without a line break at its end.
pub fn render(version: SpecVersion, code: Code, msg: &str, details: &str) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Written<'a> {
        cni_version: SpecVersion,
        code: Code,
        msg: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        details: &'a str,
    }
    // A runtime shows both to people, decoded.
    let (msg, details) = (text::line(msg), text::line(details));
    json::pretty(&Written { cni_version: version, code, msg: &msg, details: &details })
}
