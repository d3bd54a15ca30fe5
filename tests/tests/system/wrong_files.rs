//! Wrong files and failing disks: a clear error, nothing lost, nothing half-written, and no network half-made.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gingham_tests::cni::{Cni, Fault, address};
use gingham_tests::ctl::ctl;
use gingham_tests::guests::guest;
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only_with, bridged, bridged_with};
use gingham_tests::node::{self, DATA, Node};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::mount::{MountFlags, mount_remount};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use serde_json::{Value, json};

const POLICIES: &str = "/var/lib/gingham/policies";

/// An ADD is refused with an error that says all of `words`; the code is that of input and output.
fn refused(node: &Node, network: &Value, words: &[&str]) -> Fault {
    let fault = Cni::add(network, &node.container("refused")).run().fault();
    assert_eq!(fault.code, 5, "{fault:?}");
    for word in words {
        assert!(fault.msg.contains(word), "{fault:?} says {word:?}");
    }
    assert_eq!(kernel::links(), [""; 0], "the kernel was not touched");
    fault
}

/// The same for several ADDs of one node: each has a container of its own.
fn refused_as(node: &Node, network: &Value, container: &str, words: &[&str]) {
    let fault = Cni::add(network, &node.container(container)).run().fault();
    assert_eq!(fault.code, 5, "{fault:?}");
    for word in words {
        assert!(fault.msg.contains(word), "{fault:?} says {word:?}");
    }
}

fn honest() -> Value {
    addresses_only_with(json!({"ipam": {"type": "gingham", "policy": "honest", "subnet": null}}))
}

/// The one file that is the compiled form of the one installed policy.
fn compiled() -> PathBuf {
    let version = fs::read_dir(Path::new(POLICIES).join("compiled")).unwrap().next().unwrap().unwrap().path();
    compiled_in(&version)
}

fn compiled_in(directory: &Path) -> PathBuf {
    let mut files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|kind| kind == "cwasm")).unwrap()
}

#[test]
fn a_truncated_compiled_policy() {
    let node = Node::new();
    guest("honest").install();
    let bytes = fs::read(compiled()).unwrap();
    for length in [0, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(compiled(), &bytes[..length]).unwrap();
        let fault = Cni::add(&honest(), &node.container(&format!("c{length}"))).run().fault();
        assert_eq!(fault.code, 5, "{length}: {fault:?}");
        assert!(fault.msg.contains("honest") && fault.msg.contains("ginghamctl policy recompile"), "{fault:?}");
    }
    ctl(&["policy", "recompile"]).done();
    assert_eq!(address(&Cni::add(&honest(), &node.container("c")).run().result()), "10.66.0.2");
}

/// One bit of machine code, in a file of the same size and with the same time.
#[test]
fn a_rotten_compiled_policy() {
    let node = Node::new();
    guest("honest").install();
    let (path, bytes) = (compiled(), fs::read(compiled()).unwrap());
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 16) {
        let mut rotten = bytes.clone();
        rotten[at] ^= 1;
        fs::write(&path, rotten).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        let words = ["honest", "damaged or was replaced", "ginghamctl policy recompile"];
        refused_as(&node, &honest(), &format!("c{at}"), &words);
    }
    assert!(ctl(&["policy", "list"]).done().contains("ginghamctl policy recompile"));
    fs::write(&path, &bytes).unwrap();
    Cni::add(&honest(), &node.container("whole")).run().result();
    fs::write(&path, &bytes[..100]).unwrap();
    ctl(&["policy", "recompile"]).done();
    Cni::add(&honest(), &node.container("again")).run().result();
}

