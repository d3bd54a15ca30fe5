//! With the reference's files, as all its versions wrote them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use gingham_tests::cni::{Cni, address, addresses};
use gingham_tests::ctl::ctl;
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only, addresses_only_with};
use gingham_tests::node::Node;
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};

const THEIRS: &str = "/var/lib/cni/networks/mynet";

/// The reference's directory with these files.
fn directory_with(files: &[(&str, &str)]) -> PathBuf {
    directory_at(Path::new(THEIRS), files)
}

fn directory_at(path: &Path, files: &[(&str, &str)]) -> PathBuf {
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("lock"), "").unwrap();
    for (name, text) in files {
        fs::write(path.join(name), text).unwrap();
    }
    path.to_owned()
}

/// Two families, so that a container has two files.
fn dual() -> Value {
    addresses_only_with(json!({"ipam": {"subnet": null,
        "ranges": [[{"subnet": "10.7.0.0/24"}], [{"subnet": "fd00:7::/64"}]]}}))
}

#[test]
fn all_forms_are_adopted_and_freed() {
    let node = Node::new();
    directory_with(&[
        ("10.7.0.2", "both\r\neth0"),
        ("fd00:7::2", "both\r\neth0"),
        ("10.7.0.3", "ancient"),
        ("10.7.0.4", ""),
        ("last_reserved_ip.0", "10.7.0.9"),
        ("last_reserved_ip.1", "fd00:7::1f"),
    ]);
    let c1 = node.container("c1");
    let result = Cni::add(&dual(), &c1).run().result();
    let given: Vec<String> = addresses(&result).iter().map(ToString::to_string).collect();
    assert_eq!(given, ["10.7.0.10", "fd00:7::20"], "each range set goes on where it was");
    assert_eq!(
        kernel::leases("mynet"),
        ["ancient  10.7.0.3", "both eth0 10.7.0.2 fd00:7::2", "c1 eth0 10.7.0.10 fd00:7::20"]
    );
    let refused = Cni::add(&dual(), &node.container("ancient")).run().fault();
    assert_eq!(refused.code, 104, "{refused:?}");
    for id in ["both", "ancient"] {
        Cni::del(&dual(), &node.container(&format!("{id}-del"))).variable("CNI_CONTAINERID", id).run().succeeds();
    }
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.10 fd00:7::20"]);
    let mut left: Vec<_> = fs::read_dir(THEIRS).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["10.7.0.4", "last_reserved_ip.0", "last_reserved_ip.1", "lock"], "what is no lease stays");
}

