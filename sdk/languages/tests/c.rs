//! New policies in C, and what C has that a policy has not.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use gingham_engine::compile::Compiler;
use gingham_languages::{
    BuildError, DebugInformation, Kind, Language, Message, ToolchainError, build, build_with, create,
};
use gingham_testing::Network;
use serde_json::json;
use tempfile::TempDir;

fn has_compiler() -> bool {
    let libc = Path::new("/usr/lib/wasm32-wasi/libc.a");
    skipped_tests::has("/usr/bin/clang", "clang")
        && skipped_tests::has("/usr/bin/wasm-ld", "lld")
        && skipped_tests::holds(libc.exists(), "wasi-libc")
}

struct Place {
    directory: PathBuf,
    _parent: TempDir,
}

impl Place {
    fn new(kind: Kind) -> Self {
        Self::at("first", kind)
    }

    fn at(path: &str, kind: Kind) -> Self {
        let parent = TempDir::new().unwrap();
        let directory = parent.path().join(path);
        fs::create_dir_all(directory.parent().unwrap()).unwrap();
        create(&directory, &"first-policy".parse().unwrap(), Language::C, kind).unwrap();
        Self { directory, _parent: parent }
    }

    /// With this statement at the beginning of `allocate`.
    fn with(statement: &str) -> Self {
        let place = Self::new(Kind::Plain);
        let path = place.directory.join("src/policy.c");
        let source = fs::read_to_string(&path).unwrap();
        let changed = source.replace("  if (!gingham_take(", &format!("  {statement}\n  if (!gingham_take("));
        assert_ne!(source, changed);
        fs::write(&path, format!("#include <assert.h>\n#include <time.h>\n{changed}")).unwrap();
        place
    }

    fn component(&self) -> Vec<u8> {
        build(&self.directory, &mut |_| {}).unwrap().component
    }

    fn network(&self, ipam: serde_json::Value) -> Network {
        let policy = Compiler::new().unwrap().load("first-policy", &self.component()).unwrap();
        Network::of(&policy, ipam)
    }

    /// What the toolchain reports.
    #[track_caller]
    fn refused(&self) -> String {
        match build(&self.directory, &mut |_| {}) {
            Err(BuildError::Toolchain { source, .. }) => source.to_string(),
            other => panic!("{:?}", other.map(|built| built.name)),
        }
    }
}

#[test]
fn a_fault_shows_its_line_in_a_component_with_lines() {
    if !has_compiler() {
        return;
    }
    let place = Place::with("if (gingham_node_name(context)) __builtin_trap();");
    let fault = |component: &[u8]| {
        let policy = Compiler::with_lines().unwrap().load("first-policy", component).unwrap();
        Network::of(&policy, json!({"subnet": "10.1.0.0/24"})).add("c1").outcome().unwrap_err().to_string()
    };
    let source = fs::read_to_string(place.directory.join("src/policy.c")).unwrap();
    let line = source.lines().position(|line| line.contains("__builtin_trap")).unwrap() + 1;
    let component = build_with(&place.directory, DebugInformation::Lines, &mut |_| {}).unwrap().component;
    let shown = fault(&component);
    assert!(shown.contains(&format!("in allocate (./src/policy.c:{line})")), "{shown}");
    let text = String::from_utf8_lossy(&component).into_owned();
    assert!(!text.contains(place.directory.to_str().unwrap()), "the directory's path is in the component");
    let without = fault(&place.component());
    assert!(without.contains("in allocate") && !without.contains("policy.c"), "{without}");
}

#[test]
fn the_same_source_gives_the_same_bytes_in_every_directory() {
    if !has_compiler() {
        return;
    }
    for kind in Kind::ALL {
        let (here, there) = (Place::new(kind), Place::at("a/longer/path/to-it", kind));
        let component = here.component();
        assert!(component == there.component(), "{kind:?}: the directory's path is in the component");
        assert!(component == here.component(), "{kind:?}: the second build differs");
        assert!(component.len() < 80_000, "{kind:?}: {} bytes", component.len());
        assert!(String::from_utf8_lossy(&component).contains("gingham_take"), "{kind:?}: it has no function names");
    }
}

