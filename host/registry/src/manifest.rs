//! Manifests: what a policy looks like in a registry, as `wkg` and `oci-wasm` write it, and what is refused.

use std::collections::BTreeMap;

use gingham_engine::library::Digest;
use serde::{Deserialize, Serialize};

use crate::error::shown;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Asked for so that an index is recognised as one, rather than not found.
pub(crate) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const WASM_LAYER: &str = "application/wasm";
/// Of krustlet and Kubewarden.
const EARLIER_WASM_LAYER: &str = "application/vnd.wasm.content.layer.v1+wasm";
const TITLE: &str = "org.opencontainers.image.title";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes).to_string(),
            size: bytes.len() as u64,
            annotations: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// Of an index, of whatever manufacture.
#[derive(Deserialize)]
struct Index {
    manifests: Vec<serde::de::IgnoredAny>,
}

impl Manifest {
    pub(crate) fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self { schema_version: 2, media_type: Some(MANIFEST.to_owned()), artifact_type: None, config, layers }
    }

    /// Reads one, or says why it is none.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        if let Ok(index) = serde_json::from_slice::<Index>(bytes) {
            return Err(format!(
                "it is an index of {} artefacts, and a policy has no variants for platforms; use the digest of one of them",
                index.manifests.len()
            ));
        }
        serde_json::from_slice(bytes)
            .map_err(|error| format!("its manifest cannot be read ({})", shown(&error.to_string())))
    }

    /// The one layer that is a component, or why there is none.
    pub(crate) fn component(&self) -> Result<(&Descriptor, Digest), String> {
        let [layer] = &self.layers[..] else {
            return Err(format!("it has {} layers, and a policy has one, of type {WASM_LAYER}", self.layers.len()));
        };
        let kind = layer.media_type.as_str();
        if ["gzip", "zstd", "tar"].iter().any(|packed| kind.contains(packed)) {
            return Err(format!(
                "its layer is packed ({}), and nothing is unpacked here; push the component itself with \
                 `ginghamctl policy push` or `wkg oci push`",
                shown(kind)
            ));
        }
        if ![WASM_LAYER, EARLIER_WASM_LAYER].contains(&kind) {
            return Err(format!("its layer has type {}, and a policy's has {WASM_LAYER}", shown(kind)));
        }
        let digest = Digest::parse(&layer.digest);
        let digest = digest
            .ok_or_else(|| format!("its layer has the digest {}, and sha256 is required", shown(&layer.digest)))?;
        Ok((layer, digest))
    }
}

/// What tools that know components want to know before they download one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config<'a> {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: Surface<'a>,
}

#[derive(Serialize)]
struct Surface<'a> {
    exports: &'a [String],
    imports: &'a [String],
    target: Option<&'a str>,
}

impl<'a> Config<'a> {
    /// The same component always has the same manifest, so that a second push changes nothing and a digest can be
    /// compared: no time of today, no name of a local file.
    pub(crate) fn new(component: &[u8], exports: &'a [String], imports: &'a [String]) -> Self {
        Self {
            created: "1970-01-01T00:00:00Z",
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [Digest::of(component).to_string()],
            component: Surface { exports, imports, target: None },
        }
    }
}

pub(crate) fn component_layer(component: &[u8], name: &str) -> Descriptor {
    let mut layer = Descriptor::of(WASM_LAYER, component);
    layer.annotations.insert(TITLE.to_owned(), format!("{name}.wasm"));
    layer
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reason(manifest: &serde_json::Value) -> String {
        match Manifest::read(manifest.to_string().as_bytes()) {
            Ok(manifest) => manifest.component().unwrap_err(),
            Err(reason) => reason,
        }
    }

    fn of_layers(kinds: &[&str]) -> serde_json::Value {
        let layers: Vec<_> = kinds.iter().map(|kind| Descriptor::of(kind, b"x")).collect();
        json!({"schemaVersion": 2, "config": Descriptor::of(WASM_CONFIG, b"{}"), "layers": layers})
    }

    #[test]
    fn one_layer_that_is_a_component_is_taken() {
        for kind in [WASM_LAYER, EARLIER_WASM_LAYER] {
            let manifest = Manifest::read(of_layers(&[kind]).to_string().as_bytes()).unwrap();
            assert_eq!(manifest.component().unwrap().1, Digest::of(b"x"));
        }
    }

    #[test]
    fn everything_else_is_refused_with_the_reason() {
        let index = json!({"schemaVersion": 2, "manifests": [{}, {}]});
        let mut other_digest = of_layers(&[WASM_LAYER]);
        other_digest["layers"][0]["digest"] = json!("sha512:00");
        let refused = [
            (of_layers(&[]), "it has 0 layers"),
            (of_layers(&[WASM_LAYER, WASM_LAYER]), "it has 2 layers"),
            (of_layers(&["application/vnd.oci.image.layer.v1.tar+gzip"]), "its layer is packed"),
            (of_layers(&["application/wasm+gzip"]), "its layer is packed"),
            (of_layers(&["application/wasm+zstd"]), "its layer is packed"),
            (of_layers(&["text/html"]), "its layer has type text/html"),
            (index, "it is an index of 2 artefacts"),
            (other_digest, "and sha256 is required"),
            (json!({"schemaVersion": 2}), "its manifest cannot be read"),
            (json!([]), "its manifest cannot be read"),
        ];
        for (manifest, expected) in refused {
            assert!(reason(&manifest).contains(expected), "{}", reason(&manifest));
        }
    }
}
