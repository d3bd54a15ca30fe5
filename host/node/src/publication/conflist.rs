//! The list that a runtime reads, made of a network's configuration.

use std::path::Path;

use gingham_network::plan::OWN_NAME;
use gingham_network::published;
use serde_json::{Map, Value, json};

/// containerd 1.6 and 1.7 refuse later versions.
const CNI_VERSION: &str = "1.0.0";
const PORTMAP: &str = "portmap";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConflistError {
    #[error("AddressNetwork {network}: spec.config: {key} is not an object; use the object of a plugin in a conflist")]
    NoObject { network: String, key: &'static str },
    #[error("AddressNetwork {network}: spec.config: type: found {found}, expected {OWN_NAME:?} or no type")]
    OtherPlugin { network: String, found: Value },
}

/// Keys that the network leaves out are as pods need them: default routes, masquerade, and a pod that reaches itself through
/// its Service.
pub(crate) fn conflist(network: &str, config: &Value, plugin_dir: &Path) -> Result<Value, ConflistError> {
    let object = |value: &Value, key| {
        let no_object = || ConflistError::NoObject { network: network.to_owned(), key };
        value.as_object().cloned().ok_or_else(no_object)
    };
    let mut plugin: Map<String, Value> = object(config, "config")?;
    let mut ipam = object(plugin.get("ipam").unwrap_or(&json!({})), "ipam")?;
    ipam.entry("type").or_insert_with(|| OWN_NAME.into());
    ipam.entry("cluster").or_insert_with(|| json!({"store": "kubernetes"}));
    plugin.insert("ipam".to_owned(), Value::Object(ipam));
    let own_type = plugin.entry("type").or_insert_with(|| OWN_NAME.into());
    if own_type != OWN_NAME {
        return Err(ConflistError::OtherPlugin { network: network.to_owned(), found: own_type.clone() });
    }
    for key in ["isDefaultGateway", "ipMasq", "hairpinMode"] {
        plugin.entry(key).or_insert(Value::Bool(true));
    }
    let mut plugins = vec![Value::Object(plugin)];
    // hostPort of pods is another plugin's work.
    if plugin_dir.join(PORTMAP).is_file() {
        plugins.push(json!({"type": PORTMAP, "capabilities": {"portMappings": true}}));
    }
    Ok(json!({
        "cniVersion": CNI_VERSION, "name": network, published::KEY: published::AGENT, "plugins": plugins,
    }))
}