#[test]
fn the_first_policy_is_short_and_allocates() {
    if !has_compiler() {
        return;
    }
    let place = Place::new(Kind::Plain);
    let lines = fs::read_to_string(place.directory.join("src/policy.c")).unwrap().lines().count();
    assert!(lines < 60, "{lines} lines");
    let mut network = place.network(json!({"SUBNET": "fd00::/64"}));
    network.add("c1").expect("fd00::2/64");
    let mut network = place.network(json!({"subnet": "10.1.0.9/24"}));
    network.add("c1").expect("10.1.0.2/24");
    network.add("c2").requested("10.1.0.77").expect("10.1.0.77/24");
    for subnet in [json!("10.1.0.0"), json!("10.1.0.0/33"), json!("10.1.0.0/24x"), json!("x/8"), json!(7), json!(null)]
    {
        let problems = place.network(json!({"subnet": subnet})).problems();
        assert!(problems.len() == 1 && problems[0].contains("subnet"), "{subnet}: {problems:?}");
    }
}

/// Keys and texts in every form that JSON has.
#[test]
fn the_configuration_is_read_as_json() {
    if !has_compiler() {
        return;
    }
    let statement = r#"
        uint64_t number = 7;
        gingham_json teams = gingham_get(config, "teams");
        bool has_number = gingham_number(gingham_get(gingham_item(teams, 1), "size"), &number);
        printf("%s|%d %llu|%s|%d%d|%s\n", gingham_string(gingham_get(gingham_item(teams, 0), "name")), has_number, number,
               gingham_string(gingham_item(gingham_get(gingham_item(teams, 1), "of"), 1)),
               gingham_is_true(gingham_get(config, "on")), gingham_is_true(gingham_get(config, "off")),
               gingham_item(teams, 2) ? "more" : "no more");"#;
    let place = Place::with(statement);
    let config = json!({
        "off": false, "on": true, "nothing": null, "subnet": "10.1.0.0/24",
        "teams": [{"name": "a \"quoted\" \\ }],{ ü€😀\n\t."}, {"of": ["x", "y,]"], "SIZE": 18_446_744_073_709_551_615_u64}],
    });
    let text = run_log(&place, config);
    assert_eq!(text, ["a \"quoted\" \\ }],{ ü€😀", " .|1 18446744073709551615|y,]|10|no more"]);
}

/// The lines of the log of one ADD, but for the last one, which is the answer's reason.
fn run_log(place: &Place, ipam: serde_json::Value) -> Vec<String> {
    let policy = Compiler::new().unwrap().load("first-policy", &place.component()).unwrap();
    let mut scenario = gingham_workbench::Scenario::new(&policy, ipam).unwrap();
    let request = scenario.request("c1");
    let run = scenario.add(&request).unwrap();
    run.result.unwrap();
    let mut lines: Vec<String> = run.log.into_iter().map(|line| line.message).collect();
    assert!(lines.pop().is_some_and(|reason| reason.contains("the lowest free address")));
    lines
}

