//! The node at a glance.

use gingham_tests::cni::Cni;
use gingham_tests::ctl::ctl;
use gingham_tests::networks::{bridged, bridged_with};
use serde_json::{Value, json};

use crate::{CONFIG_DIR, node_with};

#[test]
fn every_network_with_what_is_wrong() {
    let full = bridged_with(json!({"name": "full", "bridge": "cni1", "ipam": {"subnet": "10.9.0.0/30"}}));
    let node = node_with(&[
        bridged(),
        full.clone(),
        bridged_with(json!({"name": "beside", "ipam": {"subnet": "10.7.0.0/16"}})),
        bridged_with(json!({"name": "broken", "ipam": {"subnet": "10.8.0.0/33"}})),
        bridged_with(json!({"name": "layer2", "ipam": null})),
        json!({"cniVersion": "1.0.0", "name": "theirs", "type": "loopback"}),
    ]);
    std::fs::write(format!("{CONFIG_DIR}/rubbish.conf"), "{").unwrap();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    Cni::add(&bridged(), &c1).run().result();
    Cni::add(&full, &c2).run().result();
    let forgotten = bridged_with(json!({"name": "forgotten", "bridge": "cni9", "ipam": {"subnet": "10.10.0.0/24"}}));
    Cni::add(&forgotten, &node.container("c3")).run().result();
    c1.vanish();
    let status = |more: &[&str]| ctl(&[&["status", "--config-dir", CONFIG_DIR], more].concat()).done();
    insta::assert_snapshot!(status(&[]));
    let json: Value = serde_json::from_str(&status(&["--json", "--network", "full"])).unwrap();
    assert_eq!(json["networks"].as_array().unwrap().len(), 1);
    assert_eq!(
        json["networks"][0]["pools"],
        json!([{
            "name": "range set 0", "free": 0, "rangeFree": null, "cooling": 0, "leased": 1, "reserved": 0, "draining": 0,
        }])
    );
}

#[test]
fn a_node_without_networks() {
    let _node = node_with(&[]);
    let said = ctl(&["status", "--config-dir", CONFIG_DIR]).done();
    assert_eq!(said, format!("no networks of Gingham in {CONFIG_DIR}\n"));
    let misspelt = ctl(&["status", "--config-dir", "/run/nett.d"]).failed();
    assert!(misspelt.contains("/run/nett.d does not exist"), "{misspelt}");
}

#[test]
fn what_another_configuration_gave_and_two_files_of_one_network_are_named() {
    let node = node_with(&[bridged()]);
    Cni::add(&bridged(), &node.container("c1")).run().result();
    let moved = bridged_with(json!({"ipam": {"subnet": null, "ranges": [[{"subnet": "fd00:9::/48"}]]}}));
    std::fs::write(format!("{CONFIG_DIR}/mynet.conf"), moved.to_string()).unwrap();
    std::fs::write(format!("{CONFIG_DIR}/other.conf"), moved.to_string()).unwrap();
    let said = ctl(&["status", "--config-dir", CONFIG_DIR]).done();
    assert!(said.contains("mynet: leased outside of all pools: 10.7.0.2 (container c1"), "{said}");
    assert!(
        said.contains("mynet: configured by two files, /run/net.d/mynet.conf and /run/net.d/other.conf; keep one"),
        "{said}"
    );
    assert!(said.contains("  2^64 or more  "), "{said}");
}

#[test]
fn a_data_directory_that_cannot_be_used_hides_no_other_network() {
    let unusable = bridged_with(json!({"name": "unusable", "bridge": "cni1", "ipam": {"subnet": "10.9.0.0/24",
        "dataDir": "/run/a-file"}}));
    let node = node_with(&[bridged(), unusable]);
    std::fs::write("/run/a-file", "").unwrap();
    Cni::add(&bridged(), &node.container("c1")).run().result();
    let said = ctl(&["status", "--config-dir", CONFIG_DIR]).done();
    assert!(said.contains("mynet     host-local  1"), "{said}");
    let problems: Vec<&str> = said.lines().filter(|line| line.contains("/run/a-file")).collect();
    assert!(!problems.is_empty() && problems.iter().all(|problem| problem.starts_with("unusable: ")), "{said}");
    ctl(&["status", "--network", "mynet", "--config-dir", CONFIG_DIR]).done();
}

/// As `check-config` finds it.
#[test]
fn what_stands_in_the_way_on_the_node_is_a_problem() {
    let _node = node_with(&[bridged()]);
    gingham_tests::kernel::add_bridge("cni0", "192.0.2.1/24");
    let said = ctl(&["status", "--config-dir", CONFIG_DIR]).done();
    assert!(said.contains("mynet: \"cni0\" already has an IP address different from 10.7.0.1/24"), "{said}");
}
