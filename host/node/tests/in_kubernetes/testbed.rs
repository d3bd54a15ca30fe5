//! What the tests stand on: an API server, and one node with an agent that has the rights it needs and no others.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use gingham_engine::facts::Facts;
use gingham_engine::store::Store;
use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::{ControlPlane, Kubectl};
use gingham_tests::cni::{Cni, Outcome};
use gingham_tests::ctl::ctl;
use gingham_tests::networks::{addresses_only_with, with};
use gingham_tests::node::{DATA, Node};
use rustix::mount::mount_bind;
use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};
use serde_json::{Value, json};

pub(crate) const NODE: &str = "node-1";

/// Longer than anything here takes, so that running into it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

const CREDENTIALS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
pub(crate) const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const CONFIG: &str = "/run/net.d";
/// Beside ginghamctl, as in the image. Every user may look there.
const AGENT: &str = "/run/gingham-node";
const LOG: &str = "/run/gingham-node.log";

/// What the agent has written so far.
pub(crate) fn facts() -> Facts {
    Store::open_read_only(Path::new(DATA)).unwrap().map(|store| store.facts().unwrap()).unwrap_or_default()
}

/// What all agents have logged so far.
pub(crate) fn log() -> String {
    fs::read_to_string(LOG).unwrap_or_default()
}

pub(crate) struct Testbed {
    pub(crate) node: Node,
    pub(crate) plane: ControlPlane,
}

