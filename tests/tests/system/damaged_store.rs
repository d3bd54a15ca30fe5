//! A damaged lease store stops a node only until it is rebuilt, and after a reboot not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only, bridged, bridged_with, with};
use gingham_tests::node::{Container, DATA, Node};
use serde_json::{Value, json};

/// Another boot for each node of a thread: a mount over the kernel's file is there for the next one, too.
fn boot(number: usize) -> String {
    format!("11111111-2222-4333-8444-{number:012}")
}

const CONFIG: &str = "/run/net.d";
const RESULTS: &str = "/var/lib/cni/results";

fn store() -> PathBuf {
    Path::new(DATA).join("leases.mdb")
}

fn kept() -> Vec<PathBuf> {
    let entries = fs::read_dir(DATA).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("leases.mdb.damaged-")).collect()
}

/// A program that runs in a container's namespaces.
struct Program(Child);

impl Program {
    fn in_container(container: &Container) -> Self {
        Self(container.inside(|| Command::new("sleep").arg("1000").spawn().unwrap()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What libcni keeps of an ADD.
fn cache(network: &Value, container: &Container, result: &Value) {
    fs::create_dir_all(RESULTS).unwrap();
    let name = network["name"].as_str().unwrap();
    let entry = json!({
        "kind": "cniCacheV1", "containerId": container.id, "config": base64(&network.to_string()), "ifName": "eth0",
        "networkName": name, "netns": container.netns, "result": result,
        "cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", "red"], ["K8S_POD_NAME", container.id]],
    });
    fs::write(format!("{RESULTS}/{name}-{}-eth0", container.id), entry.to_string()).unwrap();
}

fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let encode = |chunk: &[u8]| {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        let digit = |at: usize| char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]);
        (0..4).map(|at| if at > chunk.len() { '=' } else { digit(at) }).collect::<String>()
    };
    text.as_bytes().chunks(3).map(encode).collect()
}

fn configured(networks: &[&Value]) {
    fs::create_dir_all(CONFIG).unwrap();
    for network in networks {
        fs::write(format!("{CONFIG}/{}.conf", network["name"].as_str().unwrap()), network.to_string()).unwrap();
    }
}

fn recover(more: &[&str]) -> gingham_tests::ctl::Said {
    ctl(&[&["recover", "--config-dir", CONFIG], more].concat())
}

#[test]
fn after_a_reboot_the_node_serves_again_by_itself_and_says_so() {
    for (number, network) in [bridged(), addresses_only()].into_iter().enumerate() {
        let node = Node::new();
        Cni::add(&network, &node.container("before")).run().result();
        node.pretend_reboot(&boot(number));
        fs::write(store(), "").unwrap();
        let outcome = Cni::add(&network, &node.container("after")).run();
        assert_eq!(address(&outcome.result()), "10.7.0.2");
        assert!(outcome.stderr.contains("leases.mdb of an earlier boot is damaged: it is empty"), "{}", outcome.stderr);
        assert_eq!(kept().len(), 1);
        assert!(outcome.stderr.contains(kept()[0].to_str().unwrap()), "{}", outcome.stderr);
    }
}

#[test]
fn after_a_reboot_any_verb_may_come_first() {
    let network = bridged();
    let verbs: [fn(&Value, &Container) -> Cni; 4] = [
        |network, before| Cni::del(network, before).without_netns(),
        |network, _| Cni::gc(network, &[]),
        |network, _| Cni::status(network),
        |network, before| Cni::del(network, before),
    ];
    for (number, verb) in verbs.into_iter().enumerate() {
        let node = Node::new();
        let before = node.container("before");
        Cni::add(&network, &before).run().result();
        node.pretend_reboot(&boot(number));
        fs::write(store(), [0; 8192]).unwrap();
        verb(&network, &before).run().succeeds();
        Cni::add(&network, &node.container("after")).run().result();
    }
}

