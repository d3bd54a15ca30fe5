//! What callers do with objects: read, list, create, replace, patch and delete them.

use std::time::Instant;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Api;
use crate::permissions::Verb;
use crate::request::{Answer, CallError, Request};
use crate::resource::Resource;
use crate::status::Status;

/// How many objects are fetched at once.
const PAGE: usize = 500;

/// Why something was not done with an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    #[error("cannot {what}: {error}")]
    Call { what: String, error: CallError },
    /// The server answers that it did not do it; with a code from 500 on it may have done it all the same.
    #[error("cannot {what}: the API server answers {status}")]
    Refused { what: String, status: Status },
    /// The server answers that it did it, and what it sends is not what was asked for.
    #[error("cannot {what}: the answer of the API server cannot be read: {reason}; is it a Kubernetes API server?")]
    Malformed { what: String, reason: String },
}

/// Which objects a list or a watch has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// As `kubectl --selector` has it.
    pub labels: Option<String>,
    /// As `kubectl --field-selector` has it.
    pub fields: Option<String>,
}

/// All objects of a selection as they were at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objects {
    pub items: Vec<Value>,
    /// The moment: where a watch goes on.
    pub version: String,
}

/// What a delete requires of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preconditions {
    pub uid: String,
    pub version: String,
}

/// What became of an object that was deleted.
#[derive(Debug, Clone, PartialEq)]
pub enum Deletion {
    Gone,
    /// A finalizer keeps it until another program has removed that.
    Terminating(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patch {
    /// RFC 7386.
    Merge,
    /// Of the kinds that Kubernetes itself has: lists such as conditions are merged by key.
    Strategic,
}

#[derive(Deserialize)]
struct Page {
    metadata: PageMetadata,
    items: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    resource_version: String,
    #[serde(default)]
    r#continue: String,
}

impl Api {
    /// The object as it is now: what the server has in its cache is not enough.
    ///
    /// # Errors
    /// [`ApiError`]
    pub fn get(&self, resource: &Resource, name: &str, deadline: Instant) -> Result<Option<Value>, ApiError> {
        let what = format!("read {} {name}", resource.plural);
        self.permit(&what, Verb::Get, resource, None)?;
        let answer = self.answer(&what, &Request::get(resource.object(name, None)), deadline)?;
        if answer.code == 404 && answer.status().is_not_found(name) {
            return Ok(None);
        }
        object(what, &answer).map(Some)
    }

    /// All objects as they are now.
    ///
    /// # Errors
    /// [`ApiError`]; 410 if the server compacts faster than it can be read: list again.
    pub fn list(&self, resource: &Resource, selection: &Selection, deadline: Instant) -> Result<Objects, ApiError> {
        self.pages(resource, selection, None, deadline)
    }

    /// All objects as they were at a version of the store. The server may have forgotten it: 410.
    ///
    /// # Errors
    /// [`ApiError`]
    pub fn list_at(
        &self,
        resource: &Resource,
        selection: &Selection,
        version: &str,
        deadline: Instant,
    ) -> Result<Objects, ApiError> {
        self.pages(resource, selection, Some(("Exact", version)), deadline)
    }

    /// All objects as an API server has them in its cache, in any order, but not as they were before a version. This costs
    /// the API server's etcd nothing. Not for decisions.
    ///
    /// # Errors
    /// [`ApiError`]
    pub fn list_since(
        &self,
        resource: &Resource,
        selection: &Selection,
        version: &str,
        deadline: Instant,
    ) -> Result<Objects, ApiError> {
        self.pages(resource, selection, Some(("NotOlderThan", version)), deadline)
    }

    /// The store's latest version, at the price of one object.
    pub(crate) fn latest_version(&self, resource: &Resource, deadline: Instant) -> Result<String, ApiError> {
        let what = format!("list {}", resource.plural);
        self.permit(&what, Verb::List, resource, None)?;
        let request = Request::get(resource.path()).and("limit", "1");
        let page: Page = read(&what, &self.done(&what, &request, deadline)?)?;
        Ok(page.metadata.resource_version)
    }

    /// `moment`: which version, and whether exactly that.
    fn pages(
        &self,
        resource: &Resource,
        selection: &Selection,
        moment: Option<(&str, &str)>,
        deadline: Instant,
    ) -> Result<Objects, ApiError> {
        let mut first = selection.request(resource).and("limit", PAGE.to_string());
        if let Some((how, version)) = moment {
            first = first.and("resourceVersion", version).and("resourceVersionMatch", how);
        }
        let what = format!("list {}", resource.plural);
        self.permit(&what, Verb::List, resource, None)?;
        let mut page: Page = read(&what, &self.done(&what, &first, deadline)?)?;
        let mut objects = Objects { items: page.items, version: page.metadata.resource_version };
        while !page.metadata.r#continue.is_empty() {
            let next = selection.request(resource).and("limit", PAGE.to_string());
            let next = next.and("continue", page.metadata.r#continue);
            page = read(&what, &self.done(&what, &next, deadline)?)?;
            objects.items.append(&mut page.items);
        }
        Ok(objects)
    }

    /// Creates an object and returns it as it is stored.
    ///
    /// # Errors
    /// [`ApiError`]
    pub fn create(&self, resource: &Resource, object: &Value, deadline: Instant) -> Result<Value, ApiError> {
        let what = format!("create {} {}", resource.plural, name_of(object));
        self.permit(&what, Verb::Create, resource, None)?;
        let request = Request::with_body(Method::POST, resource.path(), object.to_string());
        self.write(what, &request, deadline)
    }

    /// Replaces an object, or a part of it such as `status`. The object's `metadata.resourceVersion` is the one that
    /// must still be stored.
    ///
    /// # Errors
    /// [`ApiError`]
    pub fn replace(
        &self,
        resource: &Resource,
        part: Option<&str>,
        object: &Value,
        deadline: Instant,
    ) -> Result<Value, ApiError> {
        let name = name_of(object);
        let what = format!("update {} {name}", resource.plural);
        self.permit(&what, Verb::Update, resource, part)?;
        let request = Request::with_body(Method::PUT, resource.object(name, part), object.to_string());
        self.write(what, &request, deadline)
    }

    /// # Errors
    /// [`ApiError`]
    pub fn patch(
        &self,
        resource: &Resource,
        (name, part): (&str, Option<&str>),
        (kind, patch): (Patch, &Value),
        deadline: Instant,
    ) -> Result<Value, ApiError> {
        let what = format!("patch {} {name}", resource.plural);
        self.permit(&what, Verb::Patch, resource, part)?;
        let mut request = Request::with_body(Method::PATCH, resource.object(name, part), patch.to_string());
        request.content_type = match kind {
            Patch::Merge => "application/merge-patch+json",
            Patch::Strategic => "application/strategic-merge-patch+json",
        };
        self.write(what, &request, deadline)
    }

    /// Deletes an object; none if there was none.
    ///
    /// # Errors
    /// [`ApiError`]
    pub fn delete(
        &self,
        resource: &Resource,
        name: &str,
        preconditions: Option<&Preconditions>,
        deadline: Instant,
    ) -> Result<Option<Deletion>, ApiError> {
        let what = format!("delete {} {name}", resource.plural);
        self.permit(&what, Verb::Delete, resource, None)?;
        let body = delete_options(preconditions);
        let request = Request::with_body(Method::DELETE, resource.object(name, None), body.to_string());
        let answer = self.answer(&what, &request, deadline)?;
        match answer.status() {
            status if status.is_not_found(name) => Ok(None),
            status if status.is_success() => Ok(Some(Deletion::Gone)),
            _ => object(what, &answer).map(|object| Some(Deletion::Terminating(object))),
        }
    }

    fn permit(&self, what: &str, verb: Verb, resource: &Resource, part: Option<&str>) -> Result<(), ApiError> {
        self.require(verb, resource, part).map_err(|error| ApiError::Call { what: what.to_owned(), error })
    }

    fn write(&self, what: String, request: &Request, deadline: Instant) -> Result<Value, ApiError> {
        let answer = self.done(&what, request, deadline)?;
        object(what, &answer)
    }

    /// The answer to what was done.
    fn done(&self, what: &str, request: &Request, deadline: Instant) -> Result<Answer, ApiError> {
        let answer = self.answer(what, request, deadline)?;
        if answer.is_success() {
            return Ok(answer);
        }
        Err(ApiError::Refused { what: what.to_owned(), status: answer.status() })
    }

    fn answer(&self, what: &str, request: &Request, deadline: Instant) -> Result<Answer, ApiError> {
        self.request(request, deadline).map_err(|error| ApiError::Call { what: what.to_owned(), error })
    }
}

impl ApiError {
    /// What the server answered.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused { status, .. } => Some(status),
            Self::Call { .. } | Self::Malformed { .. } => None,
        }
    }

