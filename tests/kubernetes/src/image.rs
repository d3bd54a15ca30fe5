//! An image made by hand: one static program, no registry.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::command::{bounded, finish};

/// The image of pods, and of what holds their namespaces.
pub const BUSYBOX: &str = "localhost/busybox:1";

/// The image of the manifests.
pub const GINGHAM: &str = "gingham:0.1.0";
/// Another build of it.
pub const NEXT: &str = "gingham:next";

const PROGRAM: &str = "/usr/bin/busybox";

/// What the image's containers do unless they are given something else.
const WAIT: [&str; 2] = ["/bin/sleep", "1000000"];

/// Makes the image as an OCI archive, for `ctr image import`.
pub(crate) fn busybox(directory: &Path) -> PathBuf {
    let root = directory.join("busybox");
    for part in ["bin", "proc", "sys", "dev", "etc", "tmp", "run"] {
        fs::create_dir_all(root.join(part)).unwrap();
    }
    fs::copy(PROGRAM, root.join("bin/busybox")).unwrap();
    for name in ["sh", "sleep", "ip", "nc", "ping", "hostname", "cat", "echo", "wget", "httpd"] {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    let configuration = json!({"Entrypoint": WAIT, "Env": ["PATH=/bin"]});
    archive(directory, BUSYBOX, &root, &configuration)
}

/// The image of the manifests with the programs of a directory. `GINGHAM_IMAGE` names an archive of `cargo image` to take
/// instead.
pub(crate) fn gingham(directory: &Path, programs: &Path) -> PathBuf {
    std::env::var_os("GINGHAM_IMAGE").map_or_else(|| of_programs(directory, GINGHAM, programs), PathBuf::from)
}

/// An image with the programs, and the libraries that they want if they are not static: cargo's tests have no others.
pub(crate) fn of_programs(directory: &Path, name: &str, programs: &Path) -> PathBuf {
    let root = directory.join(name.replace(':', "-"));
    for part in ["run", "var"] {
        fs::create_dir_all(root.join(part)).unwrap();
    }
    // Runtimes call the namespaces of pods /var/run/netns/…
    symlink("/run", root.join("var/run")).unwrap();
    for name in ["gingham", "ginghamctl", "gingham-node"] {
        let program = programs.join(name);
        fs::copy(&program, root.join(name)).unwrap();
        libraries(&program).iter().for_each(|library| {
            let place = root.join(library.strip_prefix("/").unwrap());
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(library, place).unwrap();
        });
    }
    archive(directory, &format!("docker.io/library/{name}"), &root, &json!({}))
}

/// The paths in `libm.so.6 => /lib/libm.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`; none of a static program.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = finish(bounded("ldd").arg(program));
    if !listed.is_success() {
        return Vec::new();
    }
    let text = listed.stdout();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn archive(directory: &Path, name: &str, root: &Path, configuration: &Value) -> PathBuf {
    let layout = root.with_extension("layout");
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let layer = put(&layout, &fs::read(pack(root, &directory.join("layer.tar"))).unwrap());
    let image = json!({
        "architecture": architecture(), "os": "linux", "config": configuration,
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": typed(put(&layout, image.to_string().as_bytes()), "config.v1+json"),
        "layers": [typed(layer, "layer.v1.tar")],
    });
    let mut listed = typed(put(&layout, manifest.to_string().as_bytes()), "manifest.v1+json");
    listed["annotations"] = json!({"io.containerd.image.name": name});
    fs::write(layout.join("index.json"), json!({"schemaVersion": 2, "manifests": [listed]}).to_string()).unwrap();
    fs::write(layout.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string()).unwrap();
    pack(&layout, &root.with_extension("tar"))
}

/// Go's names.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn pack(directory: &Path, file: &Path) -> PathBuf {
    let mut command: Command = bounded("tar");
    finish(command.arg("-C").arg(directory).arg("-cf").arg(file).arg(".")).stdout();
    file.to_owned()
}

/// Stores a blob under its digest and describes it.
fn put(layout: &Path, bytes: &[u8]) -> Value {
    let digest: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(layout.join("blobs/sha256").join(&digest), bytes).unwrap();
    json!({"digest": format!("sha256:{digest}"), "size": bytes.len()})
}

fn typed(mut descriptor: Value, kind: &str) -> Value {
    descriptor["mediaType"] = json!(format!("application/vnd.oci.image.{kind}"));
    descriptor
}