#[test]
fn printf_writes_to_the_policys_log() {
    if !has_compiler() {
        return;
    }
    let place =
        Place::with(r#"printf("%d of ", 1); puts("2"); fprintf(stderr, "%s\n", "careful"); printf("the end");"#);
    assert_eq!(run_log(&place, json!({"subnet": "10.1.0.0/24"})), ["1 of 2", "careful", "the end"]);
}

#[test]
fn what_a_policy_has_not_is_said_when_it_is_built() {
    if !has_compiler() {
        return;
    }
    for (statement, sentence) in [
        ("printf(\"%d\", rand());", "use gingham_random"),
        ("printf(\"%ld\", (long)time(NULL));", "a policy has no clock"),
        ("puts(getenv(\"HOME\"));", "a policy has no environment"),
        ("fopen(\"/etc/hosts\", \"r\");", "a policy has no files"),
        ("puts(__DATE__);", "date or time macro is not reproducible"),
        ("undeclared();", "undeclared"),
    ] {
        let refused = Place::with(statement).refused();
        assert!(refused.contains(sentence), "{statement}: {refused}");
    }
}

#[test]
fn what_goes_wrong_in_c_ends_the_request() {
    if !has_compiler() {
        return;
    }
    for (statement, sentence) in [
        ("assert(address.tag == 77 && \"never\");", "assertion failed: address.tag == 77"),
        ("exit(3);", "exit(3)"),
        ("printf(\"%c\", *gingham_pod_label(request, \"none\"));", "unreachable"),
        ("int a[4], i = (int)(gingham_random(request) % 2) + 7; a[i] = 3; printf(\"%d\", a[i]);", "unreachable"),
        ("char text[1 << 20]; text[gingham_random(request) % 9] = 1; puts(text);", "out of bounds"),
    ] {
        let mut network = Place::with(statement).network(json!({"subnet": "10.1.0.0/24"}));
        let error = network.add("c1").outcome().unwrap_err().to_string();
        assert!(error.contains(sentence), "{statement}: {error}");
    }
}

#[test]
fn warnings_are_passed_on() {
    if !has_compiler() {
        return;
    }
    let place = Place::with("int unused = 1;");
    let mut warnings = String::new();
    let built = build(&place.directory, &mut |message| {
        if let Message::Warning(lines) = message {
            warnings.push_str(lines);
        }
    });
    assert!(built.is_ok());
    assert!(warnings.contains("unused variable 'unused'") && warnings.contains("src/policy.c:"), "{warnings}");
}

#[test]
fn a_directory_without_a_source_says_so() {
    let place = Place::new(Kind::Plain);
    fs::remove_file(place.directory.join("src/policy.c")).unwrap();
    let Err(BuildError::Toolchain { source, .. }) = build(&place.directory, &mut |_| {}) else {
        panic!("it was built")
    };
    assert!(matches!(source, ToolchainError::NoSource { .. }), "{source}");
}

const TWO_FAMILIES: &str = r#"
#include "gingham.h"

static const char *const KEYS[] = {"v4", "v6"};

void check_config(gingham_json config, gingham_context context, gingham_pools *pools) {
  (void)context;
  for (size_t i = 0; i < 2; i++) {
    gingham_prefix subnet;
    if (gingham_get_prefix(config, KEYS[i], &subnet)) gingham_add_subnet(pools, KEYS[i], subnet);
  }
}

bool allocate(gingham_json config, gingham_context context, gingham_request request, gingham_answer *answer,
              gingham_refusal *refusal) {
  (void)context;
  gingham_address address;
  size_t count = 0;
  while (gingham_requested_address(request, count, &address)) count++;
  for (size_t i = 0; i < 2; i++) {
    gingham_prefix subnet;
    gingham_get_prefix(config, KEYS[i], &subnet);
    if (!gingham_take(request, subnet, &address, refusal)) return false;
    gingham_answer_in(answer, subnet, address);
  }
  gingham_answer_reason(answer, "%zu requested", count);
  return true;
}
"#;

#[test]
fn an_address_of_each_family_can_be_requested() {
    if !has_compiler() {
        return;
    }
    let place = Place::new(Kind::Plain);
    fs::write(place.directory.join("src/policy.c"), TWO_FAMILIES).unwrap();
    let ipam = json!({"v4": "10.1.0.0/24", "v6": "fd00::/64"});
    let mut network = place.network(ipam);
    let mut add = |container: &str, requested: &[&str]| {
        let attachment = network.add(container);
        let attachment = requested.iter().fold(attachment, |attachment, address| attachment.requested(address));
        attachment.outcome()
    };
    let granted = add("c1", &["fd00::77", "10.1.0.77"]).unwrap();
    let addresses: Vec<String> = granted.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.1.0.77/24", "fd00::77/64"]);
    assert_eq!(granted.reason(), Some("2 requested"));
    assert_eq!(add("c2", &[]).unwrap().reason(), Some("0 requested"));
    let refused = add("c3", &["10.1.0.78", "fd00::77"]).unwrap_err().to_string();
    assert!(refused.contains("requested IP address fd00::77 is not available"), "{refused}");
    let refused = add("c4", &["10.1.0.78", "10.1.0.79"]).unwrap_err().to_string();
    assert!(refused.contains("10.1.0.79 was requested besides, and one address is given"), "{refused}");
}
