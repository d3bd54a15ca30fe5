//! What can happen next. A run is a list of these; nothing else decides anything.

use serde::{Deserialize, Serialize};

/// One step of a run. A decision that does not fit the moment (a reply to a process that is not there) does nothing, so
/// that a run can be shortened by leaving decisions out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// A container comes: it gets an address from the blocks the node holds, or none.
    Add {
        /// Where.
        machine: usize,
        /// Its number there.
        pod: u16,
    },
    Del {
        /// Where.
        machine: usize,
        /// Its number there.
        pod: u16,
    },
    /// A process begins a task.
    Start {
        /// Where.
        machine: usize,
        /// Which of its processes.
        process: usize,
        /// Which task.
        task: What,
    },
    /// The store carries out the call of a process.
    Carry {
        /// Where.
        machine: usize,
        process: usize,
    },
    /// The reply reaches the process.
    Return {
        /// Where.
        machine: usize,
        process: usize,
    },
    /// The process receives that it is unknown what became of its call. If the store has not seen it yet, it may still
    /// arrive, or not.
    Lose {
        /// Where.
        machine: usize,
        process: usize,
        /// Whether the call stays on its way.
        stray: bool,
    },
    /// The call is sent twice: one more of it is on its way.
    Repeat {
        /// Where.
        machine: usize,
        process: usize,
    },
    /// The process is killed. Its call may still arrive, or not.
    Kill {
        /// Where.
        machine: usize,
        process: usize,
        /// Whether the call stays on its way.
        stray: bool,
    },
    /// A stray call arrives at the store.
    Arrive {
        /// Which, counted from the oldest.
        stray: usize,
    },
    /// A stray call is lost.
    Vanish {
        /// Which, counted from the oldest.
        stray: usize,
    },
    /// The machine loses power, and its containers with it.
    Off { machine: usize },
    /// The machine starts, or wakes.
    On { machine: usize },
    /// Its containers end, and it is cut off or suspended: longer than an order to take it over needs, and without a boot.
    Sleep { machine: usize },
    /// An image of its disk is made.
    Image {
        /// Of which machine.
        machine: usize,
    },
    /// The machine starts from the image of its disk.
    Restore { machine: usize },
    /// Its clock is set.
    Clock {
        /// Which machine.
        machine: usize,
        /// Milliseconds from the true time.
        from_true: i64,
    },
    /// Time passes for all.
    Pass { millis: u64 },
    /// The store is gone, or there again.
    Store {
        /// Which of the two.
        up: bool,
    },
    /// Somebody else writes to a record, which changes its version alone.
    Label {
        /// Which of the blocks' and members' records, in the order of their keys.
        record: usize,
    },
    /// The Lease of a machine's node is deleted, whether it runs or not.
    LoseLease { machine: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    Join,
    /// Claims a block.
    Claim,
    /// Gives back all blocks without a lease and without a cooling address.
    Release,
    /// Brings the local state up to the store's.
    Sync,
    /// Reads the node's own record, and after silence writes it.
    Confirm,
    Beat,
    /// Leaves, if no container is there.
    Leave,
    /// Observes the node of this machine.
    Observe {
        /// Whose node.
        of: usize,
    },
    /// Takes over the node of this machine as it was last observed from here, by the order of an operator who knows that all
    /// machines of that name are off at this moment; does nothing otherwise.
    TakeOver {
        /// Whose node.
        of: usize,
    },
    /// Takes over the node of this machine as it was last observed from here, if its Lease was not renewed for longer than
    /// two renewals take: by the order of an operator who does not know whether the machine runs.
    TakeOverWatched {
        /// Whose node.
        of: usize,
    },
    /// Takes over the node of this machine as it was last seen from here because it shows no life.
    TakeOverSilent {
        /// Whose node.
        of: usize,
    },
}
