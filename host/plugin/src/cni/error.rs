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
//! A delegated plugin's error passes through with its own code.

use gingham_cluster::Fault;
use gingham_engine::attachment::Refusal;
use gingham_engine::ipam::IpamError;
use gingham_engine::reference_leases::ReferenceError;
use gingham_engine::runtime::LoadError;
use gingham_engine::settings::SettingsError;
use gingham_engine::store::StoreError;
use gingham_net::NetError;
use gingham_net::masquerade::MasqueradeError;
use gingham_net::netlink::NetlinkError;
use gingham_net::netns::NetnsError;
use gingham_net::spoofing::SpoofingError;
use gingham_untrusted::text;
use serde::{Deserialize, Serialize};

use super::args::ArgsError;
use super::config::ConfigError;
use super::env::EnvError;
use super::json;
use super::result::ResultError;
use super::version::{SpecVersion, VersionError, supported_list};
use crate::addressing::AddressingError;
use crate::adoption::AdoptionError;
use crate::delegate::DelegateError;
use crate::lock::LockError;
use crate::output::OutputError;
use crate::plan::PlanError;
use crate::policies::PolicyError;
use crate::records::RecordsError;
use crate::remains::RemainsError;
use crate::resolv_conf::ResolvConfError;

/// A number of the table above, or a delegated plugin's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Code(pub(crate) u32);

#[allow(missing_docs, reason = "the table of the module says what they mean")]
impl Code {
    pub(crate) const INCOMPATIBLE_VERSION: Self = Self(1);
    pub(crate) const UNKNOWN_CONTAINER: Self = Self(3);
    pub(crate) const ENVIRONMENT: Self = Self(4);
    pub(crate) const IO: Self = Self(5);
    pub(crate) const DECODING: Self = Self(6);
    pub(crate) const CONFIG: Self = Self(7);
    pub(crate) const NETNS: Self = Self(8);
    pub(crate) const TRY_AGAIN: Self = Self(11);
    pub(crate) const NOT_AVAILABLE: Self = Self(50);
    pub(crate) const KERNEL: Self = Self(100);
    pub(crate) const POLICY_FAULT: Self = Self(101);
    pub(crate) const DENIED: Self = Self(102);
    pub(crate) const EXHAUSTED: Self = Self(103);
    pub(crate) const ALREADY_ALLOCATED: Self = Self(104);
    pub(crate) const INTERNAL: Self = Self(999);
}

/// An error for the runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{msg}")]
pub(crate) struct CniError {
    /// For programs.
    pub(crate) code: Code,
    /// For people: what is wrong and what to do.
    pub(crate) msg: String,
    /// More of it; empty if there is none.
    pub(crate) details: String,
}

impl CniError {
    /// An error without details.
    pub(crate) fn new(code: Code, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), details: String::new() }
    }

    /// Adds to the details.
    #[must_use]
    pub(crate) fn and(mut self, detail: &str) -> Self {
        if !detail.is_empty() {
            let separator = if self.details.is_empty() { "" } else { "; " };
            self.details = format!("{}{separator}{detail}", self.details);
        }
        self
    }

    /// Several errors as one: the first one's code and text, the others in the details. None of none.
    pub(crate) fn join(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let first = errors.next()?;
        Some(errors.fold(first, |joined, error| joined.and(&error.msg).and(&error.details)))
    }

    /// The JSON object, without a line break at its end.
    pub(crate) fn render(&self, version: SpecVersion) -> String {
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
        let (msg, details) = (text::line(&self.msg), text::line(&self.details));
        json::pretty(&Written { cni_version: version, code: self.code, msg: &msg, details: &details })
    }
}

impl From<EnvError> for CniError {
    fn from(error: EnvError) -> Self {
        let details = match &error {
            EnvError::ContainerId { value } => value.clone(),
            EnvError::InterfaceTooLong => "interface name should be less than 16 characters".to_owned(),
            _ => String::new(),
        };
        Self { code: Code::ENVIRONMENT, msg: error.to_string(), details }
    }
}

impl From<ArgsError> for CniError {
    fn from(error: ArgsError) -> Self {
        Self::new(Code::ENVIRONMENT, error.to_string())
    }
}