/// A pin is for the component, and code of another one does not run under it.
#[test]
fn machine_code_of_another_policy() {
    let node = Node::new();
    guest("honest").install();
    let honest_code = compiled();
    let digest = format!("sha256:{}", honest_code.file_stem().unwrap().to_str().unwrap());
    guest("refuses_for_good").install();
    ctl(&["policy", "remove", "honest"]).done();
    let other_code = compiled();
    guest("honest").install();
    let pinned =
        addresses_only_with(json!({"ipam": {"policy": format!("honest@{digest}"), "type": "gingham", "subnet": null}}));
    Cni::add(&pinned, &node.container("c1")).run().result();
    fs::copy(&other_code, &honest_code).unwrap();
    refused_as(&node, &pinned, "code", &["honest", &digest, "ginghamctl policy recompile"]);
    // With its record, too.
    fs::copy(other_code.with_extension("json"), honest_code.with_extension("json")).unwrap();
    refused_as(&node, &pinned, "both", &["honest", &digest, "ginghamctl policy recompile"]);
    ctl(&["policy", "recompile"]).done();
    Cni::add(&pinned, &node.container("c2")).run().result();
}

#[test]
fn a_library_that_was_copied() {
    let node = Node::new();
    guest("honest").install();
    let (code, aside) = (compiled(), compiled().with_extension("aside"));
    fs::copy(&code, &aside).unwrap();
    fs::rename(&aside, &code).unwrap();
    assert_eq!(address(&Cni::add(&honest(), &node.container("c")).run().result()), "10.66.0.2");
    fs::remove_file(code.with_extension("json")).unwrap();
    refused(&node, &honest(), &["honest", "ginghamctl policy recompile"]);
}

#[test]
fn a_policy_compiled_by_another_version() {
    let node = Node::new();
    guest("honest").install();
    // The version is written into the file; one digit of it changes.
    let key = gingham_engine::runtime::config::ARTEFACT_KEY.as_bytes();
    let mut bytes = fs::read(compiled()).unwrap();
    let at = bytes.windows(key.len()).position(|window| window == key).expect("the version is in the artefact");
    bytes[at] = b'9';
    fs::write(compiled(), bytes).unwrap();
    refused(&node, &honest(), &["honest", "ginghamctl policy recompile"]);
}

#[test]
fn after_an_upgrade_installed_policies_are_compiled_anew() {
    let node = Node::new();
    guest("honest").install();
    let directory = compiled().parent().unwrap().to_owned();
    fs::rename(&directory, directory.with_file_name("0.0.9-wasmtime-47.0.0-1-x86_64")).unwrap();
    refused(&node, &honest(), &["honest", "ginghamctl policy recompile"]);
    ctl(&["policy", "recompile"]).done();
    Cni::add(&honest(), &node.container("c1")).run().result();
}

#[test]
fn a_file_that_is_no_compiled_policy() {
    let node = Node::new();
    guest("honest").install();
    fs::write(compiled(), "this is no machine code").unwrap();
    refused(&node, &honest(), &["honest"]);
}

#[test]
fn machine_code_that_others_could_have_written() {
    let node = Node::new();
    guest("honest").install();
    fs::set_permissions(compiled(), fs::Permissions::from_mode(0o666)).unwrap();
    refused(&node, &honest(), &["chmod go-w", compiled().to_str().unwrap()]);
}

/// Who installs is told at once.
#[test]
fn a_library_that_others_can_change_takes_no_policy() {
    let node = Node::new();
    guest("honest").install();
    fs::set_permissions(POLICIES, fs::Permissions::from_mode(0o777)).unwrap();
    refused(&node, &honest(), &[&format!("`chmod go-w {POLICIES}`")]);
    let module = gingham_tests::guests::module("honest");
    let said = ctl(&["policy", "add", module.to_str().unwrap(), "--name", "again"]).failed();
    assert!(said.contains(&format!("`chmod go-w {POLICIES}`")), "{said}");
    fs::set_permissions(POLICIES, fs::Permissions::from_mode(0o700)).unwrap();
    Cni::add(&honest(), &node.container("afterwards")).run().result();
}

