use std::os::unix::fs::PermissionsExt;

use super::*;

struct Plugins(tempfile::TempDir);

impl Plugins {
    fn with(name: &str, script: &str) -> Self {
        let plugins = Self(tempfile::tempdir().unwrap());
        plugins.put(name, script);
        plugins
    }

    fn put(&self, name: &str, script: &str) {
        let file = self.0.path().join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self) -> Vec<PathBuf> {
        vec!["/nowhere".into(), self.0.path().into()]
    }
}

fn add(plugins: &Plugins, plugin: &str, input: &[u8]) -> Result<Value, DelegateError> {
    Delegate { plugin, path: &plugins.path(), input }.add()
}

#[test]
fn the_verb_is_in_the_environment_and_the_input_arrives_to_the_byte() {
    let plugins = Plugins::with("static", r#"read -r line; printf '{"verb":"%s","line":%s}' "$CNI_COMMAND" "$line""#);
    let answer = add(&plugins, "static", b"{\"a\": 1 }\n").unwrap();
    assert_eq!(answer.to_string(), r#"{"line":{"a":1},"verb":"ADD"}"#);
}

#[test]
fn a_large_input_and_a_large_answer_do_not_block_each_other() {
    let plugins =
        Plugins::with("echo", r#"printf '{"a":"'; head -c 300000 /dev/zero | tr '\0' a; printf '"}'; cat >/dev/null"#);
    assert!(add(&plugins, "echo", &vec![b' '; 300_000]).is_ok());
}

#[test]
fn an_error_passes_through_with_its_code_even_after_a_result() {
    let plugins = Plugins::with(
        "static",
        r#"cat >/dev/null; echo '{"ips":[]}'; echo '{"code":11,"msg":"later","details":"d"}'; exit 1"#,
    );
    let error = NetworkError::from(add(&plugins, "static", b"{}").unwrap_err());
    assert_eq!((error.code, error.msg.as_str(), error.details.as_str()), (Code::TRY_AGAIN, "later", "d"));
}

#[test]
fn a_failure_without_words_of_its_own_quotes_what_it_wrote() {
    let plugins = Plugins::with("static", "echo 'no such thing' >&2; exit 3");
    let text = add(&plugins, "static", b"{}").unwrap_err().to_string();
    assert_eq!(text, "IPAM plugin \"static\" failed (exit status: 3): no such thing");
    plugins.put("static", "kill -9 $$");
    assert!(add(&plugins, "static", b"{}").unwrap_err().to_string().contains("signal: 9"));
}

#[test]
fn an_answer_that_is_no_json_is_refused_and_none_is_empty() {
    let plugins = Plugins::with("static", "echo nonsense");
    assert!(matches!(add(&plugins, "static", b"{}"), Err(DelegateError::NoAnswer { .. })));
    plugins.put("static", "true");
    assert_eq!(add(&plugins, "static", b"{}").unwrap(), Value::Null);
}

#[test]
fn the_first_regular_file_on_the_path_is_it() {
    let (first, second) = (Plugins::with("other", ""), Plugins::with("static", ""));
    std::fs::create_dir(first.0.path().join("static")).unwrap();
    let path = [first.0.path().to_owned(), second.0.path().to_owned()];
    let found = Delegate { plugin: "static", path: &path, input: b"" }.find().unwrap();
    assert_eq!(found, second.0.path().join("static"));
}

#[test]
fn names_do_not_leave_the_directories() {
    for plugin in ["", "a/b", "..", "/bin/sh"] {
        let found = Delegate { plugin, path: &["/bin".into()], input: b"" }.find();
        assert!(matches!(found, Err(DelegateError::BadName { .. })), "{plugin}");
    }
    let missing = Delegate { plugin: "x", path: &["/a".into(), "/b".into()], input: b"" }.find().unwrap_err();
    assert!(missing.to_string().contains("failed to find plugin \"x\" in path [/a /b]"));
}