impl From<VersionError> for CniError {
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

impl From<ConfigError> for CniError {
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

impl From<ResultError> for CniError {
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

impl From<PlanError> for CniError {
    fn from(error: PlanError) -> Self {
        Self::new(Code::CONFIG, error.to_string())
    }
}

impl From<ResolvConfError> for CniError {
    fn from(error: ResolvConfError) -> Self {
        Self::new(Code::IO, error.to_string())
    }
}

impl From<DelegateError> for CniError {
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

impl From<AddressingError> for CniError {
    fn from(error: AddressingError) -> Self {
        Self::new(Code::CONFIG, error.to_string())
    }
}

impl From<SettingsError> for CniError {
    fn from(error: SettingsError) -> Self {
        Self::new(Code::CONFIG, error.to_string())
    }
}

impl From<PolicyError> for CniError {
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

impl From<RecordsError> for CniError {
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

impl From<RemainsError> for CniError {
    fn from(error: RemainsError) -> Self {
        match error {
            RemainsError::Store(store) => RecordsError::from(store).into(),
            RemainsError::Lock(lock) => RecordsError::from(lock).into(),
            RemainsError::Netlink(error) => error.into(),
            RemainsError::Links(error) => error.into(),
        }
    }
}

impl From<StoreError> for CniError {
    fn from(error: StoreError) -> Self {
        RecordsError::from(error).into()
    }
}

impl From<IpamError> for CniError {
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
            IpamError::Store(error) => code_of_store(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<Fault> for CniError {
    fn from(error: Fault) -> Self {
        let code = match error {
            Fault::Policy(error) => return error.into(),
            Fault::Settings(error) => return error.into(),
            Fault::Store(ref error) => code_of_store(error),
            _ if error.is_temporary() => Code::TRY_AGAIN,
            Fault::Protocol(_) | Fault::NoStore { .. } => Code::CONFIG,
            Fault::Proposal { .. } => Code::POLICY_FAULT,
            Fault::Kernel(_) | Fault::Netlink(_) => Code::KERNEL,
            Fault::Identity { .. } | Fault::Random(_) | Fault::Unreadable { .. } | Fault::InUse { .. } => Code::IO,
        };
        Self::new(code, error.to_string())
    }
}

impl From<OutputError> for CniError {
    fn from(error: OutputError) -> Self {
        Self::new(Code::IO, error.to_string())
    }
}

impl From<NetnsError> for CniError {
    fn from(error: NetnsError) -> Self {
        Self::new(Code::NETNS, error.to_string())
    }
}

impl From<NetError> for CniError {
    fn from(error: NetError) -> Self {
        match error {
            NetError::Namespace(error) => error.into(),
            error => Self::new(Code::KERNEL, error.to_string()),
        }
    }
}

impl From<NetlinkError> for CniError {
    fn from(error: NetlinkError) -> Self {
        Self::new(Code::KERNEL, error.to_string())
    }
}

impl From<MasqueradeError> for CniError {
    fn from(error: MasqueradeError) -> Self {
        Self::new(Code::KERNEL, error.to_string())
    }
}

impl From<SpoofingError> for CniError {
    fn from(error: SpoofingError) -> Self {
        Self::new(Code::KERNEL, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn an_error_is_one_object_with_the_configurations_version() {
        let error = CniError::new(Code::EXHAUSTED, "no IP addresses available in range set: 10.0.0.1-10.0.0.2");
        assert_snapshot!(error.render(SpecVersion::V0_4_0));
        assert_snapshot!(error.and("cannot \"undo\"").render(SpecVersion::V1_1_0));
    }

    #[test]
    fn several_errors_become_one() {
        let error = |text: &str| CniError::new(Code::KERNEL, text).and("why");
        let joined = CniError::join([error("first"), error("second"), error("third")]).unwrap();
        assert_eq!(joined.msg, "first");
        assert_eq!(joined.details, "why; second; why; third; why");
        assert_eq!(CniError::join([]), None);
    }

    #[test]
    fn a_version_is_refused_in_the_references_words() {
        let error = CniError::from(ConfigError::from(SpecVersion::read(Some("9.9.9")).unwrap_err()));
        assert_snapshot!(error.render(SpecVersion::NEWEST));
    }
}