    /// Whether it is certain that nothing was done and nothing will be. An API server reports 500, 503 and 504 also of
    /// writes that it carries out later.
    pub fn had_no_effect(&self) -> bool {
        match self {
            Self::Call { error, .. } => matches!(error, CallError::NotSent(_)),
            // A gateway may give up on a request that it has passed on.
            Self::Refused { status, .. } => (400..500).contains(&status.code) && status.code != 408,
            Self::Malformed { .. } => false,
        }
    }
}

impl Selection {
    pub fn fields(selector: &str) -> Self {
        Self { labels: None, fields: Some(selector.to_owned()) }
    }

    pub(crate) fn request(&self, resource: &Resource) -> Request {
        let selectors = [("labelSelector", &self.labels), ("fieldSelector", &self.fields)];
        selectors.into_iter().fold(Request::get(resource.path()), |request, (name, value)| match value {
            Some(value) => request.and(name, value),
            None => request,
        })
    }
}

/// The body of a delete. Servers read it leniently: with a key misspelt, `precondition` or `resourceversion`, they delete
/// whatever is there. With another propagation policy they add a finalizer, and the object stays.
pub(crate) fn delete_options(preconditions: Option<&Preconditions>) -> Value {
    let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
    if let Some(Preconditions { uid, version }) = preconditions {
        options["preconditions"] = json!({"uid": uid, "resourceVersion": version});
    }
    options
}

fn object(what: String, answer: &Answer) -> Result<Value, ApiError> {
    if !answer.is_success() {
        return Err(ApiError::Refused { what, status: answer.status() });
    }
    let object: Value = read(&what, answer)?;
    if object["metadata"].is_object() {
        return Ok(object);
    }
    Err(ApiError::Malformed { what, reason: "it is no object".to_owned() })
}

fn read<T: serde::de::DeserializeOwned>(what: &str, answer: &Answer) -> Result<T, ApiError> {
    answer.json().map_err(|error| ApiError::Malformed { what: what.to_owned(), reason: error.to_string() })
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delete_is_these_bytes() {
        let preconditions = Preconditions { uid: "u".to_owned(), version: "7".to_owned() };
        let whole = r#"{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"resourceVersion":"7","uid":"u"},"propagationPolicy":"Background"}"#;
        assert_eq!(delete_options(Some(&preconditions)).to_string(), whole);
    }
}
