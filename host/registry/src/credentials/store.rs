//! The JSON file that `docker login` and `podman login` write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gingham_untrusted::file;
use serde::Deserialize;

use super::{Credentials, CredentialsError, Login, Secret, helper};
use crate::reference::Reference;

const LARGEST: u64 = 1 << 20;

pub(super) struct Store {
    path: PathBuf,
    written: Written,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Written {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl Store {
    pub(super) fn read(path: &Path) -> Result<Self, CredentialsError> {
        let bytes =
            file::read(path, LARGEST).map_err(|source| CredentialsError::Read { path: path.to_owned(), source })?;
        let written = serde_json::from_slice(&bytes)
            .map_err(|error| CredentialsError::Damaged { path: path.to_owned(), line: error.line() })?;
        Ok(Self { path: path.to_owned(), written })
    }

    pub(super) fn find(&self, reference: &Reference) -> Result<Option<Credentials>, CredentialsError> {
        let registry = reference.registry();
        if let Some(name) = self.written.cred_helpers.get(registry) {
            return self.ask(name, registry);
        }
        if let Some(login) = self.entry(reference)? {
            return Ok(Some(Credentials::Login { login, place: self.path.display().to_string() }));
        }
        self.written.creds_store.as_ref().map_or(Ok(None), |name| self.ask(name, registry))
    }

    fn ask(&self, name: &str, registry: &str) -> Result<Option<Credentials>, CredentialsError> {
        let login = helper::get(name, registry)
            .map_err(|source| CredentialsError::Helper { path: self.path.clone(), source })?;
        let place = format!("docker-credential-{name}, which {} names", self.path.display());
        Ok(login.map(|login| Credentials::Login { login, place }))
    }

    /// podman has entries for repositories, too: the longest that fits counts. One that is empty only says that a helper
    /// has the rest.
    fn entry(&self, reference: &Reference) -> Result<Option<Login>, CredentialsError> {
        let identity = reference.identity();
        let fits = |key: &str| {
            let key = place_of(key);
            identity.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let fitting = self.written.auths.iter().filter(|(key, entry)| fits(key) && !entry.is_empty());
        let Some((_, entry)) = fitting.max_by_key(|(key, _)| place_of(key).len()) else { return Ok(None) };
        let damaged = || CredentialsError::Entry { registry: reference.registry().to_owned(), path: self.path.clone() };
        entry.login().ok_or_else(damaged).map(Some)
    }
}

/// Docker wrote URLs once: of `https://registry.example/v1/` the host counts.
fn place_of(key: &str) -> &str {
    match key.split_once("://") {
        Some((_, rest)) => rest.split('/').next().unwrap_or(rest),
        None => key.trim_end_matches('/'),
    }
}

impl Entry {
    fn is_empty(&self) -> bool {
        [&self.auth, &self.username, &self.identitytoken].into_iter().all(String::is_empty)
    }

    fn login(&self) -> Option<Login> {
        if !self.identitytoken.is_empty() {
            return Some(Login::IdentityToken(Secret(self.identitytoken.clone())));
        }
        if self.auth.is_empty() {
            return Some(Login::Password { user: self.username.clone(), password: Secret(self.password.clone()) });
        }
        let text = String::from_utf8(STANDARD.decode(self.auth.trim()).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        // docker pads with zero bytes.
        Some(Login::Password { user: user.to_owned(), password: Secret(password.trim_end_matches('\0').to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(json: &str, reference: &str) -> Result<Option<Credentials>, CredentialsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json).unwrap();
        Store::read(file.path())?.find(&Reference::parse(reference).unwrap())
    }

    fn user(json: &str, reference: &str) -> Option<(String, String)> {
        match find(json, reference).unwrap()? {
            Credentials::Login { login: Login::Password { user, password }, .. } => Some((user, password.0)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn entries_are_found_by_host_url_and_repository() {
        // alice:s3:cret
        let auth = r#"{"auth": "YWxpY2U6czM6Y3JldA=="}"#;
        let alice = Some(("alice".to_owned(), "s3:cret".to_owned()));
        for key in ["registry.example", "https://registry.example/v1/", "registry.example/team"] {
            let json = format!(r#"{{"auths": {{"{key}": {auth}, "registry.example.evil": {auth}}}}}"#);
            assert_eq!(user(&json, "registry.example/team/a:1"), alice, "{key}");
            assert_eq!(user(&json, "registry.example:5000/team/a:1"), None, "{key}");
        }
        let json = format!(
            r#"{{"auths": {{"registry.example": {{"username": "all", "password": "p"}}, "registry.example/team": {auth}}}}}"#
        );
        assert_eq!(user(&json, "registry.example/team/a:1"), alice);
        assert_eq!(user(&json, "registry.example/teams/a:1"), Some(("all".to_owned(), "p".to_owned())));
    }

    #[test]
    fn identity_tokens_and_empty_entries() {
        let json = r#"{"auths": {"registry.example": {"auth": "PHRva2VuPjo=", "identitytoken": "t"}}}"#;
        let found = find(json, "registry.example/a:1").unwrap().unwrap();
        assert!(matches!(found, Credentials::Login { login: Login::IdentityToken(Secret(t)), .. } if t == "t"));
        assert_eq!(find(r#"{"auths": {"registry.example": {}}}"#, "registry.example/a:1").unwrap(), None);
    }

    #[test]
    fn what_is_damaged_is_not_quoted() {
        for json in [r#"{"auths": {"registry.example": {"auth": "s3cret!"}}}"#, r#"{"auths": "s3cret"}"#, "s3cret"] {
            let error = find(json, "registry.example/a:1").unwrap_err().to_string();
            assert!(
                error.contains("damaged") && error.contains("log in again") && !error.contains("s3cret"),
                "{error}"
            );
        }
    }
}