#[test]
fn within_the_boot_del_succeeds_and_the_other_verbs_name_the_way_out() {
    let network = bridged_with(json!({"ipMasq": true, "macspoofchk": true}));
    let node = Node::new();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    let result = Cni::add(&network, &c1).run().result();
    let host_end = result["interfaces"][1]["name"].as_str().unwrap().to_owned();
    fs::write(store(), "").unwrap();
    for (verb, code) in [
        (Cni::add(&network, &c2), 5),
        (Cni::check(&network, &c1, &result), 5),
        (Cni::gc(&network, &[]), 5),
        (Cni::status(&network), 50),
    ] {
        let fault = verb.run().fault();
        assert_eq!(fault.code, code, "{fault:?}");
        assert!(fault.msg.contains("leases.mdb is damaged") && fault.msg.contains("ginghamctl recover"), "{fault:?}");
    }
    assert!(kernel::link(&host_end).is_some(), "GC took nothing away");
    let outcome = Cni::del(&network, &c1).run();
    outcome.succeeds();
    assert!(outcome.stderr.contains("the lease of container c1 (eth0) is not freed"), "{}", outcome.stderr);
    assert!(kernel::link(&host_end).is_none(), "the link is gone");
    assert_eq!(kernel::guarded("mynet"), [""; 0], "and so is the guard");
    Cni::del(&network, &c1).run().succeeds();
    assert_eq!(fs::metadata(store()).unwrap().len(), 0, "the damaged store is as it was");
    // A network whose policy is gone meanwhile.
    let removed = bridged_with(json!({"ipam": {"type": "no-longer-there"}}));
    Cni::del(&removed, &c1).run().succeeds();
}

