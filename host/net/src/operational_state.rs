//! Whether packets pass through an interface, in the kernel's words.

use std::fmt;

/// An interface's operational state (RFC 2863).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperationalState {
    /// The driver does not say; the loopback interface is always so.
    Unknown,
    /// A part is missing.
    NotPresent,
    /// Down.
    Down,
    /// The other end or the interface below is down.
    LowerLayerDown,
    /// In a test.
    Testing,
    /// Waiting for something outside, like authentication.
    Dormant,
    /// Packets pass.
    Up,
}

impl fmt::Display for OperationalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::NotPresent => "notpresent",
            Self::Down => "down",
            Self::LowerLayerDown => "lowerlayerdown",
            Self::Testing => "testing",
            Self::Dormant => "dormant",
            Self::Up => "up",
        })
    }
}
