//! What a registry that answers 401 asks for, and the header that answers it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Uri};
use serde::Deserialize;

use crate::credentials::{Login, Secret};
use crate::transport::Request;

/// What to do for a challenge.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    /// Fetch a token there.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
    /// Its name, or nothing.
    Unsupported(String),
}

impl Challenge {
    /// Bearer is preferred: registries that offer both accept the password at their token server only.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenges: Vec<_> =
            values.flat_map(|value| http_auth::parse_challenges(value).unwrap_or_default()).collect();
        let with = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme));
        if let Some(bearer) = with("bearer") {
            let parameter = |name: &str| {
                let found = bearer.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            if let Some(realm) = parameter("realm") {
                return Self::Bearer { realm, service: parameter("service"), scope: parameter("scope") };
            }
        }
        match with("basic") {
            Some(_) => Self::Basic,
            None => Self::Unsupported(challenges.first().map_or("none", |first| first.scheme).to_owned()),
        }
    }
}

/// The header of a password. An identity token is for token servers only.
pub(crate) fn basic(login: &Login) -> Option<HeaderValue> {
    let Login::Password { user, password: Secret(password) } = login else { return None };
    sensitive(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

pub(crate) fn bearer(token: &Token) -> Option<HeaderValue> {
    let token = token.token.as_ref().or(token.access_token.as_ref())?;
    sensitive(&format!("Bearer {token}"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A token server's answer: older ones name it `token`.
#[derive(Deserialize)]
pub(crate) struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// The request for a token: with a password by GET, with an identity token as OAuth 2 has it.
pub(crate) fn token_request(
    realm: &Uri,
    service: Option<&str>,
    scope: &str,
    login: Option<&Login>,
) -> Result<Request, http::Error> {
    let mut fields = form_urlencoded::Serializer::new(String::new());
    fields.extend_pairs(service.map(|service| ("service", service))).append_pair("scope", scope);
    if let Some(Login::IdentityToken(Secret(refresh))) = login {
        let more = [("grant_type", "refresh_token"), ("client_id", "ginghamctl"), ("refresh_token", refresh)];
        let body = fields.extend_pairs(more).finish();
        let request = http::Request::builder().method(Method::POST).uri(realm);
        return request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body.into());
    }
    let separator = if realm.query().is_some() { '&' } else { '?' };
    let mut request = http::Request::builder().uri(format!("{realm}{separator}{}", fields.finish()));
    if let Some(header) = login.and_then(basic) {
        request = request.header(AUTHORIZATION, header);
    }
    request.body(Bytes::new().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(lines: &[&str]) -> Challenge {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(line).unwrap());
        }
        Challenge::of(&headers)
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let bearer =
            r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.example/token".to_owned(),
            service: Some("registry.example".to_owned()),
            scope: Some("repository:a/b:pull".to_owned()),
        };
        assert_eq!(challenge(&[bearer]), expected);
        assert_eq!(challenge(&[r#"Basic realm="x""#, bearer]), expected);
        assert_eq!(challenge(&[r#"basic realm="Registry Realm""#]), Challenge::Basic);
        assert_eq!(challenge(&["Negotiate"]), Challenge::Unsupported("Negotiate".to_owned()));
        assert_eq!(challenge(&["Bearer service=\"x\""]), Challenge::Unsupported("Bearer".to_owned()));
        assert_eq!(challenge(&["\"\"\"", ""]), Challenge::Unsupported("none".to_owned()));
    }

    #[test]
    fn a_token_is_asked_for_by_password_or_identity_token() {
        let realm = Uri::from_static("https://auth.example/token?x=1");
        let login = Login::Password { user: "alice".to_owned(), password: Secret("s3cret".to_owned()) };
        let request = token_request(&realm, Some("r"), "repository:a/b:pull", Some(&login)).unwrap();
        let expected = "https://auth.example/token?x=1&service=r&scope=repository%3Aa%2Fb%3Apull";
        assert_eq!(request.uri().to_string(), expected);
        assert_eq!(request.headers()["authorization"], "Basic YWxpY2U6czNjcmV0");
        assert!(request.headers()["authorization"].is_sensitive());
        let token = Login::IdentityToken(Secret("t&t".to_owned()));
        let request = token_request(&realm, None, "s", Some(&token)).unwrap();
        assert_eq!((request.method(), request.uri()), (&Method::POST, &realm));
        let expected = "scope=s&grant_type=refresh_token&client_id=ginghamctl&refresh_token=t%26t";
        assert_eq!(format!("{:?}", request.body()), format!("{:?}", http_body_util::Full::new(Bytes::from(expected))));
        assert_eq!(token_request(&realm, None, "s", None).unwrap().headers().len(), 0);
    }
}
