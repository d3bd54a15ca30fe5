//! Why a call failed, with its CNI code: the one place that assigns the codes of `host/cni/src/error.rs`.
//!
//! It imports the error types of the modules that return [`NetworkError`]: a circle of types, kept so that the table is one.

use gingham_cluster::{AgentError, Fault};
use gingham_cni::args::ArgsError;
use gingham_cni::config::ConfigError;
use gingham_cni::env::EnvError;
use gingham_cni::error::{self, Code};
use gingham_cni::output::OutputError;
use gingham_cni::result::ResultError;
use gingham_cni::version::{SpecVersion, VersionError, supported_list};
use gingham_engine::attachment::Refusal;
use gingham_engine::ipam::IpamError;
use gingham_engine::reference_leases::ReferenceError;
use gingham_engine::runtime::LoadError;
use gingham_engine::settings::SettingsError;
use gingham_engine::store::StoreError;
use gingham_net::NetError;
use gingham_net::mac_filter::MacFilterError;
use gingham_net::masquerade::MasqueradeError;
use gingham_net::netlink::NetlinkError;
use gingham_net::netns::NetnsError;

use crate::addressing::AddressingError;
use crate::adoption::AdoptionError;
use crate::delegate::DelegateError;
use crate::lock::LockError;
use crate::plan::PlanError;
use crate::policies::PolicyError;
use crate::records::RecordsError;
use crate::resolv_conf::ResolvConfError;
use crate::stale_leases::StaleLeaseError;

/// A failed call, as the runtime and the tools show it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{msg}{}{details}", if details.is_empty() { "" } else { ": " })]
pub struct NetworkError {
    /// For programs.
    pub code: Code,
    /// For people: what is wrong and what to do.
    pub msg: String,
    /// More of it; empty if there is none.
    pub details: String,
}

impl NetworkError {
    /// An error without details.
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), details: String::new() }
    }

    /// Adds to the details.
    #[must_use]
    pub fn and(mut self, detail: &str) -> Self {
        if !detail.is_empty() {
            let separator = if self.details.is_empty() { "" } else { "; " };
            self.details = format!("{}{separator}{detail}", self.details);
        }
        self
    }

    /// Several errors as one: the first one's code and text, the others in the details. None of none.
    pub fn join(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let first = errors.next()?;
        Some(errors.fold(first, |joined, error| joined.and(&error.msg).and(&error.details)))
    }

    /// The error object, without a line break at its end.
    pub fn render(&self, version: SpecVersion) -> String {
        error::render(version, self.code, &self.msg, &self.details)
    }
}

impl From<EnvError> for NetworkError {
    fn from(error: EnvError) -> Self {
        let details = match &error {
            EnvError::ContainerId { value } => value.clone(),
            EnvError::InterfaceTooLong => "interface name should be less than 16 characters".to_owned(),
            _ => String::new(),
        };
        Self { code: Code::ENVIRONMENT, msg: error.to_string(), details }
    }
}

impl From<ArgsError> for NetworkError {
    fn from(error: ArgsError) -> Self {
        Self::new(Code::ENVIRONMENT, error.to_string())
    }
}

impl From<VersionError> for NetworkError {
    fn from(error: VersionError) -> Self {
        match error {
            VersionError::Malformed { .. } => Self::new(Code::DECODING, error.to_string()),
            VersionError::Unsupported { found } => {
                let details = format!("config is {found:?}, plugin supports {}", supported_list());
                Self { code: Code::INCOMPATIBLE_VERSION, msg: "incompatible CNI versions".to_owned(), details }
            }
        }
    }
}

