//! What runs on a node, and how it is called.

use std::fs;
use std::path::Path;

use super::Node;
use crate::{image, programs};

pub const CONTAINERD: &str = "containerd";
pub const KUBELET: &str = "kubelet";
pub const KUBE_PROXY: &str = "kube-proxy";
/// The node agent, where it is no pod.
pub const AGENT: &str = "gingham-node";

const SOCKET: &str = "/run/containerd/containerd.sock";

/// Not every machine that runs these tests lets a container's score for the time when memory runs out be changed.
const CONTAINERD_CONFIGURATION: &str = r#"
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[plugins."io.containerd.internal.v1.opt"]
path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "IMAGE"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/opt/cni/bin"
conf_dir = "/etc/cni/net.d"
"#;

/// The program of a daemon and its arguments.
pub(super) fn command_line(node: &Node, name: &str) -> Vec<String> {
    match name {
        CONTAINERD => containerd(&node.directory),
        KUBELET => kubelet(node),
        KUBE_PROXY => kube_proxy(node),
        AGENT => agent(node),
        other => panic!("no daemon is called {other}"),
    }
}

fn containerd(directory: &Path) -> Vec<String> {
    let configuration = directory.join("containerd.toml");
    fs::write(&configuration, CONTAINERD_CONFIGURATION.replace("IMAGE", image::BUSYBOX)).unwrap();
    vec!["/usr/bin/containerd".to_owned(), "--config".to_owned(), configuration.display().to_string()]
}

fn kubelet(node: &Node) -> Vec<String> {
    let endpoint = format!("unix://{SOCKET}");
    let mut line = vec![programs::path("kubelet").display().to_string()];
    line.extend(options(&[
        ("kubeconfig", &node.kubelet.kubeconfig().display().to_string()),
        ("container-runtime", "remote"),
        ("container-runtime-endpoint", &endpoint),
        ("hostname-override", &node.name),
        ("node-ip", &node.address.to_string()),
        ("cgroup-driver", "cgroupfs"),
        ("cgroup-root", &format!("/{}", node.cgroup)),
        ("fail-swap-on", "false"),
        ("resolv-conf", "/etc/resolv.conf"),
        ("cluster-dns", "10.96.0.10"),
        ("authorization-mode", "AlwaysAllow"),
        // The machine's disk is none of the node's business.
        ("eviction-hard", ""),
        ("image-gc-high-threshold", "100"),
        ("max-pods", "250"),
        ("cert-dir", "/var/lib/kubelet/pki"),
        ("volume-plugin-dir", "/var/lib/kubelet/volume-plugins"),
        ("sync-frequency", "10s"),
        ("kube-api-qps", "50"),
        ("kube-api-burst", "100"),
        ("registry-qps", "0"),
        ("event-qps", "50"),
        ("node-status-update-frequency", "5s"),
        ("v", "2"),
    ]));
    line
}

fn kube_proxy(node: &Node) -> Vec<String> {
    let mut line = vec![programs::path("kube-proxy").display().to_string()];
    line.extend(options(&[
        ("kubeconfig", &node.proxy.kubeconfig().display().to_string()),
        ("hostname-override", &node.name),
        ("proxy-mode", "iptables"),
        ("cluster-cidr", "10.0.0.0/8"),
        // Connection tracking is the machine's.
        ("conntrack-max-per-core", "0"),
        ("conntrack-tcp-timeout-established", "0"),
        ("conntrack-tcp-timeout-close-wait", "0"),
        ("bind-address", &node.address.to_string()),
        ("metrics-bind-address", "127.0.0.1:10249"),
    ]));
    line
}

fn agent(node: &Node) -> Vec<String> {
    let mut line = vec![node.program("gingham-node").display().to_string()];
    // 30 s elsewhere: tests wait for takeovers, which last a multiple of it.
    line.extend(options(&[("node-name", &node.name), ("grace-period", "5")]));
    line.extend(node.site.account.arguments());
    line
}

fn options(options: &[(&str, &str)]) -> Vec<String> {
    options.iter().map(|(name, value)| format!("--{name}={value}")).collect()
}
