//! Which requests an API server got, by its audit log.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Each request once, when it is answered; a watch also when it begins.
pub(crate) const POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}]}"#;

#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    /// What lies before it is not counted.
    from: u64,
}

/// The subject of the requests that are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// `pods`, `addressblocks/status`, or a path that is no resource's.
    pub resource: String,
}

impl AuditLog {
    pub(crate) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), from: 0 }
    }

    /// The same log, from now on.
    #[must_use]
    pub fn from_now(&self) -> Self {
        let length = fs::metadata(&self.path).map_or(0, |file| file.len());
        Self { path: self.path.clone(), from: length }
    }

    /// How many requests a user made, such as `system:serviceaccount:gingham-system:gingham-node`.
    pub fn requests(&self, user: &str) -> BTreeMap<Kind, usize> {
        let mut seen = BTreeSet::new();
        let mut counted = BTreeMap::new();
        for event in self.events() {
            let id = event["auditID"].as_str().unwrap_or_default();
            if event["user"]["username"] == user && seen.insert(id.to_owned()) {
                *counted.entry(kind(&event)).or_default() += 1;
            }
        }
        counted
    }

    /// From which addresses a user made requests.
    pub fn sources(&self, user: &str) -> BTreeSet<String> {
        let events = self.events().into_iter().filter(|event| event["user"]["username"] == user);
        events.filter_map(|event| event["sourceIPs"][0].as_str().map(str::to_owned)).collect()
    }

    /// Every event in the format of `audit.k8s.io/v1`.
    pub fn events(&self) -> Vec<Value> {
        let mut text = String::new();
        let mut file = File::open(&self.path).unwrap();
        file.seek(SeekFrom::Start(self.from)).unwrap();
        file.read_to_string(&mut text).unwrap();
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

fn kind(event: &Value) -> Kind {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let object = &event["objectRef"];
    let resource = match (text(&object["resource"]), text(&object["subresource"])) {
        (Some(resource), Some(part)) => format!("{resource}/{part}"),
        (Some(resource), None) => resource,
        (None, _) => text(&event["requestURI"]).unwrap_or_default(),
    };
    Kind { verb: text(&event["verb"]).unwrap_or_default(), resource }
}
