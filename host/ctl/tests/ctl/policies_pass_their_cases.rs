//! `ginghamctl policy test`: cases of policies, and what is said of those that fail.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{CTL, Said};

/// A directory with an empty library.
pub(crate) struct Bench {
    dir: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("library")).unwrap();
        Self { dir }
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(CTL);
        command.current_dir(self.dir.path()).args(["--library", "library", "policy", "test"]).args(arguments);
        command
    }

    pub(crate) fn test(&self, arguments: &[&str]) -> Said {
        Said::by(&mut self.command(arguments))
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// Numbers that change with the compiler and the SDK.
fn without_costs(text: &str) -> String {
    let words: Vec<&str> = text.split_inclusive([' ', '\n', '(']).collect();
    let is_cost = |index: usize| {
        let next: String = words[index + 1..].iter().take(2).copied().collect();
        let of = words.get(index + 1).is_some_and(|next| next.trim() == "of");
        of || ["fuel", "host calls", "KiB"].iter().any(|unit| next.trim_start().starts_with(unit))
    };
    let number = |word: &str| {
        word.trim().trim_matches(',').chars().all(|it| it.is_ascii_digit() || it == ',') && word.trim() != ""
    };
    let scrub = |(index, word): (usize, &&str)| match number(word) && is_cost(index) {
        true => word.replace(word.trim(), "N"),
        false => (*word).to_owned(),
    };
    words.iter().enumerate().map(scrub).collect()
}

#[test]
fn the_cases_beside_the_policies_pass() {
    let bench = Bench::new();
    for policy in ["host-local", "sticky", "quota", "by-namespace", "weave-split"] {
        let directory = workspace().join("policies").join(policy);
        let said = bench.test(&[directory.to_str().unwrap()]).done();
        let last = said.lines().last().unwrap();
        assert!(last.ends_with(" passed, 0 failed") && !last.starts_with("0 "), "{policy}: {said}");
    }
}

/// The blocks of a page that begin with these words, with the line before each.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<(usize, &'a str)> {
    let fence = format!("```{language}\n");
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = page[from..].find(&fence) {
        let begin = from + at + fence.len();
        let end = begin + page[begin..].find("```").unwrap();
        found.push((begin, &page[begin..end]));
        from = end + 3;
    }
    found
}

#[test]
fn the_page_about_cases_is_true() {
    let page = fs::read_to_string(workspace().join("docs/policies/cases.md")).unwrap();
    let consoles = blocks(&page, "console");
    let tomls = blocks(&page, "toml");
    assert!(tomls.len() >= 6 && consoles.len() >= 2);
    for (begin, text) in tomls {
        let bench = Bench::new();
        bench.file("cases/turns.toml", text);
        let before = &page[..begin];
        let policy =
            before.lines().rev().nth(1).and_then(|line| line.strip_prefix("<!-- policy: ")?.strip_suffix(" -->"));
        let said = bench.test(&[policy.unwrap_or("host-local"), "cases/turns.toml"]);
        let shown = consoles.iter().find(|(at, _)| *at > begin && at - begin < text.len() + 40);
        match shown {
            None => assert!(
                said.out.ends_with(" passed, 0 failed\n") && said.code == Some(0),
                "{text}\n{}{}",
                said.out,
                said.err
            ),
            Some((_, shown)) => {
                let (command, expected) = shown.split_once('\n').unwrap();
                assert_eq!(command, "$ ginghamctl policy test host-local cases/turns.toml");
                assert_eq!(without_costs(expected), without_costs(&said.out), "{}", said.err);
            }
        }
    }
}

const TURNS: &str = r#"
config = { subnet = "10.1.0.0/29" }

[[case]]
name = "one address"

[[case.step]]
add = "a"
expect = "10.1.0.2/29"

[[case]]
name = "another"

[[case.step]]
add = "a"
expect.addresses = "10.1.0.3/29"
expect.gateway = "10.1.0.9"
expect.log = "never said"
expect.leases = {}
"#;

#[test]
fn a_case_that_fails_shows_what_differs_and_where() {
    let bench = Bench::new();
    bench.file("turns.toml", TURNS);
    let said = bench.test(&["host-local", "turns.toml"]);
    insta::assert_snapshot!(without_costs(&said.out));
    assert_eq!(said.failed(), "ginghamctl: 1 of 2 cases failed\n");
    bench.test(&["host-local", "turns.toml", "--filter", "one"]).done();
    assert!(
        bench
            .test(&["host-local", "turns.toml", "--filter", "none"])
            .failed()
            .contains("no case's name contains \"none\"")
    );
}

