//! `try` shows the whole way of an address, touches nothing of the machine, and notices whatever does not hold. To show
//! the last, wrappers around the plugin do one thing wrong each.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use gingham_builtin::BUILT_IN;
use gingham_net::link;
use gingham_net::netlink::{Route, Socket};
use tempfile::TempDir;

use crate::program::{CTL, Said, ctl, plugin, scrubbed};

fn try_with(arguments: &[&str]) -> Said {
    let plugin = plugin().to_str().unwrap();
    ctl(["try", "--plugin", plugin].iter().chain(arguments))
}

/// A place for files.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Tries a configuration.
    fn try_config(&self, text: &str) -> Said {
        try_with(&[self.write("net.conf", text).to_str().unwrap()])
    }

    /// Tries the built-in configuration with a script for a plugin. `plugin` stands for the real one there.
    fn try_script(&self, script: &str) -> Said {
        let real = plugin().display();
        let text = format!("#!/bin/bash\nplugin() {{ (exec -a \"$0\" {real}) }}\n{script}\n");
        let path = self.write("script", &text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        ctl(["try", "--plugin", path.to_str().unwrap()])
    }
}

/// The names of this namespace's interfaces, and all mounts.
fn machine() -> (Vec<String>, String) {
    let links = link::list(&mut Socket::<Route>::open().unwrap(), None).unwrap();
    (links.into_iter().map(|link| link.name).collect(), fs::read_to_string("/proc/self/mountinfo").unwrap())
}

#[test]
fn the_story() {
    let before = machine();
    let said = try_with(&[]).done();
    insta::assert_snapshot!(scrubbed(&said));
    assert!(said.lines().count() <= 35);
    assert_eq!(machine(), before);
    assert!(!Path::new("/run/netns/try-1").exists());
}

#[test]
fn a_program_that_writes_without_end_is_stopped() {
    let error = ctl(["try", "--plugin", "/usr/bin/yes"]).failed();
    assert!(error.contains("ADD of container try-1: the plugin wrote more than 1 MiB and was stopped"), "{error}");
}

#[test]
fn both_families_of_a_list() {
    let files = Files::new();
    let list = r#"{"cniVersion":"1.1.0","name":"dual","plugins":[{"type":"bridge","bridge":"dual0","isGateway":true,"ipMasq":true,
        "ipam":{"type":"host-local","dataDir":"/srv/leases","ranges":[[{"subnet":"10.9.0.0/24"}],[{"subnet":"fd00:9::/64"}]]}},
        {"type":"portmap"}]}"#;
    let said = files.try_config(list).done();
    for part in [
        "without portmap",
        "private /var/lib/gingham instead of /srv/leases",
        "10.9.0.2 answered in",
        "fd00:9::3 answered in",
        "fd00:9::1 answered in",
        "fd00:9::3 send to other networks leaves with the node's address",
        "bridge dual0 stays",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert!(!said.contains("called with CNI"), "1.1.0 has CHECK: {said}");
}

#[test]
fn an_installed_policy_that_looks_at_pods() {
    let files = Files::new();
    let library = files.0.path().join("library");
    let file = files.0.path().join("mine.wasm");
    fs::write(&file, BUILT_IN[0].component()).unwrap();
    let library = library.to_str().unwrap();
    ctl(["--library", library, "policy", "add", file.to_str().unwrap()]).done();
    let config = r#"{"cniVersion":"1.0.0","name":"n","type":"gingham","ipam":{"type":"gingham","policy":"mine","subnet":"10.7.0.0/24"}}"#;
    let config = files.write("net.conf", config);
    let said = try_with(&["--library", library, config.to_str().unwrap(), "--pod-namespace", "red"]).done();
    let digest = &BUILT_IN[0].digest[..19];
    assert!(said.contains(&format!("policy   mine {digest} (installed)")), "{said}");
    assert!(said.contains("red/try-1") && said.contains("10.7.0.3 answered"), "{said}");
    assert!(said.contains("without isGateway"), "{said}");
}

/// Without the options, what Kubernetes knows of the pods is unknown, and such a policy refuses.
#[test]
fn a_policy_that_looks_at_annotations() {
    let files = Files::new();
    let (library, file) = (files.0.path().join("library"), files.0.path().join("by-annotation.wasm"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/by-annotation");
    fs::write(&file, gingham_build::build_policy(&source).unwrap().bytes).unwrap();
    let library = library.to_str().unwrap();
    ctl(["--library", library, "policy", "add", file.to_str().unwrap()]).done();
    let config = r#"{"cniVersion":"1.0.0","name":"n","type":"gingham","ipam":{"type":"gingham","policy":"by-annotation",
        "subnet":"10.7.0.0/24","static":"10.7.0.16/28"}}"#;
    let config = files.write("net.conf", config);
    let arguments = ["--library", library, config.to_str().unwrap()];
    let unknown = try_with(&arguments).failed();
    assert!(unknown.contains("annotations are unknown"), "{unknown}");
    let known = try_with(&[&arguments[..], &["--label", "app=web", "--annotation", "team=red"]].concat()).done();
    assert!(known.contains("10.7.0.3 answered"), "{known}");
    let named =
        try_with(&[&arguments[..], &["--pod", "red/web-0", "--label", "app=web", "--annotation", "team=red"]].concat());
    let named = named.done();
    assert!(named.contains("red/web-0") && named.contains("red/try-2"), "{named}");
}

