//! Credentials for registries, as docker and podman keep them.

mod helper;
mod store;

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use gingham_untrusted::file::FileError;

use crate::reference::Reference;
pub use helper::HelperError;

/// What is sent to a registry and never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Login {
    Password {
        user: String,
        password: Secret,
    },
    /// A refresh token of OAuth 2, which only the registry's token server accepts.
    IdentityToken(Secret),
}

/// What was found for a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// With the place it was found in.
    Login { login: Login, place: String },
    /// With the files that were looked into.
    None { searched: Vec<PathBuf> },
}

/// Credentials that are there and cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("cannot read {}, which {variable} names: {source}", path.display())]
    Named { variable: &'static str, path: PathBuf, source: FileError },
    #[error("cannot read the credentials in {}: {source}", path.display())]
    Read { path: PathBuf, source: FileError },
    // Not what the reader of JSON says: it may quote the file.
    #[error("the credentials in {} are damaged (line {line}): log in again with `docker login` or `podman login`", path.display())]
    Damaged { path: PathBuf, line: usize },
    #[error(
        "the entry of {registry} in {} is damaged: its auth must be USER:PASSWORD in base64; log in again with \
         `docker login` or `podman login`",
        path.display()
    )]
    Entry { registry: String, path: PathBuf },
    #[error("{}: {source}", path.display())]
    Helper { path: PathBuf, source: HelperError },
}

/// The environment that says where credentials are.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The only file, if it is set.
    named: Option<PathBuf>,
    files: Vec<PathBuf>,
}

impl Places {
    pub(crate) fn of_environment() -> Self {
        Self::of(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
    }

    /// In podman's order.
    fn of(variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let home = variable("HOME");
        let config = variable("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
        let of_session = variable("XDG_RUNTIME_DIR").map(|run| run.join("containers/auth.json"));
        let of_user = || format!("/run/containers/{}/auth.json", rustix::process::getuid().as_raw()).into();
        let files = [
            variable("DOCKER_CONFIG").map(|directory| directory.join("config.json")),
            Some(of_session.unwrap_or_else(of_user)),
            config.map(|config| config.join("containers/auth.json")),
            home.map(|home| home.join(".docker/config.json")),
        ];
        let mut different: Vec<PathBuf> = Vec::new();
        for file in files.into_iter().flatten() {
            if !different.contains(&file) {
                different.push(file);
            }
        }
        Self { named: variable("REGISTRY_AUTH_FILE"), files: different }
    }

    pub(crate) fn find(&self, reference: &Reference) -> Result<Credentials, CredentialsError> {
        let files = self.named.as_ref().map_or(&self.files[..], std::slice::from_ref);
        for path in files {
            if let Some(found) = self.look_into(path, reference)? {
                return Ok(found);
            }
        }
        Ok(Credentials::None { searched: files.to_vec() })
    }

    fn look_into(&self, path: &Path, reference: &Reference) -> Result<Option<Credentials>, CredentialsError> {
        match store::Store::read(path) {
            Ok(store) => store.find(reference),
            Err(CredentialsError::Read { source, path }) => match (&source, &self.named) {
                (_, Some(_)) => Err(CredentialsError::Named { variable: "REGISTRY_AUTH_FILE", path, source }),
                (FileError::Io(error), None) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                _ => Err(CredentialsError::Read { path, source }),
            },
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn reference() -> Reference {
        Reference::parse("registry.example/team/sticky:1").unwrap()
    }

    #[test]
    fn the_first_file_with_an_entry_counts() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let places = Places::of(|name| match name {
            "HOME" => Some(home.path().to_owned()),
            "XDG_RUNTIME_DIR" => Some(at("run")),
            _ => None,
        });
        assert_eq!(
            places.find(&reference()).unwrap(),
            Credentials::None {
                searched: vec![
                    at("run/containers/auth.json"),
                    at(".config/containers/auth.json"),
                    at(".docker/config.json")
                ]
            }
        );
        for (name, user) in [(".docker/config.json", "docker"), ("run/containers/auth.json", "podman")] {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            let json = format!(r#"{{"auths": {{"registry.example": {{"username": "{user}", "password": "p"}}}}}}"#);
            fs::write(at(name), json).unwrap();
            let Credentials::Login { login: Login::Password { user: found, .. }, place } =
                places.find(&reference()).unwrap()
            else {
                panic!("none")
            };
            assert_eq!((found.as_str(), place), (user, at(name).display().to_string()));
        }
    }

    /// podman's place for a user without a session, such as root by sudo, has no `containers` in it twice.
    #[test]
    fn without_a_session_the_file_is_that_of_the_user() {
        let places = Places::of(|name| match name {
            "HOME" => Some("/home/a".into()),
            "DOCKER_CONFIG" => Some("/home/a/.docker".into()),
            _ => None,
        });
        let of_user = format!("/run/containers/{}/auth.json", rustix::process::getuid().as_raw());
        let files = ["/home/a/.docker/config.json", &of_user, "/home/a/.config/containers/auth.json"];
        assert_eq!(places.files, files.map(PathBuf::from), "each once");
    }

    #[test]
    fn a_file_that_is_named_is_the_only_one_and_must_be_there() {
        let places = Places::of(|name| (name == "REGISTRY_AUTH_FILE").then(|| "/nowhere/auth.json".into()));
        let error = places.find(&reference()).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /nowhere/auth.json, which REGISTRY_AUTH_FILE names: "), "{error}");
    }

    #[test]
    fn secrets_are_not_printed() {
        let login = Login::Password { user: "alice".to_owned(), password: Secret("s3cret".to_owned()) };
        assert!(!format!("{login:?}").contains("s3cret"));
    }
}
