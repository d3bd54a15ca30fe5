//! Who speaks to the API server: each user has a token, and a kubeconfig with it.

use std::fs;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::json;

/// A user of the API server's file of tokens.
#[derive(Debug, Clone)]
pub struct User {
    /// As RBAC and the audit log know it.
    pub name: String,
    pub groups: String,
    pub token: String,
}

/// May do everything.
pub const ADMIN: &str = "admin";

/// The users of a cluster with nodes `node-1` to `node-9`.
pub(crate) fn all() -> Vec<User> {
    let mut users = vec![
        user(ADMIN, "system:masters"),
        user("system:kube-controller-manager", ""),
        user("system:kube-scheduler", ""),
        user("system:kube-proxy", ""),
    ];
    users.extend((1..=9).map(|number| user(&format!("system:node:node-{number}"), "system:nodes")));
    users
}

fn user(name: &str, groups: &str) -> User {
    let mut random = [0; 16];
    SystemRandom::new().fill(&mut random).unwrap();
    let token = random.iter().map(|byte| format!("{byte:02x}")).collect();
    User { name: name.to_owned(), groups: groups.to_owned(), token }
}

/// The API server's `--token-auth-file`.
pub(crate) fn write_tokens(users: &[User], directory: &Path) -> PathBuf {
    let line = |User { name, groups, token }: &User| format!("{token},{name},{name},\"{groups}\"\n");
    let path = directory.join("tokens.csv");
    fs::write(&path, users.iter().map(line).collect::<String>()).unwrap();
    path
}

/// A kubeconfig for a token.
pub(crate) fn kubeconfig(server: &str, authority: &Path, token: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    })
    .to_string()
}