#[test]
fn networks_without_addresses_and_with_isolation() {
    let files = Files::new();
    let said = files.try_config(r#"{"cniVersion":"0.4.0","name":"l2","type":"bridge"}"#).done();
    assert!(said.contains("layer 2 only") && said.contains("with no address"), "{said}");
    let isolated = r#"{"cniVersion":"0.4.0","name":"apart","type":"bridge","isGateway":true,"portIsolation":true,
        "ipam":{"type":"host-local","subnet":"10.7.0.0/24"}}"#;
    let said = files.try_config(isolated).done();
    assert!(said.contains("no answer, because of portIsolation") && said.contains("10.7.0.1 answered"), "{said}");
}

#[test]
fn the_plugins_error_is_shown() {
    let files = Files::new();
    let said =
        files.try_config(r#"{"cniVersion":"1.0.0","name":"n","type":"b","ipam":{"type":"host-local","subnet":"x"}}"#);
    let said = said.failed();
    assert!(said.contains("ADD of container try-1 failed") && said.contains("\"code\": 7"), "{said}");
    assert!(said.contains("ipam.subnet"), "{said}");
}

#[test]
fn an_address_that_nobody_recorded() {
    let said = Files::new().try_script("plugin | sed 's/10.244.0.3/10.244.0.9/'").failed();
    assert!(said.contains("ADD returned 10.244.0.9/16 for container try-2, but the store has no such lease"), "{said}");
}

#[test]
fn a_network_that_is_not_masqueraded() {
    let said = Files::new().try_script("sed 's/\"ipMasq\":true/\"ipMasq\":false/' | plugin").failed();
    assert!(said.contains("is not masqueraded after ADD"), "{said}");
}

#[test]
fn containers_that_do_not_reach_each_other() {
    let said = Files::new().try_script("sed 's/^{/{\"portIsolation\":true,/' | plugin").failed();
    assert!(said.contains("container try-1 does not reach try-2 at 10.244.0.3: no answer came"), "{said}");
}

#[test]
fn a_check_that_fails() {
    let script = "[ $CNI_COMMAND = CHECK ] && { echo '{\"code\":100,\"msg\":\"crooked\"}'; exit 1; }\nplugin";
    let said = Files::new().try_script(script).failed();
    assert!(said.contains("CHECK of container try-1 failed") && said.contains("crooked"), "{said}");
}

#[test]
fn a_del_that_does_nothing() {
    let said = Files::new().try_script("[ $CNI_COMMAND = DEL ] && exit 0\nplugin").failed();
    assert!(said.contains("DEL left behind the lease of container try-1"), "{said}");
}

#[test]
fn a_del_that_leaves_the_masquerade() {
    if !skipped_tests::has("/usr/sbin/nft", "nftables") {
        return;
    }
    let script =
        "[ $CNI_COMMAND = DEL ] && { saved=$(nft list ruleset); plugin; echo \"$saved\" | nft -f -; exit; }\nplugin";
    let said = Files::new().try_script(script).failed();
    assert!(said.contains("DEL left behind the masquerade"), "{said}");
}

#[test]
fn a_plugin_that_crashes_or_talks_nonsense() {
    let files = Files::new();
    assert!(files.try_script("kill -SEGV $$").failed().contains("signal: 11"));
    assert!(files.try_script("echo hello").failed().contains("not a JSON object"));
    assert!(ctl(["try", "--plugin", "/nowhere/gingham"]).failed().contains("--plugin"));
    assert!(ctl(["try", "--plugin", "/run"]).failed().contains("not a regular file"));
}

#[test]
fn a_log_line_of_the_plugin_is_shown() {
    let said = Files::new().try_script("echo 'gingham: warning: it rains' >&2\nplugin").done();
    assert_eq!(said.matches("log      gingham: warning: it rains\n").count(), 6, "{said}");
}

#[test]
fn an_ordinary_user_can_try() {
    let mut command = Command::new("unshare");
    command.args(["--map-user=1000", "--map-group=1000", CTL, "try", "--plugin"]).arg(plugin());
    let said = Said::by(&mut command).done();
    assert!(said.contains("\nsuccess "), "{said}");
}

#[test]
fn where_namespaces_are_forbidden_it_is_said_what_to_do() {
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces && \
         exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin {CTL} try --plugin {}",
        plugin().display()
    );
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "sh", "-c", &script]);
    let said = Said::by(&mut command).failed();
    assert!(said.contains("sudo sysctl user.max_user_namespaces=15000"), "{said}");
    assert!(said.contains("run it as root"), "{said}");
}

/// Root may lack user namespaces and still have the others.
#[test]
fn root_can_do_without_a_user_namespace() {
    let script =
        format!("echo 0 > /proc/sys/user/max_user_namespaces && exec {CTL} try --plugin {}", plugin().display());
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--mount", "sh", "-c", &script]);
    let said = Said::by(&mut command).done();
    assert!(said.contains("sandbox  new network and mount namespaces"), "{said}");
}

/// On many systems /etc/resolv.conf is a link into /run.
#[test]
fn a_file_of_name_servers_in_run_is_not_lost() {
    let files = Files::new();
    let config = r#"{"cniVersion":"1.0.0","name":"n","type":"b",
        "ipam":{"type":"host-local","subnet":"10.7.0.0/24","resolvConf":"/run/stub/resolv.conf"}}"#;
    let config = files.write("net.conf", config);
    let script = format!(
        "mount -t tmpfs none /run && mkdir /run/stub && echo nameserver 192.0.2.53 > /run/stub/resolv.conf && \
         exec {CTL} try {} --plugin {}",
        config.display(),
        plugin().display()
    );
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]);
    let said = Said::by(&mut command).done();
    assert!(said.contains("\"nameservers\": [") && said.contains("\"192.0.2.53\""), "{said}");
}