#[test]
fn leases_are_rebuilt_from_running_containers() {
    let network = bridged_with(json!({"ipMasq": true}));
    let other = bridged_with(json!({"name": "other", "bridge": "cni1"}));
    let node = Node::new();
    configured(&[&network, &other]);
    let names = ["cached", "by-link", "dead", "leaves", "in-other"];
    let [cached, by_link, dead, leaves, in_other] = names.map(|name| node.container(name));
    let _programs = [&cached, &by_link].map(Program::in_container);
    let result = Cni::add(&network, &cached).run().result();
    cache(&network, &cached, &result);
    let uncached = Cni::add(&network, &by_link).run().result();
    cache(&network, &dead, &Cni::add(&network, &dead).run().result());
    Cni::add(&network, &leaves).run().result();
    Cni::add(&other, &in_other).run().result();
    fs::write(store(), vec![0; 20_000]).unwrap();
    Cni::del(&network, &leaves).run().succeeds();
    dead.vanish();
    // Two bridges, and the links of those that are left.
    while kernel::links().len() > 2 + 3 {
        std::thread::yield_now();
    }
    let refused = recover(&[]).failed();
    assert!(refused.contains("nothing was changed") && refused.contains("--yes"), "{refused}");
    assert_eq!(fs::read(store()).unwrap(), vec![0; 20_000]);
    let said = recover(&["--yes"]).done();
    for part in ["found 3 attachments", "red/cached", "wrote a new lease store with 3 attachments", "damaged-"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(kernel::leases("mynet"), ["by-link eth0 10.7.0.3", "cached eth0 10.7.0.2"]);
    assert_eq!(kernel::leases("other"), ["in-other eth0 10.7.0.2"]);
    assert_eq!(fs::read(&kept()[0]).unwrap(), vec![0; 20_000]);
    Cni::check(&network, &cached, &result).run().succeeds();
    Cni::check(&network, &by_link, &uncached).run().succeeds();
    ctl(&["gc"]).done();
    for address in ["10.7.0.2", "10.7.0.3"] {
        assert!(kernel::masqueraded("mynet").iter().any(|one| one.contains(address)), "{address} is masqueraded");
    }
    let new = Cni::add(&network, &node.container("new")).run().result();
    assert!(!["10.7.0.2", "10.7.0.3"].contains(&address(&new).as_str()), "{new}");
    Cni::del(&network, &by_link).run().succeeds();
    assert!(!kernel::leases("mynet").iter().any(|lease| lease.contains("by-link")));
    assert!(recover(&["--yes"]).done().contains("is sound; nothing was changed"));
}

#[test]
fn a_member_of_a_fixed_list_serves_again_from_its_own_share() {
    let member = |members: &[&str]| {
        let cluster = json!({"store": "local", "members": members, "node": "b"});
        let range = json!({"subnet": null, "policy": "weave-split", "range": "10.40.0.0/22", "blockSize": 26});
        let network = with(bridged_with(json!({"ipMasq": true})), json!({"ipam": range}));
        with(network, json!({"ipam": {"cluster": cluster}}))
    };
    let network = member(&["a", "b"]);
    let node = Node::new();
    configured(&[&network]);
    let [gone, stays, also] = ["gone", "stays", "also"].map(|name| node.container(name));
    let _programs = [&stays, &also].map(Program::in_container);
    let given = [&gone, &stays, &also].map(|container| address(&Cni::add(&network, container).run().result()));
    assert_eq!(given, ["10.40.2.1", "10.40.2.2", "10.40.2.3"]);
    fs::write(store(), "").unwrap();
    Cni::del(&network, &gone).run().succeeds();
    recover(&["--yes"]).done();
    // In this list the node's share is another one: there the containers' addresses are a neighbour's.
    configured(&[&member(&["a", "b", "c", "d"])]);
    let fault = Cni::add(&member(&["a", "b", "c", "d"]), &node.container("moved")).run().fault();
    assert!(fault.code == 7 && fault.msg.contains("10.40.2.2"), "{fault:?}");
    let result = Cni::add(&network, &node.container("new")).run().result();
    assert_eq!((address(&result).as_str(), &result["ips"][0]["gateway"]), ("10.40.2.1", &json!("10.40.2.0")));
    assert_eq!(kernel::addresses("cni0"), ["10.40.2.0/22"]);
    let leases = ["also eth0 10.40.2.3", "new eth0 10.40.2.1", "node/b cni0 10.40.2.0", "stays eth0 10.40.2.2"];
    assert_eq!(kernel::leases("mynet"), leases);
}

#[test]
fn a_container_that_only_a_process_holds_is_found() {
    let node = Node::new();
    configured(&[&bridged()]);
    let c1 = node.container("c1");
    let program = Program::in_container(&c1);
    let netns = format!("/proc/{}/ns/net", program.0.id());
    Cni::add(&bridged(), &c1).netns(&netns).run().result();
    c1.vanish();
    fs::remove_file(store()).unwrap();
    recover(&["--yes"]).done();
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2"]);
}

#[test]
fn addresses_of_another_main_plugins_containers_come_from_cached_results() {
    let network = addresses_only();
    // As the runtime has it: Gingham is the IPAM plugin there.
    let configuration = addresses_only();
    let node = Node::new();
    configured(&[&configuration]);
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    for container in [&c1, &c2] {
        cache(&with_gingham(&network), container, &Cni::add(&network, container).run().result());
    }
    c2.vanish();
    fs::write(store(), "").unwrap();
    let said = recover(&["--yes"]).done();
    assert!(said.contains("found 1 attachment\n") && said.contains("not recorded: 1 attachment\n"), "{said}");
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2"]);
}

fn with_gingham(network: &Value) -> Value {
    let mut network = network.clone();
    network["ipam"]["type"] = json!("gingham");
    network["ipam"]["policy"] = json!("host-local");
    network
}

#[test]
fn one_address_with_two_holders_is_shown_and_not_guessed() {
    let network = bridged();
    let node = Node::new();
    configured(&[&network]);
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    let results = [&c1, &c2].map(|container| Cni::add(&network, container).run().result());
    cache(&network, &c1, &results[0]);
    cache(&network, &c2, &results[0]);
    fs::write(store(), "").unwrap();
    let error = recover(&["--yes"]).failed();
    assert!(error.contains("1 of the containers found cannot be recorded for certain"), "{error}");
    assert_eq!(fs::metadata(store()).unwrap().len(), 0);
    assert!(kept().is_empty());
    Cni::add(&network, &node.container("c3")).run().fault();
    fs::remove_file(format!("{RESULTS}/mynet-c2-eth0")).unwrap();
    recover(&["--yes"]).done();
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2", "c2 eth0 10.7.0.3"]);
}

#[test]
fn a_damaged_name_of_a_policy_hides_no_other() {
    let node = Node::new();
    gingham_tests::guests::guest("honest").install();
    let names = Path::new(DATA).join("policies/names");
    fs::write(names.join("torn.json"), "").unwrap();
    let listed = ctl(&["policy", "list"]).done();
    assert!(listed.contains("honest") && listed.contains("host-local"), "{listed}");
    ctl(&["policy", "recompile"]).done();
    let network = bridged_with(json!({"ipam": {"type": "honest", "subnet": null}}));
    Cni::add(&network, &node.container("c1")).run().result();
    ctl(&["policy", "remove", "torn"]).done();
    assert!(!names.join("torn.json").exists());
}

#[test]
fn what_is_in_the_place_of_a_lock_is_no_obstacle() {
    let node = Node::new();
    let network = bridged_with(json!({"ipMasq": true}));
    Cni::add(&network, &node.container("c1")).run().result();
    for name in ["attaching.lock", "nat.lock"] {
        let _ = fs::remove_file(Path::new(DATA).join(name));
        fs::create_dir(Path::new(DATA).join(name)).unwrap();
    }
    let c2 = node.container("c2");
    Cni::add(&network, &c2).run().result();
    Cni::del(&network, &c2).run().succeeds();
    Cni::gc(&network, &[]).run().succeeds();
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}
