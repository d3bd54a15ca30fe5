//! The network configuration to be tried.

use std::path::{Path, PathBuf};

use gingham_engine::settings::DATA_DIR;
use serde_json::{Map, Value};

use crate::network::keys::{get, text, with, without};
use crate::network::{Configuration, ConfigurationError, Plugin};

/// The configuration that comes with ginghamctl.
const BUILT_IN: &str = r#"{"cniVersion":"0.2.0","name":"mynet","type":"net-script","bridge":"cni0","isGateway":true,"ipMasq":true,
 "ipam":{"type":"host-local","subnet":"10.244.0.0/16","routes":[{"dst":"0.0.0.0/0"}]}}"#;

/// The one for several nodes. Each gets `ipam.cluster` of its own.
const BUILT_IN_OF_A_CLUSTER: &str = r#"{"cniVersion":"1.1.0","name":"pods","type":"gingham","bridge":"pods0","isGateway":true,
 "ipam":{"type":"gingham","policy":"weave-split","range":"10.32.0.0/12"}}"#;

/// The version whose CHECK is used for configurations that are older than CHECK.
const CHECKABLE: &str = "1.0.0";

/// A configuration that cannot be tried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error("{path}: `ipam` is missing; a cluster divides the range of an address policy, e.g. \"weave-split\"")]
    NoIpam { path: PathBuf },
    #[error(
        "{path}: nodes share this network (`ipam.cluster`), and a trial does not call its store; try it with `ginghamctl try \
         --cluster 3 {path}`, on nodes of the trial"
    )]
    Shared { path: PathBuf },
    #[error(
        "{title}: the policy {policy} does not divide a range among nodes, so --cluster cannot try it; set ipam.policy to one \
         that does, e.g. \"weave-split\", or try it without --cluster"
    )]
    NotDivided { title: String, policy: String },
}

/// A configuration as one plugin gets it.
#[derive(Debug, Clone)]
pub(super) struct TrialConfig {
    /// What it is called in the report.
    pub(super) title: String,
    /// `name`
    pub(super) network: String,
    /// `type`: the name the plugin runs under.
    pub(super) kind: String,
    /// `cniVersion`
    pub(super) version: String,
    /// What had to be changed to try it.
    pub(super) notes: Vec<String>,
    object: Map<String, Value>,
}

impl TrialConfig {
    /// Reads a .conf or a .conflist, or takes the built-in configuration.
    pub(super) fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let config = Self::read_or(path, BUILT_IN)?;
        let cluster = config.ipam().and_then(|ipam| get(ipam, "cluster")).and_then(Value::as_object);
        let store = cluster.and_then(|cluster| text(cluster, "store"));
        match (path, store) {
            (Some(path), Some(store)) if store != "local" => Err(ConfigError::Shared { path: path.to_owned() }),
            _ => Ok(config),
        }
    }

    /// The same for a network that is divided among nodes. Whatever it says of a cluster is to be replaced.
    pub(super) fn read_for_nodes(path: Option<&Path>) -> Result<Self, ConfigError> {
        let mut config = Self::read_or(path, BUILT_IN_OF_A_CLUSTER)?;
        let Some(ipam) = config.ipam() else {
            return Err(ConfigError::NoIpam {
                path: path.unwrap_or(Path::new("the built-in configuration")).to_owned(),
            });
        };
        if get(ipam, "cluster").is_some() {
            config.notes.push("ipam.cluster is replaced by that of the trial's nodes".to_owned());
        }
        Ok(config)
    }

    fn read_or(path: Option<&Path>, built_in: &str) -> Result<Self, ConfigError> {
        let Some(path) = path else {
            let whole = Configuration::parse(Path::new("the built-in configuration"), built_in.as_bytes())?;
            return Self::of(whole, "built in".to_owned());
        };
        let whole = Configuration::read_argument(path)?;
        let title = whole.path.display().to_string();
        Self::of(whole, title)
    }

    fn of(whole: Configuration, title: String) -> Result<Self, ConfigError> {
        let Configuration { path, name, version, plugins, .. } = whole;
        let mut plugins = plugins.into_iter();
        let Plugin { kind, object } = plugins.next().ok_or(ConfigurationError::NoPlugin { path })?;
        let others = plugins.map(|plugin| plugin.kind).collect::<Vec<_>>().join(", ");
        let mut notes = Vec::new();
        if !others.is_empty() {
            notes.push(format!("only the first plugin of the list is tried, without {others}"));
        }
        let object = in_private_directory(object, &mut notes);
        Ok(Self { title, network: name, kind, version, notes, object })
    }

    /// The `ipam` object, unless it is empty: then the network is one of layer 2.
    pub(super) fn ipam(&self) -> Option<&Map<String, Value>> {
        get(&self.object, "ipam").and_then(Value::as_object).filter(|ipam| !ipam.is_empty())
    }

    /// A text of `ipam`.
    pub(super) fn ipam_text(&self, key: &str) -> Option<&str> {
        self.ipam().and_then(|ipam| get(ipam, key)).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// The file that `ipam.resolvConf` names.
    pub(super) fn resolv_conf(&self) -> Option<&Path> {
        self.ipam_text("resolvConf").map(Path::new)
    }

    /// Where the leases are.
    pub(super) fn data_dir(&self) -> &Path {
        Path::new(self.ipam_text("dataDir").unwrap_or(DATA_DIR))
    }

    /// The bridge's name.
    pub(super) fn bridge(&self) -> &str {
        get(&self.object, "bridge").and_then(Value::as_str).filter(|name| !name.is_empty()).unwrap_or("cni0")
    }

    /// Whether the gateway's address is on the bridge.
    pub(super) fn is_gateway(&self) -> bool {
        self.switch("isGateway") || self.switch("isDefaultGateway")
    }

    /// Whether the network is masqueraded.
    pub(super) fn is_masqueraded(&self) -> bool {
        self.switch("ipMasq")
    }

    /// Whether containers are kept apart.
    pub(super) fn is_isolated(&self) -> bool {
        self.switch("portIsolation")
    }

    fn switch(&self, key: &str) -> bool {
        get(&self.object, key) == Some(&Value::Bool(true))
    }

    /// What the plugin reads for ADD and DEL.
    pub(super) fn input(&self) -> String {
        Value::Object(self.object.clone()).to_string()
    }

    /// What the plugin reads on a node of a cluster, with leases where each node has its own.
    pub(super) fn input_with_cluster(&self, cluster: Value) -> String {
        let ipam = self.ipam().cloned().unwrap_or_default();
        let ipam = with(with(ipam, "cluster", cluster), "dataDir", DATA_DIR.into());
        Value::Object(with(self.object.clone(), "ipam", Value::Object(ipam))).to_string()
    }

    /// The version that CHECK is asked at: the configuration's own, unless that has no CHECK.
    pub(super) fn check_version(&self) -> &str {
        let mut numbers = self.version.split('.').map(|number| number.parse::<u32>().unwrap_or_default());
        let version = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        if version < (0, 4) { CHECKABLE } else { &self.version }
    }

    /// What the plugin reads for CHECK.
    pub(super) fn check_input(&self, previous: Value) -> String {
        let mut object = without(self.object.clone(), "cniVersion");
        object.insert("cniVersion".to_owned(), self.check_version().into());
        object.insert("prevResult".to_owned(), previous);
        Value::Object(object).to_string()
    }
}