impl From<ConfigError> for NetworkError {
    fn from(error: ConfigError) -> Self {
        let code = match &error {
            ConfigError::Version(version) => return version.clone().into(),
            ConfigError::NameCharacters { name } => {
                return Self { code: Code::CONFIG, msg: error.to_string(), details: name.clone() };
            }
            ConfigError::Undecodable { .. } | ConfigError::InputTooLong { .. } => Code::DECODING,
            ConfigError::VerbNotInVersion { .. } => Code::INCOMPATIBLE_VERSION,
            ConfigError::MissingName | ConfigError::NameTooLong { .. } | ConfigError::Value { .. } => Code::CONFIG,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ResultError> for NetworkError {
    fn from(error: ResultError) -> Self {
        let code = match &error {
            ResultError::Malformed { .. } | ResultError::Version { source: VersionError::Malformed { .. }, .. } => {
                Code::DECODING
            }
            ResultError::Version { .. } => Code::INCOMPATIBLE_VERSION,
            ResultError::NoAddress { .. } | ResultError::TooManyAddresses { .. } => Code::CONFIG,
        };
        Self::new(code, error.to_string())
    }
}

impl From<PlanError> for NetworkError {
    fn from(error: PlanError) -> Self {
        Self::new(Code::CONFIG, error.to_string())
    }
}

impl From<ResolvConfError> for NetworkError {
    fn from(error: ResolvConfError) -> Self {
        Self::new(Code::IO, error.to_string())
    }
}

impl From<DelegateError> for NetworkError {
    fn from(error: DelegateError) -> Self {
        let code = match error {
            DelegateError::Refused { error, .. } => return error,
            DelegateError::BadName { .. } | DelegateError::NotFound { .. } => Code::CONFIG,
            DelegateError::Start { .. } => Code::IO,
            DelegateError::Died { .. } => Code::INTERNAL,
            DelegateError::NoAnswer { .. } | DelegateError::NoAddress { .. } => Code::DECODING,
        };
        Self::new(code, error.to_string())
    }
}

impl From<AddressingError> for NetworkError {
    fn from(error: AddressingError) -> Self {
        Self::new(Code::CONFIG, error.to_string())
    }
}

impl From<SettingsError> for NetworkError {
    fn from(error: SettingsError) -> Self {
        Self::new(Code::CONFIG, error.to_string())
    }
}

impl From<PolicyError> for NetworkError {
    fn from(error: PolicyError) -> Self {
        let code = match &error {
            PolicyError::Unknown { .. } | PolicyError::OtherDigest { .. } => Code::CONFIG,
            PolicyError::Load(LoadError::Contract { .. }) => Code::POLICY_FAULT,
            PolicyError::Library(_) | PolicyError::Load(_) => Code::IO,
        };
        Self::new(code, error.to_string())
    }
}

fn code_of_store(error: &StoreError) -> Code {
    match error {
        // The runtime's identities do not fit.
        StoreError::TooLong { .. } | StoreError::Nul { .. } => Code::ENVIRONMENT,
        StoreError::Conflict { .. } | StoreError::Lost => Code::INTERNAL,
        StoreError::Busy { .. } => Code::TRY_AGAIN,
        _ => Code::IO,
    }
}

impl From<RecordsError> for NetworkError {
    fn from(error: RecordsError) -> Self {
        let code = match &error {
            RecordsError::AlreadyAttached { .. } => Code::ALREADY_ALLOCATED,
            RecordsError::Lock(LockError::Busy { .. })
            | RecordsError::Adoption(AdoptionError::Reference(ReferenceError::Busy { .. })) => Code::TRY_AGAIN,
            RecordsError::BootId(_)
            | RecordsError::Lock(LockError::Io { .. })
            | RecordsError::Adoption(AdoptionError::Reference(_)) => Code::IO,
            RecordsError::Adoption(AdoptionError::Store(error)) | RecordsError::Store(error) => code_of_store(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<StaleLeaseError> for NetworkError {
    fn from(error: StaleLeaseError) -> Self {
        match error {
            StaleLeaseError::Store(store) => RecordsError::from(store).into(),
            StaleLeaseError::Lock(lock) => RecordsError::from(lock).into(),
            StaleLeaseError::Netlink(error) => error.into(),
            StaleLeaseError::Links(error) => error.into(),
        }
    }
}

impl From<StoreError> for NetworkError {
    fn from(error: StoreError) -> Self {
        RecordsError::from(error).into()
    }
}

impl From<IpamError> for NetworkError {
    fn from(error: IpamError) -> Self {
        let code = match &error {
            IpamError::AlreadyAttached { .. } => Code::ALREADY_ALLOCATED,
            IpamError::Refused { refusal, .. } => match refusal {
                Refusal::Exhausted(_) | Refusal::Unavailable(_) => Code::EXHAUSTED,
                Refusal::TryAgain { .. } => Code::TRY_AGAIN,
                Refusal::Denied(_) | Refusal::Other(_) => Code::DENIED,
                Refusal::InvalidConfig(_) => Code::CONFIG,
            },
            IpamError::Problems { .. } => Code::CONFIG,
            IpamError::Fault { .. } | IpamError::Pools { .. } | IpamError::Guard { .. } | IpamError::Cluster { .. } => {
                Code::POLICY_FAULT
            }
            IpamError::Process { .. } => Code::IO,
            IpamError::FactAwaited { .. } => Code::TRY_AGAIN,
            IpamError::Store(error) => code_of_store(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<Fault> for NetworkError {
    fn from(error: Fault) -> Self {
        let code = match error {
            Fault::Policy(error) => return error.into(),
            Fault::Settings(error) => return error.into(),
            Fault::Store(ref error) => code_of_store(error),
            _ if error.is_temporary() => Code::TRY_AGAIN,
            Fault::Agent(AgentError::Exhausted { .. }) => Code::EXHAUSTED,
            Fault::Protocol(_)
            | Fault::NoStore { .. }
            | Fault::AgentOnly { .. }
            | Fault::Agent(_)
            | Fault::Unconfirmed { .. } => Code::CONFIG,
            Fault::Proposal { .. } => Code::POLICY_FAULT,
            Fault::Kernel(_) | Fault::Netlink(_) => Code::KERNEL,
            Fault::Identity { .. } | Fault::Random(_) | Fault::Unreadable { .. } | Fault::InUse { .. } => Code::IO,
        };
        Self::new(code, error.to_string())
    }
}

impl From<OutputError> for NetworkError {
    fn from(error: OutputError) -> Self {
        Self::new(Code::IO, error.to_string())
    }
}

impl From<NetnsError> for NetworkError {
    fn from(error: NetnsError) -> Self {
        Self::new(Code::NETNS, error.to_string())
    }
}

impl From<NetError> for NetworkError {
    fn from(error: NetError) -> Self {
        match error {
            NetError::Namespace(error) => error.into(),
            error => Self::new(Code::KERNEL, error.to_string()),
        }
    }
}

impl From<NetlinkError> for NetworkError {
    fn from(error: NetlinkError) -> Self {
        Self::new(Code::KERNEL, error.to_string())
    }
}

impl From<MasqueradeError> for NetworkError {
    fn from(error: MasqueradeError) -> Self {
        Self::new(Code::KERNEL, error.to_string())
    }
}

impl From<MacFilterError> for NetworkError {
    fn from(error: MacFilterError) -> Self {
        Self::new(Code::KERNEL, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn an_error_is_one_object_with_the_configurations_version() {
        let error = NetworkError::new(Code::EXHAUSTED, "no IP addresses available in range set: 10.0.0.1-10.0.0.2");
        assert_snapshot!(error.render(SpecVersion::V0_4_0));
        assert_snapshot!(error.and("cannot \"undo\"").render(SpecVersion::V1_1_0));
    }

    #[test]
    fn several_errors_become_one() {
        let error = |text: &str| NetworkError::new(Code::KERNEL, text).and("why");
        let joined = NetworkError::join([error("first"), error("second"), error("third")]).unwrap();
        assert_eq!(joined.msg, "first");
        assert_eq!(joined.details, "why; second; why; third; why");
        assert_eq!(NetworkError::join([]), None);
    }

    #[test]
    fn a_version_is_refused_in_the_references_words() {
        let error = NetworkError::from(ConfigError::from(SpecVersion::read(Some("9.9.9")).unwrap_err()));
        assert_snapshot!(error.render(SpecVersion::NEWEST));
    }
}