#[test]
fn an_adopted_address_is_given_to_nobody_else() {
    let node = Node::new();
    let names: Vec<String> = (2..=253).map(|last| format!("10.7.0.{last}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "old\r\neth0")).collect();
    directory_with(&files);
    assert_eq!(address(&Cni::add(&addresses_only(), &node.container("c1")).run().result()), "10.7.0.254");
    let full = Cni::add(&addresses_only(), &node.container("c2")).run().fault();
    assert_eq!(full.code, 103, "{full:?}");
    let asked = Cni::add(&addresses_only(), &node.container("c3")).args("IP=10.7.0.77").run().fault();
    assert_eq!(asked.code, 103, "{asked:?}");
}

#[test]
fn every_verb_may_be_the_first() {
    for verb in ["DEL", "CHECK", "GC", "STATUS"] {
        std::thread::spawn(move || {
            let node = Node::new();
            directory_with(&[("10.7.0.2", "c1\r\neth0"), ("10.7.0.3", "c2"), ("10.7.0.4", "c3\r\neth0")]);
            let (network, c1) = (addresses_only(), node.container("c1"));
            let left: &[&str] = match verb {
                "DEL" => {
                    Cni::del(&network, &c1).run().succeeds();
                    &["c2  10.7.0.3", "c3 eth0 10.7.0.4"]
                }
                "GC" => {
                    Cni::gc(&network, &[("c2", "eth0")]).run().succeeds();
                    &["c2  10.7.0.3"]
                }
                "CHECK" => {
                    let result = json!({"cniVersion": "1.1.0", "ips": [{"address": "10.7.0.2/24"}]});
                    Cni::check(&network, &c1, &result).run().succeeds();
                    &["c1 eth0 10.7.0.2", "c2  10.7.0.3", "c3 eth0 10.7.0.4"]
                }
                _ => {
                    Cni::status(&network).run().succeeds();
                    &["c1 eth0 10.7.0.2", "c2  10.7.0.3", "c3 eth0 10.7.0.4"]
                }
            };
            assert_eq!(kernel::leases("mynet"), left, "{verb}");
        })
        .join()
        .unwrap();
    }
}

#[test]
fn killed_in_the_middle_nothing_is_lost_and_nothing_doubled() {
    for place in ["adopt.recorded", "adopt.done"] {
        std::thread::spawn(move || {
            let node = Node::new();
            directory_with(&[("10.7.0.2", "c1\r\neth0"), ("last_reserved_ip.0", "10.7.0.2")]);
            let c2 = node.container("c2");
            Cni::add(&addresses_only(), &c2).failpoint(&format!("{place}=kill")).run().was_killed();
            let done: &[&str] = if place == "adopt.done" { &["c1 eth0 10.7.0.2"] } else { &[] };
            assert_eq!(kernel::leases("mynet"), done, "all or nothing");
            assert_eq!(address(&Cni::add(&addresses_only(), &c2).run().result()), "10.7.0.3");
            assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2", "c2 eth0 10.7.0.3"]);
        })
        .join()
        .unwrap();
    }
}

#[test]
fn once_adopted_nobody_waits_for_the_reference() {
    let node = Node::new();
    let theirs = directory_with(&[("10.7.0.2", "c1\r\neth0")]);
    Cni::add(&addresses_only(), &node.container("c2")).run().result();
    // Whoever wanted this lock would wait for it until the test's patience ends.
    let lock = File::open(theirs.join("lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    fs::write(theirs.join("10.7.0.4"), "later\r\neth0").unwrap();
    assert_eq!(address(&Cni::add(&addresses_only(), &node.container("c3")).run().result()), "10.7.0.4");
    Cni::status(&addresses_only()).run().succeeds();
}

#[test]
fn a_network_without_leases_is_done_with_the_first_add() {
    let node = Node::new();
    Cni::add(&addresses_only(), &node.container("c1")).run().result();
    directory_with(&[("10.7.0.3", "later\r\neth0")]);
    assert_eq!(address(&Cni::add(&addresses_only(), &node.container("c2")).run().result()), "10.7.0.3");
    // By hand it is looked at again, and who has an address keeps it.
    let said = ctl(&["import", "host-local", "--network", "mynet"]).done();
    assert_eq!(
        said,
        "mynet: 0 leases imported, 0 adopted before\n\
         mynet: 10.7.0.3 is not imported for container later: container c2 has it here\n"
    );
}

#[test]
fn many_first_uses_at_once() {
    let node = Node::new();
    directory_with(&[("10.7.0.2", "old\r\neth0"), ("10.7.0.7", "ancient")]);
    let containers: Vec<_> = (0..16).map(|number| node.container(&format!("c{number}"))).collect();
    let running: Vec<_> = containers.iter().map(|container| Cni::add(&addresses_only(), container).start()).collect();
    let mut given: Vec<String> = running.into_iter().map(|call| address(&call.end().result())).collect();
    given.sort();
    given.dedup();
    assert_eq!(given.len(), 16);
    assert!(!given.iter().any(|given| ["10.7.0.2", "10.7.0.7"].contains(&given.as_str())), "{given:?}");
    assert_eq!(kernel::leases("mynet").len(), 18);
}

#[test]
fn leases_of_an_earlier_boot_do_not_block_for_ever() {
    let node = Node::new();
    let theirs = directory_with(&[("10.7.0.2", "dead\r\neth0"), ("10.7.0.3", "living\r\neth0")]);
    // What a clock that was wrong at that time may write, too: then the container's namespace tells.
    for name in ["10.7.0.2", "10.7.0.3"] {
        let file = File::options().write(true).open(theirs.join(name)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_hours(1)).unwrap();
    }
    let living = node.container("living");
    fs::create_dir_all("/var/lib/cni/results").unwrap();
    let cached = json!({"kind": "cniCacheV1", "containerId": "living", "netns": living.netns});
    fs::write("/var/lib/cni/results/mynet-living-eth0", cached.to_string()).unwrap();
    assert_eq!(address(&Cni::add(&addresses_only(), &node.container("c1")).run().result()), "10.7.0.2");
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2", "living eth0 10.7.0.3"]);
    living.vanish();
    let said = ctl(&["gc"]).done();
    assert!(said.starts_with("freed 1 of 2 attachments\n"), "the runtime's notes tell its namespace: {said}");
    assert!(!theirs.join("10.7.0.3").exists());
}

#[test]
fn a_reboot_ends_adopted_leases_like_all_others() {
    let node = Node::new();
    let theirs = directory_with(&[("10.7.0.2", "old\r\neth0")]);
    Cni::add(&addresses_only(), &node.container("c1")).run().result();
    node.pretend_reboot("11111111-2222-3333-4444-555555555555");
    let file = File::options().write(true).open(theirs.join("10.7.0.2")).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_hours(1)).unwrap();
    Cni::add(&addresses_only(), &node.container("c2")).run().result();
    let leases = kernel::leases("mynet");
    assert!(leases.len() == 1 && leases[0].starts_with("c2 eth0 "), "{leases:?}");
}

#[test]
fn the_directory_may_be_the_configurations() {
    let node = Node::new();
    let network = addresses_only_with(json!({"ipam": {"dataDir": "/run/cni"}}));
    directory_at(Path::new("/run/cni/mynet"), &[("10.7.0.2", "old\r\neth0")]);
    assert_eq!(address(&Cni::add(&network, &node.container("c1")).run().result()), "10.7.0.3");
    assert_eq!(kernel::leases_in(Path::new("/run/cni"), "mynet"), ["c1 eth0 10.7.0.3", "old eth0 10.7.0.2"]);
}

#[test]
fn leases_that_cannot_be_read_are_not_passed_over() {
    let node = Node::new();
    directory_with(&[("10.7.0.2", "old\r\neth0")]);
    fs::remove_file(Path::new(THEIRS).join("lock")).unwrap();
    fs::create_dir(Path::new(THEIRS).join("lock")).unwrap();
    let fault = Cni::add(&addresses_only(), &node.container("c1")).run().fault();
    assert!(fault.code == 5 && fault.msg.contains(THEIRS), "{fault:?}");
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn import_can_be_rehearsed_and_export_goes_back() {
    let node = Node::new();
    let theirs = directory_with(&[("10.7.0.2", "old\r\neth0"), ("10.7.0.3", "")]);
    let import = |more: &[&str]| ctl(&[&["import", "host-local"], more].concat()).done();
    let told = "mynet: not a lease: 10.7.0.3: it is empty: host-local stopped while it wrote the file\n";
    assert_eq!(import(&["--dry-run"]), format!("mynet: 1 lease would be imported, 0 adopted before\n{told}"));
    assert!(!Path::new("/var/lib/gingham/leases.mdb").exists());
    assert_eq!(import(&[]), format!("mynet: 1 lease imported, 0 adopted before\n{told}"));
    let json: Value = serde_json::from_str(&import(&["--json"])).unwrap();
    assert_eq!(json[0]["known"], json!([{"address": "10.7.0.2", "containerId": "old", "interface": "eth0"}]));
    Cni::add(&addresses_only(), &node.container("c1")).run().result();
    fs::remove_file(theirs.join("10.7.0.2")).unwrap();
    let said = ctl(&["export", "host-local", "--network", "mynet", "--json"]).done();
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["exported"].as_array().unwrap().len(), 2, "{json}");
    assert_eq!(fs::read_to_string(theirs.join("10.7.0.2")).unwrap(), "old\r\neth0");
    assert_eq!(fs::read_to_string(theirs.join("10.7.0.3")).unwrap(), "c1\r\neth0");
    assert_eq!(fs::read_to_string(theirs.join("last_reserved_ip.0")).unwrap(), "10.7.0.3");
    assert_eq!(kernel::leases("mynet"), [""; 0]);
    assert!(ctl(&["import", "host-local", "--network", "other"]).failed().contains("/var/lib/cni/networks/other"));
}

/// Its runtime forgot it: no DEL comes, and host-local recorded no namespace to look for.
#[test]
fn an_adopted_lease_names_its_source_and_how_to_free_it() {
    let node = Node::new();
    directory_with(&[("10.7.0.2", "both\r\neth0"), ("fd00:7::2", "both\r\neth0")]);
    Cni::add(&dual(), &node.container("c1")).run().result();
    fs::write("/run/mynet.conf", dual().to_string()).unwrap();
    let explained = ctl(&["explain", "/run/mynet.conf", "10.7.0.2"]).done();
    assert!(explained.contains("chosen by the reference host-local"), "{explained}");
    let kept = ctl(&["gc"]).done();
    let files = format!("delete {THEIRS}/10.7.0.2 and {THEIRS}/fd00:7::2 and run `ginghamctl gc`");
    assert!(kept.contains(&files), "{kept}");
    for name in ["10.7.0.2", "fd00:7::2"] {
        fs::remove_file(format!("{THEIRS}/{name}")).unwrap();
    }
    let freed = ctl(&["gc"]).done();
    assert!(freed.contains("freed 1 of 2 attachments"), "{freed}");
}