/// Leases of the trial shall lie nowhere else than in directories that end with it.
fn in_private_directory(mut object: Map<String, Value>, notes: &mut Vec<String>) -> Map<String, Value> {
    let Some(Value::Object(ipam)) = get(&object, "ipam") else { return object };
    let is_private = |path: &str| ["/run/", "/var/run/", "/var/lib/"].iter().any(|private| path.starts_with(private));
    match get(ipam, "dataDir").and_then(Value::as_str) {
        Some(path) if path.starts_with('/') && (!is_private(path) || path.contains("..")) => {
            notes.push(format!("leases are kept in a private {DATA_DIR} instead of {path}"));
            let ipam = without(ipam.clone(), "dataDir");
            object = without(object, "ipam");
            object.insert("ipam".to_owned(), Value::Object(ipam));
            object
        }
        _ => object,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<TrialConfig, ConfigError> {
        TrialConfig::of(Configuration::parse(Path::new("x.conf"), text.as_bytes())?, "x.conf".to_owned())
    }

    #[test]
    fn the_built_in_configuration_is_one() {
        let config = TrialConfig::read(None).unwrap();
        assert_eq!((config.network.as_str(), config.kind.as_str(), config.bridge()), ("mynet", "net-script", "cni0"));
        assert!(config.is_gateway() && config.is_masqueraded() && !config.is_isolated());
        assert_eq!(config.check_version(), "1.0.0");
        assert_eq!(config.data_dir(), Path::new("/var/lib/gingham"));
    }

    #[test]
    fn of_a_list_the_first_plugin_is_taken_with_the_lists_name() {
        let list = r#"{"cniVersion":"1.1.0","name":"n","plugins":[{"type":"a","NAME":"x"},{"type":"portmap"},{"type":"tuning"}]}"#;
        let config = parse(list).unwrap();
        assert_eq!((config.network.as_str(), config.kind.as_str(), config.check_version()), ("n", "a", "1.1.0"));
        assert_eq!(config.notes, ["only the first plugin of the list is tried, without portmap, tuning"]);
    }

    #[test]
    fn leases_never_go_to_the_machines_directories() {
        let config = |dir: &str| {
            parse(&format!(r#"{{"cniVersion":"1.0.0","name":"n","type":"a","IPAM":{{"type":"p","datadir":"{dir}"}}}}"#))
                .unwrap()
        };
        for dir in ["/srv/leases", "/run/../srv", "/var/library"] {
            assert_eq!(config(dir).data_dir(), Path::new(DATA_DIR), "{dir}");
            assert_eq!(config(dir).notes.len(), 1, "{dir}");
        }
        assert_eq!(config("/run/leases").data_dir(), Path::new("/run/leases"));
        assert_eq!(config("/srv").ipam_text("type"), Some("p"));
    }

    #[test]
    fn check_gets_the_result_of_add() {
        let config = parse(r#"{"CNIVERSION":"0.3.1","name":"n","type":"a"}"#).unwrap();
        let input: Map<String, Value> = serde_json::from_str(&config.check_input(Value::Bool(true))).unwrap();
        assert_eq!(get(&input, "cniVersion"), Some(&Value::from("1.0.0")));
        assert_eq!((input.get("prevResult"), input.len()), (Some(&Value::Bool(true)), 4));
    }
}
