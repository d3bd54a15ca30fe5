//! Kinds of objects and where the API has them.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The API group of Gingham's own kinds.
pub const GROUP: &str = "gingham.dev";
pub const VERSION: &str = "v1alpha1";

/// A kind of objects, in a namespace if it is one of namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    /// Empty for the core group.
    pub group: Cow<'static, str>,
    pub version: Cow<'static, str>,
    /// In lower case and plural: `pods`.
    pub plural: Cow<'static, str>,
    pub namespace: Option<String>,
}

impl Resource {
    pub const fn cluster(group: &'static str, version: &'static str, plural: &'static str) -> Self {
        Self {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            plural: Cow::Borrowed(plural),
            namespace: None,
        }
    }

    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    pub fn blocks() -> Self {
        Self::cluster(GROUP, VERSION, "addressblocks")
    }

    pub fn members() -> Self {
        Self::cluster(GROUP, VERSION, "networkmembers")
    }

    pub fn networks() -> Self {
        Self::cluster(GROUP, VERSION, "addressnetworks")
    }

    pub fn policies() -> Self {
        Self::cluster(GROUP, VERSION, "allocationpolicies")
    }

    pub fn nodes() -> Self {
        Self::cluster("", "v1", "nodes")
    }

    /// Of all namespaces, unless it is put into one.
    pub fn pods() -> Self {
        Self::cluster("", "v1", "pods")
    }

    pub fn namespaces() -> Self {
        Self::cluster("", "v1", "namespaces")
    }

    pub fn events() -> Self {
        Self::cluster("", "v1", "events")
    }

    /// The kubelets' signs of life, one for each Node.
    pub fn node_leases() -> Self {
        Self::cluster("coordination.k8s.io", "v1", "leases").within("kube-node-lease")
    }

    /// `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone().into_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Where the objects are.
    pub fn path(&self) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let mut path = format!("{root}/{}", self.api_version());
        if let Some(namespace) = &self.namespace {
            let _ = write!(path, "/namespaces/{}", escaped(namespace));
        }
        let _ = write!(path, "/{}", self.plural);
        path
    }

    /// Where one object is, or a part of it such as `status`.
    pub fn object(&self, name: &str, part: Option<&str>) -> String {
        let mut path = format!("{}/{}", self.path(), escaped(name));
        if let Some(part) = part {
            let _ = write!(path, "/{part}");
        }
        path
    }
}

/// A name as one segment of a path: none leads elsewhere.
fn escaped(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let only_dots = name.bytes().all(|byte| byte == b'.');
    name.bytes().fold(String::new(), |mut text, byte| {
        if is_plain(byte) && !only_dots {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_apis() {
        assert_eq!(Resource::nodes().object("n1", Some("status")), "/api/v1/nodes/n1/status");
        assert_eq!(Resource::blocks().path(), "/apis/gingham.dev/v1alpha1/addressblocks");
        let lease = Resource::node_leases().object("n1", None);
        assert_eq!(lease, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1");
        assert_eq!(Resource::pods().within("a").path(), "/api/v1/namespaces/a/pods");
    }

    #[test]
    fn no_name_leads_to_another_path() {
        assert_eq!(Resource::nodes().object("../pods?x", None), "/api/v1/nodes/..%2Fpods%3Fx");
        assert_eq!(Resource::nodes().object("..", None), "/api/v1/nodes/%2E%2E");
    }
}
