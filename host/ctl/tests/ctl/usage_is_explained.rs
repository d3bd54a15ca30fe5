//! Wrong usage has its own exit status, and shells complete commands.

use crate::program::ctl;

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    for wrong in [
        &["nonsense"][..],
        &["policy"],
        &["try", "a", "b"],
        &["policy", "add"],
        &["leases", "--jsonn"],
        &["run", "x"],
        &[],
    ] {
        let said = ctl(wrong);
        assert_eq!(said.code, Some(2), "{wrong:?}");
        assert!(said.err.contains("Usage: ginghamctl"), "{wrong:?}: {}", said.err);
    }
}

#[test]
fn with_json_the_reason_of_a_failure_is_json() {
    for (arguments, code, part) in [
        (&["policy", "list", "--jsonn", "--json"][..], 2, "unexpected argument '--jsonn'"),
        (&["policy", "call", "x.wasm", "--json"], 2, "--config <CONFIG>"),
        (&["policy", "inspect", "/nowhere/x.wasm", "--json"], 1, "no policy or file"),
        (&["policy", "bench", "host-local", "--config", "/nowhere/net.json", "--json"], 1, "/nowhere/net.json"),
        (&["explain", "mynet", "", "--json"], 1, "the subject is empty"),
        (&["explain", "mynet", "999.1.1.1", "--json"], 1, "invalid address \"999.1.1.1\""),
        (&["explain", "mynet", "10.7.0.2/22", "--json"], 1, "leave out the length, as in 10.7.0.2"),
        (&["explain", "mynet", "a/b/c", "--json"], 1, "use NAMESPACE/NAME"),
        (&["policy", "compare", "host-local", "other.wasm", "--json"], 2, "<HISTORY|--config <FILE>>"),
        (&["explain", "nothing", "10.1.0.2", "--config-dir", "/nowhere", "--json"], 1, "/nowhere"),
    ] {
        let said = ctl(arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{arguments:?}: {}", said.err);
        let reason: serde_json::Value = serde_json::from_str(&said.err).unwrap();
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
        let text = reason["error"].as_str().unwrap();
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
    let program = ctl(["run", "nothing", "--config-dir", "/nowhere", "--", "ls", "--json"]);
    assert!(program.err.starts_with("ginghamctl: "), "{}", program.err);
}

/// A shell that has read the completions knows the commands.
#[test]
fn shells_complete() {
    let script = ctl(["completions", "bash"]).done();
    let ask = format!(
        "{script}\nCOMP_WORDS=(ginghamctl check); COMP_CWORD=1; _ginghamctl ginghamctl check; echo \"${{COMPREPLY[@]}}\""
    );
    let output = std::process::Command::new("bash").args(["-c", &ask]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "check-config", "{output:?}");
    for shell in ["zsh", "fish"] {
        assert!(ctl(["completions", shell]).done().contains("check-config"), "{shell}");
    }
    assert_eq!(ctl(["completions", "cmd.exe"]).code, Some(2));
}
