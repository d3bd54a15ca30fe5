//! Blobs, manifests and the index.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::archive::Archive;
use crate::{ImageError, Platform};

const PROGRAMS: [&str; 3] = ["gingham", "gingham-node", "ginghamctl"];

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image of one or several platforms.
pub struct Image {
    name: String,
    /// By digest: `sha256` in hexadecimal.
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: Vec<Value>,
    /// Of the first platform, for Docker.
    docker: Option<Value>,
}

impl Image {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), blobs: BTreeMap::new(), manifests: Vec::new(), docker: None }
    }

    /// Adds the programs of a platform. Returns their names and sizes.
    ///
    /// # Errors
    /// A program is missing, for another architecture, or not static.
    pub fn add(&mut self, platform: Platform, programs: &Path) -> Result<Vec<(&'static str, usize)>, ImageError> {
        let (layer, sizes) = layer(platform, programs)?;
        let layer_id = format!("sha256:{}", digest(&layer));
        let config = json!({
            "architecture": platform.architecture, "os": "linux",
            "config": {"Cmd": ["/gingham-node"], "Env": ["PATH=/"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [layer_id]},
        });
        let layer = self.blob(LAYER, layer);
        let config = self.blob(CONFIG, config.to_string().into_bytes());
        let path =
            |descriptor: &Value| descriptor["digest"].as_str().unwrap_or_default().replace("sha256:", "blobs/sha256/");
        let docker = json!([{"Config": path(&config), "RepoTags": [self.name], "Layers": [path(&layer)]}]);
        self.docker.get_or_insert(docker);
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        let mut manifest = self.blob(MANIFEST, manifest.to_string().into_bytes());
        manifest["platform"] = json!({"architecture": platform.architecture, "os": "linux"});
        self.manifests.push(manifest);
        Ok(sizes)
    }

    /// A tar archive that is an OCI layout, and that Docker loads.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`]
    pub fn archive(mut self) -> Result<Vec<u8>, ImageError> {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.manifests});
        let mut index = self.blob(INDEX, index.to_string().into_bytes());
        index["annotations"] = json!({
            "io.containerd.image.name": full_name(&self.name),
            "org.opencontainers.image.ref.name": self.name.rsplit(':').next().unwrap_or_default(),
        });
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [index]});
        let mut archive = Archive::default();
        archive.directory("blobs/");
        archive.directory("blobs/sha256/");
        for (digest, blob) in &self.blobs {
            archive.file(&format!("blobs/sha256/{digest}"), 0o644, blob)?;
        }
        archive.file("index.json", 0o644, index.to_string().as_bytes())?;
        archive.file("manifest.json", 0o644, self.docker.unwrap_or_default().to_string().as_bytes())?;
        archive.file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(archive.end())
    }

    /// Adds a blob and describes it.
    fn blob(&mut self, media_type: &str, content: Vec<u8>) -> Value {
        let digest = digest(&content);
        let descriptor = json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": content.len()});
        self.blobs.insert(digest, content);
        descriptor
    }
}

/// The size of each program beside.
type Layer = (Vec<u8>, Vec<(&'static str, usize)>);

fn layer(platform: Platform, programs: &Path) -> Result<Layer, ImageError> {
    let (mut layer, mut sizes) = (Archive::default(), Vec::new());
    for name in PROGRAMS {
        let path = programs.join(name);
        let program =
            fs::read(&path).map_err(|source| ImageError::Io { operation: "read", path: path.clone(), source })?;
        platform.require_static(&path, &program)?;
        layer.file(name, 0o755, &program)?;
        sizes.push((name, program.len()));
    }
    layer.directory("run/");
    layer.directory("var/");
    // Runtimes call the namespaces of pods /var/run/netns/…
    layer.link("var/run", "/run");
    Ok((layer.end(), sizes))
}

/// As container runtimes complete a short name.
fn full_name(name: &str) -> String {
    match name.split_once('/') {
        None => format!("docker.io/library/{name}"),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
    }
}

/// `sha256` in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_runtimes_do() {
        assert_eq!(full_name("gingham:1"), "docker.io/library/gingham:1");
        assert_eq!(full_name("me/gingham:1"), "docker.io/me/gingham:1");
        assert_eq!(full_name("localhost:5000/gingham:1"), "localhost:5000/gingham:1");
        assert_eq!(full_name("registry.example/gingham:1"), "registry.example/gingham:1");
    }
}
