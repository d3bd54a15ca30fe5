//! An image made by hand: one static program, no registry.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::program::run;

/// What the image is called.
pub(crate) const NAME: &str = "test.invalid/busybox:1";

/// What a container of the image does if it is told nothing else: it waits.
const WAIT: [&str; 2] = ["/bin/sleep", "1000000"];

/// The root file system as a tar file, for `podman import`.
pub(crate) fn root_file_system() -> PathBuf {
    let root = Path::new("/run/tmp/root");
    for directory in ["bin", "proc", "sys", "dev", "etc", "tmp", "run"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::copy("/usr/bin/busybox", root.join("bin/busybox")).unwrap();
    for name in ["sh", "sleep", "ip", "nc"] {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    pack(root, Path::new("/run/tmp/layer.tar"))
}

/// The image as an OCI archive, for `ctr image import`.
pub(crate) fn archive() -> PathBuf {
    let layout = Path::new("/run/tmp/layout");
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let layer = put(layout, &fs::read(root_file_system()).unwrap());
    let configuration = json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": WAIT, "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": typed(put(layout, configuration.to_string().as_bytes()), "config.v1+json"),
        "layers": [typed(layer, "layer.v1.tar")],
    });
    let mut listed = typed(put(layout, manifest.to_string().as_bytes()), "manifest.v1+json");
    listed["annotations"] = json!({"io.containerd.image.name": NAME});
    fs::write(layout.join("index.json"), json!({"schemaVersion": 2, "manifests": [listed]}).to_string()).unwrap();
    fs::write(layout.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string()).unwrap();
    pack(layout, Path::new("/run/tmp/image.tar"))
}

fn pack(directory: &Path, file: &Path) -> PathBuf {
    run("tar", &[Path::new("-C"), directory, Path::new("-cf"), file, Path::new(".")]).done();
    file.to_owned()
}

/// Stores a blob under its digest and describes it.
fn put(layout: &Path, bytes: &[u8]) -> Value {
    let digest = Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    fs::write(layout.join("blobs/sha256").join(&digest), bytes).unwrap();
    json!({"digest": format!("sha256:{digest}"), "size": bytes.len()})
}

fn typed(mut descriptor: Value, kind: &str) -> Value {
    descriptor["mediaType"] = json!(format!("application/vnd.oci.image.{kind}"));
    descriptor
}
