//! `check-config` explains a configuration on this node and changes nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::program::{CTL, Said};

/// A directory of configurations, of leases and of policies.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for name in ["net.d", "plugins"] {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        fs::write(place.path().join("plugins/tuning"), "").unwrap();
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn network(&self, name: &str, ipam: &Value, more: &Value) {
        let mut network = json!({"cniVersion": "1.1.0", "name": name, "type": "gingham", "ipam": ipam});
        network["ipam"]["dataDir"] = json!(self.path().join("leases"));
        network.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let file = self.path().join(format!("net.d/{name}.conf"));
        fs::write(file, network.to_string()).unwrap();
    }

    fn check(&self, network: &str, more: &[&str]) -> Said {
        let [config_dir, library] = ["net.d", "policies"].map(|name| self.path().join(name).display().to_string());
        let arguments = ["check-config", network, "--config-dir", &config_dir, "--library", &library];
        // Neither the runtimes nor the plugins of this machine.
        let mut command = Command::new(CTL);
        command
            .args(arguments.iter().chain(more))
            .env("PATH", self.path())
            .env("CNI_PATH", self.path().join("plugins"));
        Said::by(&mut command)
    }

    /// Without the place's own path.
    fn text(&self, network: &str) -> String {
        self.check(network, &[]).done().replace(&self.path().display().to_string(), "/PLACE")
    }
}

fn host_local(subnet: &str) -> Value {
    json!({"type": "host-local", "subnet": subnet})
}

#[test]
fn a_bridge_network_with_everything() {
    let place = Place::new();
    let ipam = json!({"type": "gingham", "policy": "host-local", "exclude": ["10.71.0.0/29"], "ranges": [
        [{"subnet": "10.71.0.0/24", "rangeEnd": "10.71.0.99"}, {"subnet": "10.72.0.0/24"}], [{"subnet": "fd00:71::/64"}]]});
    place.network("all-of-it", &ipam, &json!({"isGateway": true, "ipMasq": true}));
    place.network("beside-it", &host_local("10.72.0.0/16"), &json!({}));
    place.network("elsewhere", &host_local("10.99.0.0/16"), &json!({}));
    insta::assert_snapshot!(place.text("all-of-it"));
    assert!(!place.path().join("leases").exists(), "nothing is made");
}

#[test]
fn one_of_the_reference_is_explained_as_if_it_were_ours() {
    let place = Place::new();
    place.network("theirs", &host_local("10.71.0.0/30"), &json!({"type": "bridge", "isGateway": true}));
    insta::assert_snapshot!(place.text("theirs"));
}

#[test]
fn a_list_and_layer_2() {
    let place = Place::new();
    let plugins = json!([{"type": "gingham", "bridge": "l2"}, {"type": "tuning"}]);
    place.network("switch", &json!({}), &json!({"plugins": plugins}));
    insta::assert_snapshot!(place.text("switch"));
}

#[test]
fn json_says_the_same() {
    let place = Place::new();
    place.network("small", &host_local("10.71.0.0/29"), &json!({}));
    let said: Value = serde_json::from_str(&place.check("small", &["--json"]).done()).unwrap();
    assert_eq!(said["pools"][0]["addresses"], 5, "{said}");
    assert_eq!(said["first"], json!([["10.71.0.2"], ["10.71.0.3"], ["10.71.0.4"]]));
    assert_eq!((&said["policy"], &said["isGingham"]), (&json!("host-local"), &json!(true)));
}

#[test]
fn what_add_would_refuse_is_refused_in_the_same_words() {
    let place = Place::new();
    place.network("bad", &host_local("10.71.0.1/24"), &json!({}));
    let said = place.check("bad", &[]).failed();
    assert!(said.contains("bad.conf: policy host-local: ") && said.contains("host bits set"), "{said}");
    place.network("unknown", &json!({"type": "gingham", "policy": "no-such"}), &json!({}));
    assert!(place.check("unknown", &[]).failed().contains("unknown policy \"no-such\""));
    assert!(place.check("not-there", &[]).failed().contains("no network \"not-there\" in "));
}