impl Testbed {
    /// This thread moves onto the node. It has some of the repository's policies.
    pub(crate) fn new(policies: &[&str]) -> Self {
        let node = Node::new();
        fs::write(AGENT, "").unwrap();
        mount_bind(env!("CARGO_BIN_EXE_gingham-node"), AGENT).unwrap();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        for policy in policies {
            let built = gingham_build::build_policy(&workspace.join("policies").join(policy)).unwrap();
            let file = format!("/run/{policy}.wasm");
            fs::write(&file, built.bytes).unwrap();
            ctl(&["policy", "add", &file]).done();
        }
        let testbed = Self { node, plane: ControlPlane::start() };
        testbed.create(&json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": {"topology.kubernetes.io/zone": "b"}},
        }));
        testbed.namespace("shop", &json!({"team": "blue"}));
        testbed.give_rights();
        testbed
    }

    /// With Gingham's kinds, and nodes that are members of a network. What they report is all that policies need of them.
    pub(crate) fn with_members(self, nodes: &[&str]) -> Self {
        let crds =
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("deploy/kubernetes/base/crds");
        self.kubectl().run(&["apply", "--validate=false", "--filename", crds.to_str().unwrap()]).stdout();
        self.kubectl().run(&["wait", "--for=condition=Established", "crd", "--all"]).stdout();
        for node in nodes {
            if *node != NODE {
                self.create(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}));
            }
            let spec = json!({
                "network": "pods", "node": node, "machine": "m", "disk": "d", "boot": "b", "incarnation": 1,
                "membership": "member", "nonce": "0123456789abcdef",
            });
            let metadata = json!({"name": format!("pods.{node}")});
            self.create(&json!({
                "apiVersion": "gingham.dev/v1alpha1", "kind": "NetworkMember", "metadata": metadata, "spec": spec,
            }));
        }
        self
    }

    pub(crate) fn kubectl(&self) -> &Kubectl {
        self.plane.kubectl()
    }

    /// What the agent may do where people apply the manifests.
    fn give_rights(&self) {
        self.namespace("gingham-system", &json!({}));
        self.kubectl().apply(include_str!("../../../../deploy/kubernetes/base/rbac.yaml"));
        fs::create_dir_all(CREDENTIALS).unwrap();
        let token = self.kubectl().service_account_token("gingham-system", "gingham-node", 3600);
        fs::write(TOKEN, token).unwrap();
        fs::copy(self.plane.authority(), format!("{CREDENTIALS}/ca.crt")).unwrap();
    }

    pub(crate) fn create(&self, object: &Value) {
        self.kubectl().with_file(&["create"], &object.to_string()).stdout();
    }

    /// `kubectl patch` has no subresources yet.
    pub(crate) fn patch_status(&self, kind: &str, name: &str, patch: &Value) {
        let path = format!("/apis/gingham.dev/v1alpha1/{kind}/{name}");
        let object: Value = self.kubectl().run(&["get", "--raw", &path]).json();
        let object = with(object, patch.clone());
        self.kubectl().with_file(&["replace", "--raw", &format!("{path}/status")], &object.to_string()).stdout();
    }

    /// With the account that a controller would make.
    pub(crate) fn namespace(&self, name: &str, labels: &Value) {
        self.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}));
        let account = json!({"name": "default", "namespace": name});
        self.create(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}));
    }

    /// A pod that is bound to the node. Its controller is an object that need not exist.
    pub(crate) fn pod(&self, name: &str, owner: &str) {
        let reference = json!({
            "apiVersion": "apps/v1", "kind": owner, "name": "web", "uid": "3f0c8f3e-0000-4000-8000-000000000001",
            "controller": true,
        });
        self.create(&json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web"}, "annotations": {"note": "of-the-pod"},
                "ownerReferences": [reference]},
            "spec": {"nodeName": NODE, "automountServiceAccountToken": false, "containers": [{"name": "c", "image": "none"}]},
        }));
    }

    /// A network of the node, for agent and plugin alike. It keeps its history.
    #[expect(clippy::unused_self, reason = "the node is that of this thread")]
    pub(crate) fn network(&self, policy: &str, config: &Value) -> Value {
        let mut ipam = json!({"type": "gingham", "policy": policy, "subnet": null, "record": true});
        ipam.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        let network = addresses_only_with(json!({"name": policy, "ipam": ipam}));
        fs::create_dir_all(CONFIG).unwrap();
        fs::write(format!("{CONFIG}/{policy}.conf"), network.to_string()).unwrap();
        network
    }

    /// ADD, as the kubelet has a runtime call it.
    pub(crate) fn add(&self, network: &Value, pod: &str, container: &str) -> Outcome {
        let object = self.kubectl().get(&["pod", pod, "--namespace=shop"]);
        let uid = object["metadata"]["uid"].as_str().unwrap();
        let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={pod};K8S_POD_UID={uid}");
        Cni::add(network, &self.node.container(container)).args(&args).run()
    }

    pub(crate) fn agent(&self) -> Agent {
        self.agent_with(&[])
    }

    pub(crate) fn agent_with(&self, arguments: &[&str]) -> Agent {
        self.agent_of(NODE, (DATA, CONFIG), arguments)
    }

    /// Where the second agent keeps what it has.
    #[expect(clippy::unused_self, reason = "of this testbed's node")]
    pub(crate) fn second(&self) -> &'static str {
        "/run/second"
    }

    /// An agent of another node, which shares the machine and nothing else.
    pub(crate) fn second_agent(&self) -> Agent {
        self.agent_of("node-2", (self.second(), "/run/second.d"), &[])
    }

    fn agent_of(&self, node: &str, (data, config): (&str, &str), arguments: &[&str]) -> Agent {
        let address = self.plane.api_server.address();
        fs::create_dir_all(config).unwrap();
        let log = File::options().create(true).append(true).open(LOG).unwrap();
        let library = format!("{data}/policies");
        let mut command = Command::new(AGENT);
        command
            .args(["--listen", "none", "--data-dir", data, "--config-dir", config, "--library", &library])
            .arg("--registry-plain-http")
            .args(arguments)
            .env("KUBERNETES_SERVICE_HOST", address.ip().to_string())
            .env("KUBERNETES_SERVICE_PORT", address.port().to_string())
            .env("GINGHAM_NODE_NAME", node)
            .env("GINGHAM_LOG", "debug")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Agent(as_deployed(&mut command))
    }

    #[track_caller]
    #[expect(clippy::unused_self, reason = "a test waits for something on its node")]
    pub(crate) fn until<T>(&self, what: &str, ask: impl FnMut() -> Result<T, String>) -> T {
        until(what, PATIENCE, ask)
    }
}

impl Drop for Testbed {
    #[expect(clippy::disallowed_macros, reason = "for who reads why a test failed")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the agent's log:\n{}", fs::read_to_string(LOG).unwrap_or_default());
        }
    }
}

/// Starts a program with the capabilities that the manifest gives the agent's container, and no way to more.
fn as_deployed(program: &mut Command) -> Child {
    let manifest = include_str!("../../../../deploy/kubernetes/base/daemonset.yaml");
    let (_, added) = manifest.split_once("add: [").unwrap();
    let names: Vec<&str> = added.split_once(']').unwrap().0.split(", ").collect();
    let given: CapabilitySet = names.iter().map(|name| CapabilitySet::from_name(name).unwrap()).collect();
    let start = || {
        for (_, capability) in CapabilitySet::all().difference(given).iter_names() {
            remove_capability_from_bounding_set(capability).unwrap();
        }
        let sets = CapabilitySets { effective: given, permitted: given, inheritable: given };
        set_capabilities(None, sets).unwrap();
        set_no_new_privs(true).unwrap();
        program.spawn().unwrap()
    };
    // A process has what the thread has that starts it.
    thread::scope(|scope| scope.spawn(start).join().unwrap())
}

/// Ends with the value, as if it were killed.
pub(crate) struct Agent(Child);

impl Agent {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
