//! The environment of a call: the verb, the attachment, the plugin path.
//!
//! Rules, order and texts are those of the reference library (`pkg/skel`), so that people find them with a search engine.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// A refused environment. CNI code 4.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// Variables the verb needs are not set.
    #[error("required env variables [{}] missing", names.join(","))]
    Missing {
        /// In the order of the specification.
        names: Vec<&'static str>,
    },
    /// A value is no text.
    #[error("{name} is not valid UTF-8")]
    NotText { name: &'static str },
    /// `CNI_CONTAINERID` holds something else than letters, digits, `_`, `.` and `-`.
    #[error("invalid characters in containerID")]
    ContainerId { value: String },
    /// `CNI_IFNAME` is longer than the kernel allows.
    #[error("interface name is too long: the kernel allows 15 bytes")]
    InterfaceTooLong,
    /// `CNI_IFNAME` is the name of a directory.
    #[error("interface name is . or ..")]
    InterfaceIsDots,
    /// `CNI_IFNAME` holds characters that the kernel refuses.
    #[error("interface name contains / or : or whitespace characters")]
    InterfaceCharacters,
    /// No such verb.
    #[error("unknown CNI_COMMAND: {value}")]
    UnknownVerb { value: String },
}

/// Whether a text is made as the specification wants identities made: a letter or digit, then also `_`, `.`, `-`.
pub fn is_identity(text: &str) -> bool {
    text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// A container's identity, as the runtime names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerId(String);

impl ContainerId {
    pub fn new(text: &str) -> Result<Self, EnvError> {
        if is_identity(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(EnvError::ContainerId { value: text.to_owned() })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a network interface: 1 to 15 bytes that the kernel accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfName(String);

impl IfName {
    /// Checks length and characters.
    pub fn new(text: &str) -> Result<Self, EnvError> {
        match text {
            "" => Err(EnvError::Missing { names: vec!["CNI_IFNAME"] }),
            _ if text.len() > 15 => Err(EnvError::InterfaceTooLong),
            "." | ".." => Err(EnvError::InterfaceIsDots),
            _ if text.contains(|c: char| c == '/' || c == ':' || c == '\0' || c.is_whitespace()) => {
                Err(EnvError::InterfaceCharacters)
            }
            _ => Ok(Self(text.to_owned())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A container's interface, as the runtime names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub container: ContainerId,
    pub interface: IfName,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Attach a container to the network.
    Add { attachment: Attachment, netns: PathBuf },
    /// Say whether an attachment is as it was made.
    Check { attachment: Attachment, netns: PathBuf },
    /// Take an attachment away.
    Del {
        attachment: Attachment,
        /// The container's network namespace, as long as the runtime still knows it.
        netns: Option<PathBuf>,
    },
    /// Take away every attachment that is not listed.
    Gc,
    /// Say whether an ADD could be served.
    Status,
    /// Print the versions.
    Version,
}

impl Verb {
    /// As in `CNI_COMMAND`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "ADD",
            Self::Check { .. } => "CHECK",
            Self::Del { .. } => "DEL",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }
}

/// The environment, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// What to do. An unknown verb is reported only after the configuration was found readable, as the reference does.
    pub verb: Result<Verb, EnvError>,
    /// `CNI_ARGS`, unread; empty if absent.
    pub arguments: String,
    /// `CNI_PATH`: directories of plugins, in order.
    pub path: Vec<PathBuf>,
    /// `CNI_NETNS_OVERRIDE`: the container may share the plugin's own network namespace.
    pub netns_override: bool,
}

impl Environment {
    /// Of a tool, which is no runtime and has no verb for the plugin: other plugins are where they usually are.
    pub fn of_a_tool() -> Self {
        const USUAL: &str = "/opt/cni/bin:/usr/lib/cni";
        let path = std::env::var_os("CNI_PATH").filter(|path| !path.is_empty()).unwrap_or_else(|| USUAL.into());
        let path = std::env::split_paths(&path).collect();
        Self { verb: Ok(Verb::Status), arguments: String::new(), path, netns_override: false }
    }

    /// Reads the environment through `variable`. None: `CNI_COMMAND` is not set, a person started the plugin.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Self>, EnvError> {
        let text = |name: &'static str| match variable(name).map(OsString::into_string) {
            None => Ok(String::new()),
            Some(Ok(text)) => Ok(text),
            Some(Err(_)) => Err(EnvError::NotText { name }),
        };
        let command = text("CNI_COMMAND")?;
        if command.is_empty() {
            return Ok(None);
        }
        let path = text("CNI_PATH")?;
        let verb = match read_verb(&command, &text, path.is_empty()) {
            Err(unknown @ EnvError::UnknownVerb { .. }) => Err(unknown),
            other => Ok(other?),
        };
        let netns_override = text("CNI_NETNS_OVERRIDE")?;
        Ok(Some(Self {
            verb,
            arguments: text("CNI_ARGS")?,
            path: std::env::split_paths(&path).collect(),
            netns_override: netns_override == "1" || netns_override.eq_ignore_ascii_case("true"),
        }))
    }
}

fn read_verb(
    command: &str,
    text: &impl Fn(&'static str) -> Result<String, EnvError>,
    path_missing: bool,
) -> Result<Verb, EnvError> {
    let path = path_missing.then_some("CNI_PATH");
    match command {
        "ADD" => {
            let (attachment, netns) = read_attachment(text, true, path)?;
            Ok(Verb::Add { attachment, netns: netns.into() })
        }
        "CHECK" => {
            let (attachment, netns) = read_attachment(text, true, path)?;
            Ok(Verb::Check { attachment, netns: netns.into() })
        }
        "DEL" => {
            let (attachment, netns) = read_attachment(text, false, path)?;
            Ok(Verb::Del { attachment, netns: (!netns.is_empty()).then(|| netns.into()) })
        }
        "VERSION" => Ok(Verb::Version),
        "GC" | "STATUS" if path_missing => Err(EnvError::Missing { names: vec!["CNI_PATH"] }),
        "GC" => Ok(Verb::Gc),
        "STATUS" => Ok(Verb::Status),
        _ => Err(EnvError::UnknownVerb { value: command.to_owned() }),
    }
}

/// A value at fault is reported before values that are missing; missing ones together.
fn read_attachment(
    text: &impl Fn(&'static str) -> Result<String, EnvError>,
    netns_required: bool,
    path_missing: Option<&'static str>,
) -> Result<(Attachment, String), EnvError> {
    let container = text("CNI_CONTAINERID")?;
    let netns = text("CNI_NETNS")?;
    let interface = text("CNI_IFNAME")?;
    let container_id = (!container.is_empty()).then(|| ContainerId::new(&container)).transpose()?;
    let interface_name = (!interface.is_empty()).then(|| IfName::new(&interface)).transpose()?;
    let missing = [
        container_id.is_none().then_some("CNI_CONTAINERID"),
        (netns_required && netns.is_empty()).then_some("CNI_NETNS"),
        interface_name.is_none().then_some("CNI_IFNAME"),
        path_missing,
    ];
    let names: Vec<_> = missing.into_iter().flatten().collect();
    match (container_id, interface_name) {
        (Some(container), Some(interface)) if names.is_empty() => Ok((Attachment { container, interface }, netns)),
        _ => Err(EnvError::Missing { names }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Environment>, EnvError> {
        Environment::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    fn message(pairs: &[(&str, &str)]) -> String {
        match read(pairs) {
            Err(error) => error.to_string(),
            Ok(other) => panic!("accepted: {other:?}"),
        }
    }

    #[test]
    fn a_person_sets_no_command() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("CNI_COMMAND", "")]), Ok(None));
    }

    #[test]
    fn missing_variables_are_named_together() {
        assert_eq!(
            message(&[("CNI_COMMAND", "ADD")]),
            "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing"
        );
        assert_eq!(
            message(&[("CNI_COMMAND", "DEL"), ("CNI_PATH", "/opt")]),
            "required env variables [CNI_CONTAINERID,CNI_IFNAME] missing"
        );
        assert_eq!(message(&[("CNI_COMMAND", "GC")]), "required env variables [CNI_PATH] missing");
    }

    #[test]
    fn del_needs_no_netns() {
        let pairs = [("CNI_COMMAND", "DEL"), ("CNI_CONTAINERID", "c1"), ("CNI_IFNAME", "eth0"), ("CNI_PATH", "/a:/b")];
        let environment = read(&pairs).unwrap().unwrap();
        assert!(matches!(environment.verb, Ok(Verb::Del { netns: None, .. })));
        assert_eq!(environment.path, [PathBuf::from("/a"), PathBuf::from("/b")]);
    }

    #[test]
    fn a_bad_value_is_reported_before_a_missing_one() {
        assert_eq!(message(&[("CNI_COMMAND", "ADD"), ("CNI_CONTAINERID", "-c")]), "invalid characters in containerID");
    }

    #[test]
    fn interface_names_are_the_kernels() {
        let message = |name: &str| message(&[("CNI_COMMAND", "DEL"), ("CNI_CONTAINERID", "c"), ("CNI_IFNAME", name)]);
        assert_eq!(message("0123456789abcdef"), "interface name is too long: the kernel allows 15 bytes");
        assert_eq!(message(".."), "interface name is . or ..");
        for name in ["a/b", "a:b", "a b", "a\u{2003}b"] {
            assert_eq!(message(name), "interface name contains / or : or whitespace characters", "{name}");
        }
    }

    #[test]
    fn an_unknown_verb_needs_nothing_else() {
        let environment = read(&[("CNI_COMMAND", "add")]).unwrap().unwrap();
        assert_eq!(environment.verb.unwrap_err().to_string(), "unknown CNI_COMMAND: add");
    }

    #[test]
    fn override_is_one_or_true() {
        for (value, expected) in [("1", true), ("TRUE", true), ("true", true), ("0", false), ("yes", false)] {
            let environment = read(&[("CNI_COMMAND", "VERSION"), ("CNI_NETNS_OVERRIDE", value)]).unwrap().unwrap();
            assert_eq!(environment.netns_override, expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_environment_panics(command in "ADD|DEL|CHECK|GC|STATUS|VERSION|\\PC*", value in "\\PC{0,20}") {
            let _ = Environment::read(|name| Some(if name == "CNI_COMMAND" { &command } else { &value }.into()));
        }

        #[test]
        fn accepted_interface_names_fit_the_kernel(name in "\\PC{0,20}") {
            if let Ok(name) = IfName::new(&name) {
                prop_assert!((1..=15).contains(&name.as_str().len()));
            }
        }
    }
}
