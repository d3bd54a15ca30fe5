//! The service account of the node agents, as the manifests of the project make it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::control_plane::ControlPlane;
use crate::kubectl::Kubectl;

/// As the audit log names it.
pub const USER: &str = "system:serviceaccount:gingham-system:gingham-node";

/// Everything of the manifests that agents need before they start, in an order that can be applied.
const MANIFESTS: [&str; 6] = [
    include_str!("../../../deploy/kubernetes/base/namespace.yaml"),
    include_str!("../../../deploy/kubernetes/base/crds/addressnetworks.yaml"),
    include_str!("../../../deploy/kubernetes/base/crds/networkmembers.yaml"),
    include_str!("../../../deploy/kubernetes/base/crds/addressblocks.yaml"),
    include_str!("../../../deploy/kubernetes/base/crds/allocationpolicies.yaml"),
    include_str!("../../../deploy/kubernetes/base/rbac.yaml"),
];

/// Longer than all tests together.
const TOKEN_SECONDS: u32 = 36_000;

/// How an agent that is no pod reaches the API server.
#[derive(Debug, Clone)]
pub(crate) struct AgentAccount {
    server: String,
    authority: PathBuf,
    token: PathBuf,
}

impl AgentAccount {
    /// The token is to be a file in `directory`.
    pub(crate) fn of(plane: &ControlPlane, directory: &Path) -> Self {
        Self { server: plane.url(), authority: plane.authority().to_owned(), token: directory.join("agent.token") }
    }

    /// Applies the manifests and writes the token.
    pub(crate) fn create(&self, kubectl: &Kubectl) {
        for manifest in MANIFESTS {
            // kubectl 1.20 knows fewer fields of a CustomResourceDefinition than the API server takes.
            kubectl.with_file(&["apply", "--validate=false"], manifest).stdout();
        }
        let token = kubectl.service_account_token("gingham-system", "gingham-node", TOKEN_SECONDS);
        fs::write(&self.token, token).unwrap();
    }

    pub(crate) fn token(&self) -> &Path {
        &self.token
    }

    pub(crate) fn arguments(&self) -> Vec<String> {
        vec![
            format!("--kube-server={}", self.server),
            format!("--kube-ca={}", self.authority.display()),
            format!("--kube-token={}", self.token.display()),
        ]
    }
}
