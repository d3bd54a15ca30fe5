//! The archive as container runtimes and other tools read it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gingham_image::{Image, ImageError, Platform};

const BUSYBOX: &str = "/bin/busybox";

fn amd64() -> Platform {
    Platform::of_target("x86_64-unknown-linux-musl").unwrap()
}

/// A directory with a static program under the three names.
fn programs(program: &Path) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["gingham", "gingham-node", "ginghamctl"] {
        fs::copy(program, directory.path().join(name)).unwrap();
    }
    directory
}

fn archive(programs: &Path) -> Result<Vec<u8>, ImageError> {
    let mut image = Image::new("gingham:test");
    image.add(amd64(), programs)?;
    image.archive()
}

#[test]
fn a_program_that_needs_libraries_is_refused() {
    let directory = programs(Path::new("/bin/ls"));
    let refused = archive(directory.path()).unwrap_err().to_string();
    assert!(refused.contains("link it statically"), "{refused}");
}

#[test]
fn a_program_for_another_processor_is_refused() {
    if !skipped_tests::has(BUSYBOX, "busybox-static") {
        return;
    }
    let directory = programs(Path::new(BUSYBOX));
    let mut image = Image::new("gingham:test");
    let arm = Platform::of_target("aarch64-unknown-linux-musl").unwrap();
    let refused = image.add(arm, directory.path()).unwrap_err().to_string();
    assert!(refused.contains("is not a program for arm64"), "{refused}");
}

#[test]
fn the_same_programs_give_the_same_bytes_and_tar_reads_them() {
    if !skipped_tests::has(BUSYBOX, "busybox-static") {
        return;
    }
    let directory = programs(Path::new(BUSYBOX));
    let first = archive(directory.path()).unwrap();
    assert!(first == archive(directory.path()).unwrap());
    let (file, unpacked) = (directory.path().join("image.tar"), directory.path().join("unpacked"));
    fs::write(&file, first).unwrap();
    fs::create_dir(&unpacked).unwrap();
    let tar = Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(&unpacked).output().unwrap();
    assert!(tar.status.success() && tar.stderr.is_empty(), "{}", String::from_utf8_lossy(&tar.stderr));
    assert!(unpacked.join("oci-layout").is_file() && unpacked.join("manifest.json").is_file());
}

struct Containerd(Child);

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `containerd` in a directory, without plugins that would touch the machine.
fn containerd(directory: &Path) -> Containerd {
    let config = directory.join("config.toml");
    let at = |below: &str| directory.join(below).display().to_string();
    let text = format!(
        "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \
         {:?}\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = {:?}\n",
        at("root"),
        at("state"),
        at("containerd.sock"),
        at("opt")
    );
    fs::write(&config, text).unwrap();
    let log = fs::File::create(directory.join("log")).unwrap();
    let child = Command::new("/usr/bin/containerd")
        .arg("--config")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let running = Containerd(child);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !directory.join("containerd.sock").exists() {
        assert!(Instant::now() < deadline, "{}", fs::read_to_string(directory.join("log")).unwrap());
        std::thread::sleep(Duration::from_millis(50));
    }
    running
}

#[test]
fn containerd_imports_it() {
    if !skipped_tests::has(BUSYBOX, "busybox-static") || !skipped_tests::has("/usr/bin/containerd", "containerd") {
        return;
    }
    let directory = programs(Path::new(BUSYBOX));
    let file = directory.path().join("image.tar");
    fs::write(&file, archive(directory.path()).unwrap()).unwrap();
    let _containerd = containerd(directory.path());
    let ctr = |arguments: &[&str]| {
        let mut ctr = Command::new("/usr/bin/ctr");
        ctr.arg("--address").arg(directory.path().join("containerd.sock")).args(["--namespace", "k8s.io"]);
        let output = ctr.args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    };
    ctr(&["image", "import", "--no-unpack", file.to_str().unwrap()]);
    let listed = ctr(&["image", "list"]);
    assert!(listed.contains("docker.io/library/gingham:test") && listed.contains("linux/amd64"), "{listed}");
}