/// To open one would wait for a writer that never comes.
#[test]
fn pipes_in_the_library() {
    let node = Node::new();
    guest("honest").install();
    let files = [compiled(), compiled().with_extension("json"), Path::new(POLICIES).join("names/honest.json")];
    for (number, file) in files.iter().enumerate() {
        let kept = file.with_extension("kept");
        fs::rename(file, &kept).unwrap();
        mknodat(CWD, file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        refused_as(&node, &honest(), &format!("refused-{number}"), &["no regular file"]);
        ctl(&["policy", "list"]).done();
        fs::rename(&kept, file).unwrap();
    }
    Cni::add(&honest(), &node.container("afterwards")).run().result();
}

#[test]
fn a_damaged_name_is_not_looked_for_elsewhere() {
    let node = Node::new();
    guest("honest").install();
    fs::write(format!("{POLICIES}/names/honest.json"), "{\"digest\":").unwrap();
    refused(&node, &honest(), &["honest", "damaged", "ginghamctl policy add"]);
}

/// A store with one lease.
fn with_a_store() -> Node {
    let node = Node::new();
    Cni::add(&addresses_only_with(json!({})), &node.container("first")).run().result();
    node
}

fn store() -> PathBuf {
    Path::new(DATA).join("leases.mdb")
}

#[test]
fn a_store_from_the_future() {
    let node = with_a_store();
    let mut bytes = fs::read(store()).unwrap();
    // A version that nobody has written yet: the schema's number in the store's own words.
    let needle = b"\"schema\":2";
    let places: Vec<usize> = (0..bytes.len() - needle.len()).filter(|at| bytes[*at..].starts_with(needle)).collect();
    assert!(!places.is_empty(), "the schema is in the store");
    for at in places {
        bytes[at + needle.len() - 1] = b'9';
    }
    fs::write(store(), &bytes).unwrap();
    refused(&node, &bridged(), &["leases.mdb", "schema 9", "install the version that wrote it"]);
    assert_eq!(fs::read(store()).unwrap(), bytes, "not a byte was changed");
    let fault = Cni::status(&bridged()).run().fault();
    assert_eq!(fault.code, 50, "{fault:?}");
}

#[test]
fn a_store_that_is_none() {
    let node = with_a_store();
    for (bytes, case) in [(b"garbage".repeat(10_000), "garbage"), (b"short".to_vec(), "short")] {
        fs::write(store(), &bytes).unwrap();
        let fault = Cni::add(&bridged(), &node.container(case)).run().fault();
        assert_eq!(fault.code, 5, "{case}: {fault:?}");
        assert!(fault.msg.contains("leases.mdb") && fault.msg.contains("damaged"), "{case}: {fault:?}");
        assert_eq!(fs::read(store()).unwrap(), bytes, "{case}: not a byte was changed");
    }
}

#[test]
fn a_truncated_store() {
    let node = with_a_store();
    let bytes = fs::read(store()).unwrap();
    for length in [4096, bytes.len() / 2, bytes.len() - 4096] {
        fs::write(store(), &bytes[..length]).unwrap();
        let outcome = Cni::add(&bridged(), &node.container(&format!("c{length}"))).run();
        let fault = outcome.fault();
        assert_eq!(fault.code, 5, "{length}: {fault:?}");
        assert!(fault.msg.contains("leases.mdb"), "{length}: {fault:?}");
    }
}

#[test]
fn a_data_directory_that_is_a_file() {
    let node = Node::new();
    fs::write("/var/lib/file", "").unwrap();
    refused(&node, &bridged_with(json!({"ipam": {"dataDir": "/var/lib/file"}})), &["/var/lib/file"]);
    let node = Node::new();
    fs::write("/var/lib/file", "").unwrap();
    refused(&node, &bridged_with(json!({"ipam": {"dataDir": "/var/lib/file/below"}})), &["/var/lib/file"]);
}

#[test]
fn del_where_no_lease_can_be_recorded() {
    let node = Node::new();
    let container = node.container("c1");
    Cni::add(&bridged(), &container).run().result();
    let network = bridged_with(json!({"ipam": {"dataDir": "/dev/null"}}));
    let ended = Cni::del(&network, &container).run();
    ended.succeeds();
    assert_eq!(kernel::links(), ["cni0"], "the container's link is gone");
    assert!(ended.stderr.contains("ipam.dataDir: /dev/null is not a directory"), "{}", ended.stderr);
    assert_eq!(Cni::status(&network).run().fault().code, 50);
    for directory in ["/dev/null", "/dev/null/below"] {
        let network = bridged_with(json!({"ipam": {"dataDir": directory}}));
        // A repeated DEL looks for the attachment under other names as well.
        Cni::del(&network, &container).run().succeeds();
    }
    let leases = ctl(&["leases"]).done();
    assert!(leases.contains("10.7.0.2"), "where it is recorded the lease stays: {leases}");
    Cni::del(&bridged(), &container).run().succeeds();
    assert!(!ctl(&["leases"]).done().contains("10.7.0.2"));
}

#[test]
fn a_data_directory_that_cannot_be_read() {
    let node = with_a_store();
    fs::set_permissions(DATA, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything, unless this is taken from it and its children.
    for capability in [CapabilitySet::DAC_OVERRIDE, CapabilitySet::DAC_READ_SEARCH] {
        remove_capability_from_bounding_set(capability).unwrap();
    }
    refused(&node, &bridged(), &[DATA]);
}

#[test]
fn a_read_only_disk() {
    let node = with_a_store();
    node::empty(Path::new("/var/lib"));
    fs::create_dir(DATA).unwrap();
    mount_remount("/var/lib", MountFlags::RDONLY, "").unwrap();
    refused(&node, &bridged(), &["read-only", "remount"]);
    mount_remount("/var/lib", MountFlags::empty(), "").unwrap();
    Cni::add(&bridged(), &node.container("c1")).run().result();
}

#[test]
fn a_disk_that_became_read_only() {
    let node = with_a_store();
    mount_remount("/var/lib", MountFlags::RDONLY, "").unwrap();
    refused(&node, &addresses_only_with(json!({})), &["read-only"]);
    assert_eq!(kernel::leases("mynet"), ["first eth0 10.7.0.2"], "what is there can be read");
    mount_remount("/var/lib", MountFlags::empty(), "").unwrap();
    let next = Cni::add(&addresses_only_with(json!({})), &node.container("next")).run().result();
    assert_eq!(address(&next), "10.7.0.3");
}

#[test]
fn a_disk_that_is_full_from_the_start() {
    let node = Node::new();
    node::mount_tmpfs(Path::new("/var/lib"), "size=4k,mode=0755");
    fs::write("/var/lib/filler", [0; 4096]).unwrap();
    let fault = Cni::add(&bridged(), &node.container("c1")).run().fault();
    assert_eq!(fault.code, 5, "{fault:?}");
    assert!(fault.msg.contains("no space is left"), "{fault:?}");
    mount_remount("/var/lib", MountFlags::empty(), "size=10m").unwrap();
    assert_eq!(address(&Cni::add(&bridged(), &node.container("c2")).run().result()), "10.7.0.2");
}

#[test]
fn a_disk_that_runs_full() {
    let node = Node::new();
    node::mount_tmpfs(Path::new("/var/lib"), "size=2m,mode=0755");
    let network = addresses_only_with(json!({"ipam": {"subnet": "10.7.0.0/16"}}));
    Cni::add(&network, &node.container("first")).run().result();
    let mut filler = fs::File::create("/var/lib/filler").unwrap();
    while std::io::Write::write_all(&mut filler, &[0; 4096]).is_ok() {}
    let container = node.container("unlucky");
    let mut committed = 1;
    // A few more fit into pages that the store had given back.
    let fault = loop {
        let outcome = Cni::add(&network, &container).interface(&format!("eth{committed}")).run();
        if !outcome.is_success() {
            break outcome.fault();
        }
        committed += 1;
        assert!(committed < 200, "the disk is not full");
    };
    assert_eq!(fault.code, 5, "{fault:?}");
    assert!(fault.msg.contains("no space is left"), "{fault:?}");
    assert_eq!(kernel::leases("mynet").len(), committed, "what was committed is all there, and nothing else");
    fs::remove_file("/var/lib/filler").unwrap();
    drop(filler);
    let next = Cni::add(&network, &node.container("lucky")).run().result();
    assert_eq!(address(&next), format!("10.7.0.{}", committed + 2), "the failed one took no address");
}
