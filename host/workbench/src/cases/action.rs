//! What a step does.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Add,
    Del,
    Gc,
    Withdraw,
    Advance,
    SetBack,
    Reboot,
    CheckConfig,
    Reconfigure,
    Adopt,
    SetState,
    Members,
    Claim,
    Unclaim,
    Share,
    NextBlock,
}

impl Action {
    /// Its key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Del => "del",
            Self::Gc => "gc",
            Self::Withdraw => "withdraw",
            Self::Advance => "advance",
            Self::SetBack => "set-back",
            Self::Reboot => "reboot",
            Self::CheckConfig => "check-config",
            Self::Reconfigure => "reconfigure",
            Self::Adopt => "adopt",
            Self::SetState => "set-state",
            Self::Members => "members",
            Self::Claim => "claim",
            Self::Unclaim => "unclaim",
            Self::Share => "share",
            Self::NextBlock => "next-block",
        }
    }
}
