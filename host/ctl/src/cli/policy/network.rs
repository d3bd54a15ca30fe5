//! The network and node that a policy is tried with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct TriedNetworkArguments {
    /// The network: a CNI configuration, or the object under its `ipam` alone
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) config: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) node: TriedNodeArguments,
}

#[derive(Debug, Args)]
pub(crate) struct TriedNodeArguments {
    /// The node's name [default: node-1]
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// A label of the node; without any, its labels are unknown
    #[arg(long = "node-label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) node_labels: Vec<(String, String)>,
}

impl TriedNodeArguments {
    pub(crate) fn labels(&self) -> Option<BTreeMap<String, String>> {
        if self.node_labels.is_empty() { None } else { Some(self.node_labels.iter().cloned().collect()) }
    }
}

/// A label, an annotation or an argument.
pub(in crate::cli) fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let pair = pair.map(|(key, value)| (key.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "use KEY=VALUE, such as app=web".to_owned())
}