#[test]
fn keys_that_the_policy_does_not_know_are_noted_once() {
    let bench = Bench::new();
    let text = TURNS.replace("config = {", "config = { cooldwon = \"1s\",");
    bench.file("turns.toml", &text);
    let said = bench.test(&["host-local", "turns.toml", "--filter", "o"]);
    let note = "  note  one address: ipam.cooldwon: unknown key, did you mean \"cooldown\"?\n";
    assert_eq!(said.out.matches("ipam.cooldwon").count(), 1, "{}", said.out);
    assert!(said.out.contains(note), "{}", said.out);
}

#[test]
fn no_case_is_an_error() {
    let bench = Bench::new();
    fs::create_dir(bench.dir.path().join("empty")).unwrap();
    assert!(bench.test(&["host-local", "empty"]).failed().contains("no case in empty"));
    assert!(bench.test(&["host-local"]).failed().contains("which cases?"));
    assert!(bench.test(&["host-local", "missing.toml"]).failed().contains("cannot read missing.toml"));
    let path = bench.file("turns.toml", TURNS);
    assert!(bench.test(&["nobody", path.to_str().unwrap()]).failed().contains("no policy or file \"nobody\""));
}

#[test]
fn directories_are_searched_and_programs_read_json_and_junit() {
    let bench = Bench::new();
    bench.file("cases/deep/turns.toml", TURNS);
    bench.file("cases/wrong.toml", "nonsense");
    bench.file("cases/README.md", "not a case");
    let said = bench.test(&["host-local", "cases", "--json", "--junit", "report.xml"]);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&json["passed"], &json["failed"]), (&1.into(), &2.into()));
    assert_eq!(json["cases"][1]["failure"]["mismatches"][0]["got"], "10.1.0.2/29");
    assert_eq!(json["cases"][1]["failure"]["line"], 14);
    assert_eq!((&json["cases"][2]["line"], &json["cases"][2]["passed"]), (&1.into(), &false.into()));
    assert_eq!((said.code, said.err.as_str()), (Some(1), "{\"error\":\"2 of 3 cases failed\"}\n"));
    let xml = fs::read_to_string(bench.dir.path().join("report.xml")).unwrap();
    for part in [
        "tests=\"3\" skipped=\"0\" failures=\"1\" errors=\"1\"",
        "testsuite name=\"cases/deep/turns.toml\"",
        "cases/deep/turns.toml:14: step 1, add a",
        "expected  10.1.0.3/29",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
}

#[test]
fn bounds_on_cost_fail_a_case() {
    let bench = Bench::new();
    let case = "config = { subnet = \"10.1.0.0/29\" }\n[[case]]\nname = \"x\"\n[[case.step]]\nadd = \"a\"\n";
    for (bound, what) in [("fuel = 10", "fuel"), ("host-calls = 1", "host-calls"), ("memory = 65_536", "memory")] {
        bench.file("x.toml", &format!("{case}expect.{bound}\n"));
        let json: Value = serde_json::from_str(&bench.test(&["host-local", "x.toml", "--json"]).out).unwrap();
        let mismatch = &json["cases"][0]["failure"]["mismatches"][0];
        assert_eq!((&mismatch["what"], json["failed"].as_u64()), (&what.into(), Some(1)), "{json}");
    }
    bench.file(
        "x.toml",
        &format!("{case}expect.fuel = 1_000_000\nexpect.host-calls = 100\nexpect.memory = 10_000_000\n"),
    );
    bench.test(&["host-local", "x.toml"]).done();
}

/// A program that is ended with its test.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn wait_for(&self, part: &str) {
        while let Ok(line) = self.lines.recv_timeout(Duration::from_mins(1)) {
            if line.contains(part) {
                return;
            }
        }
        panic!("no line with {part:?}");
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn watched_cases_run_again_when_a_file_changes() {
    let bench = Bench::new();
    bench.file("cases/turns.toml", &TURNS[..TURNS.find("[[case]]\nname = \"another\"").unwrap()]);
    let watching = Watching::start(bench.command(&["host-local", "cases", "--watch"]));
    watching.wait_for("1 passed, 0 failed");
    watching.wait_for("watching 1 files");
    bench.file("cases/turns.toml", TURNS);
    watching.wait_for("1 passed, 1 failed");
    watching.wait_for("watching 1 files");
    bench.file("cases/more.toml", "nonsense");
    watching.wait_for("1 passed, 2 failed");
}
